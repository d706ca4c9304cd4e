"""
One subject with several limits, lived by the engine room and by the reference side by side.

Everything that happens is drawn from a seeded ``Random``; after every step all limits are compared as people see them, now and
then also at a later instant; every few steps the ledger and the projections are, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from billing.engine.types import EntitlementType
from billing.entitlements.limitations import check, resolve_effective_limitations
from billing.models import BillableEntity, Definition
from mozaiks.kit.errors import Failure
from tests.engine.reference import Refused
from tests.entitlements.proof import assert_no_difference
from tests.equivalence.beside import Beside
from tests.equivalence.guest import Kind
from tests.equivalence.looking import ledger_in, ledger_of, seen_in
from tests.equivalence.plans import Offer, Subscribed, Upcoming

INSTANT, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BIRTH = datetime.fromisoformat("2026-01-30T12:00:00+00:00")
#: Steps between two looks at the ledger and the projections.
AUDIT_EVERY = 8

T = TypeVar("T")
E = TypeVar("E")
R = TypeVar("R")


@dataclass
class Limit:
    """One limit of the subject: its definition, the reference beside it, and the rows of the reference's uses and holds."""

    kind: Kind
    definition: Definition
    beside: Beside
    uses: list[int] = field(default_factory=list)
    holds: list[int] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.kind.code

    @property
    def is_consumable(self) -> bool:
        return self.kind.rule.is_consumable


@dataclass
class Keyed:
    """What was done under a key: how to ask for it again, how to ask for something else, and the first answer."""

    again: Callable[[datetime], Any]
    otherwise: Callable[[datetime], Any]
    answer: Any


