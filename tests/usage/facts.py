"""Facts at random, and what they come to when somebody simply adds them up."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import Any

from billing.models import Consumption, Decision, UsageDay, UsageTotal
from tests import NOON
from tests.house.rows import insert

Key = tuple[int, int, date]
CODES = ("BILLING_LIMIT_EXCEEDED", "STATE_NOT_GRANTED", "CAPACITY_LOCKED")


def use(subject: int = 1, definition: int = 1, *, amount: int = 3, hours: float = 0, **said: Any) -> Consumption:
    """A use ``hours`` before noon; a negative amount gives back."""
    if amount < 0:
        said = {"reverses_id": 1, **said}
    at = NOON - timedelta(hours=hours)
    made: Consumption = insert(
        Consumption, subject_id=subject, definition_id=definition, amount=amount, occurred_at=at, **said
    )
    return made


def refusal(
    subject: int = 1, definition: int = 1, *, code: str = CODES[0], hours: float = 0, advisory: bool = False
) -> Decision:
    """A refusal ``hours`` before noon, or one that was let through."""
    return Decision.objects.create(
        subject_id=subject,
        definition_id=definition,
        capability="gadgets.press",
        code=code,
        reason="exhausted",
        requested=1,
        limit=0,
        used=0,
        advisory=advisory,
        occurred_at=NOON - timedelta(hours=hours),
    )


def happen(random: Random, number: int) -> None:
    """So many uses, returns and refusals of a few subjects in the last days, in no order of time."""
    for _ in range(number):
        subject, definition, hours = random.randint(1, 4), random.randint(1, 3), random.uniform(0, 100)
        if random.random() < 0.3:
            refusal(subject, definition, code=random.choice(CODES), hours=hours, advisory=random.random() < 0.5)
        else:
            use(subject, definition, amount=random.choice((-2, -1, 1, 5, 10**12)), hours=hours)


def counted() -> dict[Key, tuple[int, int, int]]:
    """The days as they are stored: used, refused, let through."""
    rows = UsageDay.objects.values_list("subject_id", "definition_id", "day", "used", "refused", "advisory")
    return {(subject, definition, day): (used, refused, let) for subject, definition, day, used, refused, let in rows}


def added_up() -> dict[Key, tuple[int, int, int]]:
    """The same by looking at every fact."""
    used: Counter[Key] = Counter()
    refused: Counter[Key] = Counter()
    advisory: Counter[Key] = Counter()
    for one in Consumption.objects.all():
        used[one.subject_id, one.definition_id, one.occurred_at.date()] += one.amount
    for other in Decision.objects.all():
        key = (other.subject_id, other.definition_id, other.occurred_at.date())
        (advisory if other.advisory else refused)[key] += 1
    return {key: (used[key], refused[key], advisory[key]) for key in {*used, *refused, *advisory}}


def totals() -> dict[tuple[date, int, str], tuple[int, int, int]]:
    """The totals as they are stored."""
    rows = UsageTotal.objects.values_list("day", "definition_id", "code", "used", "refused", "advisory")
    return {(day, definition, code): (used, refused, let) for day, definition, code, used, refused, let in rows}


def totals_added_up() -> dict[tuple[date, int, str], tuple[int, int, int]]:
    """The same by looking at every fact."""
    used: Counter[tuple[date, int, str]] = Counter()
    refused: Counter[tuple[date, int, str]] = Counter()
    advisory: Counter[tuple[date, int, str]] = Counter()
    for one in Consumption.objects.all():
        used[one.occurred_at.date(), one.definition_id, ""] += one.amount
    for other in Decision.objects.all():
        key = (other.occurred_at.date(), other.definition_id, other.code)
        (advisory if other.advisory else refused)[key] += 1
    return {key: (used[key], refused[key], advisory[key]) for key in {*used, *refused, *advisory}}
