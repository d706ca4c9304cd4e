"""
Random histories of one (subject, definition), lived by the engine and by the reference side by side.

``live`` draws what happens from a ``Draw`` (Hypothesis or a seeded ``random.Random``) and compares everything after every
step: refusals, who paid, figures, next change, settlements, the standing projected from the facts, and a way that was
walked in two parts with the same way walked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol, TypeVar

from billing.engine.types import (
    AdjustmentKind,
    AggregationMode,
    EntitlementType,
    GrantKind,
    Replenish,
    Rule,
    SourceType,
    WindowAnchor,
    WindowInterval,
)
from tests.engine.comparing import (
    facts_of,
    numbers_of_engine,
    settled_by_engine,
    settled_by_reference,
    shares_of_engine,
    shares_of_reference,
)
from tests.engine.driven import Driven
from tests.engine.driven_facts import NotAllowed
from tests.engine.reference import Mode, Reference, Refused
from tests.engine.reference_facts import Grant
from tests.engine.reference_windows import SPAN

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta(milliseconds=1)

#: Kind, replenish, source: what the doors of the system can make.
ORIGINS = [
    (GrantKind.PLAN_BASE, Replenish.PER_WINDOW, SourceType.PLAN_ASSIGNMENT),
    (GrantKind.PLAN_BASE, Replenish.PER_WINDOW, SourceType.PLAN_ASSIGNMENT),
    (GrantKind.PROMO, Replenish.PER_WINDOW, SourceType.PLAN_ASSIGNMENT),
    (GrantKind.PROMO, Replenish.ONCE, SourceType.BILLING_EVENT),
    (GrantKind.ADDON_TIMEBOXED, Replenish.PER_WINDOW, SourceType.BILLING_PURCHASE),
    (GrantKind.TOPUP, Replenish.ONCE, SourceType.BILLING_PURCHASE),
    (GrantKind.TOPUP, Replenish.ONCE, SourceType.BILLING_PURCHASE),
    (GrantKind.MANUAL_ADJUSTMENT, Replenish.ONCE, SourceType.MANUAL_CONSOLE),
    (GrantKind.CORRECTION, Replenish.ONCE, SourceType.MANUAL_CONSOLE),
]

T = TypeVar("T")


class Draw(Protocol):
    def integer(self, low: int, high: int) -> int: ...


@dataclass(frozen=True)
class FromRandom:
    random: Random

    def integer(self, low: int, high: int) -> int:
        return self.random.randint(low, high)


def metered(interval: WindowInterval, anchor: WindowAnchor) -> Rule:
    return Rule(type=EntitlementType.METERED_QUOTA, interval=interval, anchor=anchor)


RULES = [
    *(metered(interval, WindowAnchor.CALENDAR_UTC) for interval in WindowInterval),
    *(metered(interval, WindowAnchor.ANNIVERSARY) for interval in WindowInterval),
    *(metered(interval, WindowAnchor.ROLLING) for interval in (WindowInterval.DAY, WindowInterval.WEEK)),
    Rule(type=EntitlementType.BALANCE),
    Rule(type=EntitlementType.CAPACITY),
    Rule(type=EntitlementType.CAPACITY, aggregation=AggregationMode.MAX),
    Rule(type=EntitlementType.STATE, aggregation=AggregationMode.BOOLEAN_ANY_TRUE),
]
#: How often each is drawn: windows and pools are where the difficulties are.
WEIGHTED_RULES = [rule for rule in RULES for _ in range(4 if rule.is_consumable else 1)]
ANCHOR = datetime(2025, 1, 31, 10, 15, tzinfo=UTC)


@dataclass
class History:
    """One subject, twice."""

    draw: Draw
    rule: Rule
    engine: Driven
    reference: Reference
    now: datetime = NOON
    told: list[str] = field(default_factory=list)

    def live(self, steps: int) -> None:
        for _ in range(self.draw.integer(0, 2)):
            self.grant()
        for _ in range(steps):
            self.pick(self.choices())()
            self.compare()

    def choices(self) -> list[Callable[[], None]]:
        common = [self.pass_time, self.pass_time, self.grant, self.end, self.change_plan]
        if self.reference.grants:
            common += [self.freeze_or_release, self.take]
        if not self.rule.is_consumable:
            return [*common, self.recount]
        common += [self.grant, *[self.use] * 5, self.use_earlier, self.use_earlier, self.hold]
        if self.reference.uses:
            common += [self.reverse] * 2
        if self.reference.holds:
            common += [self.capture, self.capture, self.extend, self.drop]
        return common

    # -- what happens ---------------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        target = self.later()
        middle = self.now + (target - self.now) * self.draw.integer(0, 8) / 8
        middle = middle.replace(microsecond=middle.microsecond // 1000 * 1000)
        in_two = self.engine.passed_in_two(middle, target)
        known = len(self.engine.settlements)
        self.now = target
        self.note("time passes", target)
        self.both(lambda: self.engine.pass_time(target), lambda: self.reference.pass_time(target))
        assert in_two == (self.engine.standing, self.engine.settlements[known:]), "two runs are not one run"

    def grant(self) -> None:
        grant = self.some_grant(self.pick(ORIGINS))
        self.note("grant", grant)
        self.both(
            lambda: self.engine.grant(facts_of(grant), now=self.now), lambda: self.reference.grant(grant, now=self.now)
        )

    def change_plan(self) -> None:
        grant = self.some_grant(ORIGINS[0])
        leaving = [g.id for g in self.reference.grants if g.kind is GrantKind.PLAN_BASE]
        self.note("change plan", grant)
        self.both(
            lambda: self.engine.end(leaving, now=self.now, new=facts_of(grant)),
            lambda: self.reference.change_plan(grant, now=self.now),
        )

    def end(self) -> None:
        if not self.reference.grants:
            return
        grant_id = self.pick(self.reference.grants).id
        self.note("end", grant_id)
        self.both(lambda: self.engine.end([grant_id], now=self.now), lambda: self.reference.end(grant_id, now=self.now))

    def freeze_or_release(self) -> None:
        grant_id = self.pick(self.reference.grants).id
        frozen = self.engine.grants[grant_id].frozen
        kind = AdjustmentKind.RELEASE if frozen else AdjustmentKind.FREEZE
        self.note(kind, grant_id)
        do = self.reference.release if frozen else self.reference.freeze
        self.both(lambda: self.engine.adjust(grant_id, kind, now=self.now), lambda: do(grant_id, now=self.now))

    def take(self) -> None:
        grant_id, target = self.pick(self.reference.grants).id, self.draw.integer(1, 90)
        self.note("take", grant_id, target)
        self.both(
            lambda: self.engine.adjust(grant_id, AdjustmentKind.TAKE, now=self.now, target=target),
            lambda: self.reference.take(grant_id, target, now=self.now),
        )

    def use(self) -> None:
        self.use_at(self.now)

    def use_earlier(self) -> None:
        """Mostly late: the window before, or one long ago."""
        start = self.engine.standing.window.start
        moments = [start - INSTANT, start - HOUR, self.now - HOUR, self.now - DAY, self.now - 20 * DAY]
        if self.rule.is_rolling and self.rule.interval:
            moments += [self.now - SPAN[self.rule.interval], self.now - SPAN[self.rule.interval] + INSTANT]
        self.use_at(self.pick([moment for moment in moments if moment > ANCHOR]))

    def use_at(self, occurred_at: datetime) -> None:
        amount, mode = self.draw.integer(1, 70), self.pick(list(Mode))
        self.note("use", amount, mode, occurred_at)
        self.both(
            lambda: self.engine.use(amount, hard=mode is Mode.HARD, now=self.now, occurred_at=occurred_at),
            lambda: self.reference.use(amount, mode, now=self.now, occurred_at=occurred_at),
        )

    def reverse(self) -> None:
        use = self.pick(self.reference.uses)
        amount = self.draw.integer(1, max(1, self.reference.net(use) + 1))
        self.note("reverse", use.id, amount)
        self.both(
            lambda: self.engine.reverse(use.id, amount, now=self.now),
            lambda: self.reference.reverse(use.id, amount, now=self.now),
        )

    def hold(self) -> None:
        amount, mode = self.draw.integer(1, 60), self.pick(list(Mode))
        ttl = self.pick([SECOND, MINUTE, HOUR, DAY])
        self.note("hold", amount, mode, ttl)
        self.both(
            lambda: self.engine.hold(amount, hard=mode is Mode.HARD, ttl=ttl, now=self.now),
            lambda: self.reference.hold(amount, mode, ttl=ttl, now=self.now),
        )

    def capture(self) -> None:
        hold = self.pick(self.reference.holds)
        amount = self.draw.integer(1, hold.amount + 10)
        above = self.pick(["reject", "if_available", "overdraft"])
        final = bool(self.draw.integer(0, 1))
        self.note("capture", hold.id, amount, above, final)
        self.both(
            lambda: self.engine.capture(hold.id, amount, now=self.now, above=above, final=final),
            lambda: self.reference.capture(hold.id, amount, now=self.now, above=above, final=final),
        )

    def extend(self) -> None:
        hold, ttl = self.pick(self.reference.holds), self.pick([MINUTE, HOUR, DAY])
        self.note("extend", hold.id, ttl)
        self.both(
            lambda: self.engine.extend(hold.id, ttl=ttl, now=self.now),
            lambda: self.reference.extend(hold.id, ttl=ttl, now=self.now),
        )

    def drop(self) -> None:
        hold = self.pick(self.reference.holds)
        self.note("drop", hold.id)
        self.both(lambda: self.engine.drop(hold.id, now=self.now), lambda: self.reference.drop(hold.id, now=self.now))

    def recount(self) -> None:
        self.reference.count = self.engine.standing.count = (
            self.draw.integer(0, 120) if self.rule.type is EntitlementType.CAPACITY else 0
        )
        self.note("count", self.reference.count)

    # -- drawing --------------------------------------------------------------------------------------------------

    def pick(self, among: Sequence[T]) -> T:
        return among[self.draw.integer(0, len(among) - 1)]

    def later(self) -> datetime:
        """A little later, exactly at the next change or an instant before it, or several windows on."""
        change = self.reference.next_change_at(self.now) or self.now + DAY
        steps = [INSTANT, MINUTE, HOUR, 7 * HOUR, DAY, 3 * DAY, 8 * DAY, 33 * DAY, 70 * DAY]
        return self.pick(
            [change, change, change, max(self.now, change - INSTANT), *(self.now + step for step in steps)]
        )

    def some_grant(self, origin: tuple[GrantKind, Replenish, SourceType]) -> Grant:
        kind, replenish, source = origin
        window = self.engine.standing.window
        offset = self.pick([0 * DAY] * 4 + [-INSTANT, -HOUR, -2 * DAY, -40 * DAY, INSTANT, HOUR, 3 * DAY, 20 * DAY])
        effective_at = self.now + offset
        ends = [None, effective_at + HOUR, effective_at + 5 * DAY, effective_at + 31 * DAY, window.end, self.now + HOUR]
        expires_at = self.pick(
            [end for end in ends if end is None or effective_at < end < datetime(9999, 1, 1, tzinfo=UTC)]
        )
        amount = None if self.draw.integer(0, 19) == 0 else self.pick([1, 10, 20, 30, 50, 100])
        return Grant(
            id=len(self.reference.grants) + 1,
            amount=1 if self.rule.type is EntitlementType.STATE else amount,
            kind=kind,
            replenish=replenish,
            source=source,
            effective_at=effective_at,
            expires_at=expires_at,
        )

    # -- comparing ------------------------------------------------------------------------------------------------

    def both(self, engine: Callable[[], Any], reference: Callable[[], Any]) -> None:
        """The same step on both sides: both accept it or both refuse."""
        refusals = []
        for side, step in (("engine", engine), ("reference", reference)):
            try:
                step()
            except (NotAllowed, Refused):
                refusals.append(side)
        assert len(refusals) != 1, f"only the {refusals[0]} refuses"
        if refusals:
            self.told[-1] += " (refused)"

    def compare(self) -> None:
        self.engine.pass_time(self.now)
        assert numbers_of_engine(self.engine) == self.reference.says(self.now)
        assert self.engine.next_change_at(self.now) == self.reference.next_change_at(self.now)
        assert shares_of_engine(self.engine) == shares_of_reference(self.reference)
        assert settled_by_engine(self.engine) == settled_by_reference(self.reference)
        assert self.engine.standing == self.engine.projected(self.now), "the facts project to another standing"

    def note(self, *words: object) -> None:
        self.told.append(f"{self.now:%m-%d %H:%M:%S.%f} " + " ".join(str(word) for word in words))


def begin(draw: Draw) -> History:
    """A subject with nothing yet, of a rule that is drawn."""
    rule = WEIGHTED_RULES[draw.integer(0, len(WEIGHTED_RULES) - 1)]
    anchor_at = ANCHOR if rule.anchor is WindowAnchor.ANNIVERSARY else None
    engine = Driven.begin(rule, now=NOON, anchor_at=anchor_at)
    reference = Reference(rule=rule, anchor_at=anchor_at)
    reference.pass_time(NOON)
    return History(draw=draw, rule=rule, engine=engine, reference=reference)