@dataclass
class Life:
    draw: Random
    entity: BillableEntity
    limits: list[Limit]
    enforce: Callable[[bool], None]
    now: datetime = BIRTH
    told: list[str] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    subscribed: Subscribed | None = None
    upcoming: Upcoming | None = None
    unnumbered: list[Upcoming] = field(default_factory=list)
    anchor_at: datetime | None = None
    earliest: datetime = BIRTH - DAY
    keyed: list[Keyed] = field(default_factory=list)
    refused_keys: list[str] = field(default_factory=list)
    freezes: dict[int, list[str]] = field(default_factory=dict)
    rebuilds: bool = True
    actions: int = 0
    numbers: int = 0

    # -- drawing --------------------------------------------------------------------------------------------------

    def integer(self, low: int, high: int) -> int:
        return self.draw.randint(low, high)

    def pick(self, among: Sequence[T]) -> T:
        return among[self.integer(0, len(among) - 1)]

    def one_in(self, number: int) -> bool:
        return self.integer(1, number) == 1

    def limit(self, *, wanted: Callable[[Limit], Any] = lambda limit: True) -> Limit:
        return self.pick([limit for limit in self.limits if wanted(limit)])

    def has(self, wanted: Callable[[Limit], Any]) -> bool:
        return any(wanted(limit) for limit in self.limits)

    def moment(self) -> datetime:
        """Now, as the server that is asked knows it: its clock may be a little behind, but not behind what has begun."""
        behind = self.now - self.pick([INSTANT, SECOND, 4 * MINUTE, HOUR]) if self.one_in(20) else self.now
        return max(behind, self.earliest)

    def number(self) -> int:
        """A number nobody had before."""
        self.numbers += 1
        return self.numbers

    def key(self) -> str | None:
        """A key for half of the requests; one that was refused leaves its key free for another request."""
        if self.one_in(2):
            return None
        if self.refused_keys and self.one_in(3):
            return self.refused_keys.pop()
        return f"life-{self.number()}"

    # -- comparing ------------------------------------------------------------------------------------------------

    def note(self, *words: object) -> None:
        self.told.append(f"{self.now:%m-%d %H:%M:%S.%f} " + " ".join(str(word) for word in words))

    def both(
        self, engine: Callable[[], E], reference: Callable[[], R], *, refusal: type[Failure] | tuple[type[Failure], ...]
    ) -> tuple[E, R] | Failure:
        """
        The same operation on both sides: what both answer, or the refusal of the engine where both refuse.

        A refusal leaves no trace: overage that was paid on the way is paid by whoever comes next.
        """
        failure, refused, answer, expected = None, False, None, None
        before = [(limit.beside, limit.beside.clock, len(limit.beside.payments)) for limit in self.limits]
        try:
            answer = engine()
        except refusal as error:
            failure = error
        try:
            expected = reference()
        except Refused:
            refused = True
            for beside, clock, payments in before:
                beside.clock = clock
                del beside.payments[payments:]
        assert refused == (failure is not None), f"only the {'reference' if refused else 'engine'} refuses"
        if failure is not None:
            self.told[-1] += " (refused)"
            return failure
        return answer, expected  # type: ignore[return-value]

    def compare(self) -> None:
        """All limits as people see them, now; now and then as they would be seen later, if nothing happened."""
        self._compare_at(self.now)
        later = self.later()
        if self.one_in(3) and (self.upcoming is None or later < self.upcoming.start):
            self._compare_at(later)
        if self.one_in(4):
            self._compare_check(self.limit(), self.integer(1, 80))

    def note_schedule(self) -> None:
        """Tell every limit whether a scheduled change will touch it: its templates or what the current plan gave name it."""
        for limit in self.limits:
            limit.beside.scheduled_at = self._scheduled_at(limit)

    def _scheduled_at(self, limit: Limit) -> datetime | None:
        if self.upcoming is None:
            return None
        start = self.upcoming.start
        given = self.subscribed.given if self.subscribed else []
        named = any(promise.code == limit.code for promise in self.upcoming.offer.promises)
        live = any(code == limit.code and limit.beside.grant_of(known).end > start for code, known in given)
        return start if named or live else None

    def _compare_at(self, now: datetime) -> None:
        self.note_schedule()
        codes = [limit.code for limit in self.limits]
        said = {
            each.code: seen_in(each)
            for each in resolve_effective_limitations(self.entity, now=now, codes=codes).limitations
        }
        for limit in self.limits:
            expected = limit.beside.seen(now)
            assert said[limit.code] == expected, f"{limit.code} at {now}:\n{told_apart(said[limit.code], expected)}"

    def _compare_check(self, limit: Limit, amount: int) -> None:
        decision = check(self.entity, limit.kind.capability, amount=amount, now=self.now)
        at = limit.beside.at(self.now)
        with limit.beside.looking():
            fits = limit.beside.fits(amount, limit.beside.view(at))
        assert decision.fits == fits, (
            f"{limit.code}: {amount} {'fit' if fits else 'do not fit'}, the check says otherwise"
        )

    def audit(self) -> None:
        """The ledger, line by line, and the projections."""
        for limit in self.limits:
            if limit.is_consumable:
                found, expected = ledger_in(self.entity, limit.definition), ledger_of(limit.beside)
                assert found == expected, f"the ledger of {limit.code}:\n{told_apart(found, expected)}"
        assert_no_difference([self.entity.pk])

    # -- time -----------------------------------------------------------------------------------------------------

    def later(self) -> datetime:
        """A little later, exactly at the next change of some limit or an instant before it, or several windows on."""
        beside = self.limit().beside
        change = beside.next_change_at(beside.at(self.now)) or self.now + DAY
        steps = [INSTANT, SECOND, MINUTE, HOUR, 7 * HOUR, DAY, 3 * DAY, 8 * DAY, 33 * DAY, 70 * DAY]
        moments = [change, change, change, change - INSTANT, *(self.now + step for step in steps)]
        return max(self.now, self.pick(moments))

    def pass_time(self) -> None:
        target = self.later()
        self.note("time passes until", target)
        self.now = target


def told_apart(found: Any, expected: Any) -> str:
    """The fields in which two dataclasses differ."""
    pairs = [(each.name, getattr(found, each.name), getattr(expected, each.name)) for each in fields(expected)]
    return "\n".join(f"  {name}: engine    {a}\n  {name}: reference {b}" for name, a, b in pairs if a != b)


def counts_a_level(limit: Limit) -> bool:
    return limit.kind.rule.type is EntitlementType.CAPACITY
