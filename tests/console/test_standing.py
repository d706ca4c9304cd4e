"""How a plan stands, in words: late payment, trials, cancellations, renewals, and what was scheduled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from billing.models import Plan, PlanAssignment
from billing.subscriptions.moving import BECAUSE
from console.standing import standing_of
from mozaiks.kit.times import spoken
from tests import NOON

FREE, GOLD = Plan(pk=1, code="free", name="Free"), Plan(pk=2, code="gold", name="Gold")
SOON = NOON + timedelta(days=3)


def on(plan: Plan, **said: Any) -> PlanAssignment:
    known = {"subscription_status": "active", "source": "internal", "period_start_at": NOON, "metadata_json": {}}
    return PlanAssignment(plan=plan, **known | said)


def then(plan: Plan, because: str = "", **said: Any) -> PlanAssignment:
    metadata = {BECAUSE: because} if because else {}
    return on(plan, period_start_at=SOON, metadata_json=metadata, **said)


def facts(row: PlanAssignment) -> dict[str, str]:
    return dict(standing_of(row, None, now=NOON).facts)


def test_a_late_payment_says_since_when_and_until_when() -> None:
    late = on(GOLD, subscription_status="past_due", past_due_since_at=NOON)
    until = NOON + timedelta(days=settings.BILLING_PAST_DUE_GRACE_DAYS)

    assert facts(late)["Unpaid since"] == spoken(NOON)
    assert facts(late)["Access until"] == f"{spoken(until)}, unless it is paid"


def test_a_trial_says_when_it_ends_and_what_comes() -> None:
    trial = on(GOLD, subscription_status="trialing", trial_end_at=SOON)

    standing = standing_of(trial, then(FREE, "trial_ends"), now=NOON)

    assert dict(standing.facts)["Trial ends"] == spoken(SOON)
    assert standing.next == f"The trial ends in 3 days, {spoken(SOON)}; then Free."
    assert not standing.is_asked_for


@pytest.mark.parametrize(
    ("upcoming", "words", "asked_for", "ending"),
    [
        (None, "No change is scheduled.", False, False),
        (then(GOLD), f"Renews in 3 days, {spoken(SOON)}.", False, False),
        (then(FREE), f"Changes to Free in 3 days, {spoken(SOON)}.", True, False),
        (then(FREE, "canceled"), f"It is canceled, and ends in 3 days, {spoken(SOON)}; then Free.", False, True),
        (
            then(FREE, "grace_ends"),
            f"Unless it is paid, access ends in 3 days, {spoken(SOON)}; then Free.",
            False,
            False,
        ),
        (
            then(GOLD, "ends", subscription_status="inactive"),
            f"It is canceled, and ends in 3 days, {spoken(SOON)}; then no plan.",
            False,
            False,
        ),
    ],
)
def test_what_comes_is_told_and_only_what_was_asked_for_can_be_dropped(
    upcoming: PlanAssignment | None, words: str, asked_for: bool, ending: bool
) -> None:
    standing = standing_of(on(GOLD), upcoming, now=NOON)

    assert standing.next == words
    assert (standing.is_asked_for, standing.ends_with_period) == (asked_for, ending)


def test_who_collects_is_told_also_where_nobody_does() -> None:
    assert facts(on(GOLD, source="manual")) == {"Collected by": "nobody: it was given by hand"}
    assert facts(on(FREE)) == {}


def test_without_a_plan_nothing_is_said() -> None:
    standing = standing_of(None, None, now=NOON)

    assert (standing.facts, standing.is_of_provider) == ((), False)
