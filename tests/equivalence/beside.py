"""
The naive reference of one limit of a subject, with what the engine room adds to the arithmetic.

Enforcement and its overrides, lock states, several freezes at once, a clock that never falls back, and looking ahead without
moving. It keeps the facts and sums them again at every question, as the reference below it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from billing.engine.types import (
    AdjustmentKind,
    EnforcementMode,
    EnforcementOverride,
    EntitlementType,
)
from tests.engine.reference import Mode, Reference, Says
from tests.engine.reference_facts import Grant, View
from tests.engine.reference_windows import SPAN
from tests.equivalence.guest import LOCKED


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A limit as people see it."""

    granted: int | None
    consumed: int
    held: int
    effective: int | None
    hard_limit: int | None
    unlimited: bool
    over_limit: bool
    lock_state: str
    enforcement: EnforcementMode
    next_change_at: datetime | None
    window_start: datetime
    window_end: datetime | None
    version: int


@dataclass(kw_only=True)
class Beside(Reference):
    enforcement: EnforcementMode = EnforcementMode.HARD_DENY
    enforced: bool = True
    overrides: dict[int, EnforcementOverride] = field(default_factory=dict)
    version: int = 0
    last_event_at: datetime | None = None
    scheduled_at: datetime | None = None

    # -- time -----------------------------------------------------------------------------------------------------

    def at(self, now: datetime) -> datetime:
        """The operation's time: no clock moves a subject backwards."""
        return now if self.last_event_at is None else max(now, self.last_event_at)

    def written(self, now: datetime) -> datetime:
        """The balance is written: its version rises, and no earlier instant will be known. Returns the operation's time."""
        self.last_event_at = self.at(now)
        self.version += 1
        return self.last_event_at

    def seen_by_worker(self, version: int, at: datetime) -> None:
        """Whether a boundary is worth a write is the worker's own affair; what it wrote is of ``at``."""
        assert version >= self.version, "a version fell"
        if version > self.version:
            self.version, self.last_event_at = version, at
            self.pass_time(at)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Questions between these lines leave no trace: grants that begin by themselves pay nothing yet."""
        clock, payments = self.clock, len(self.payments)
        try:
            yield
        finally:
            self.clock = clock
            del self.payments[payments:]

    # -- grants ---------------------------------------------------------------------------------------------------

    def exchange(self, *, ending: Iterable[int], new: Iterable[Grant], now: datetime) -> None:
        """Grants end and begin in one transaction; units that became free pay overage once, at its end."""
        at = self.written(now)
        self.pass_time(at)
        for grant_id in ending:
            grant = self.grant_of(grant_id)
            grant.ended_at = at if grant.ended_at is None else grant.ended_at
        self.grants += new
        self._settle(at)

    def take_back(self, grant_id: int, target: int | None, *, now: datetime) -> int:
        """Take, None: all there is; nothing of a grant that is over or unlimited, and of none more than it has."""
        self.pass_time(now)
        grant = self.grant_of(grant_id)
        rest = 0 if grant.amount is None or grant.end <= now else grant.amount - self.taken(grant, self.view(now))
        return self.take(grant_id, rest if target is None else min(target, rest), now=now)

    def _frozen(self, grant: Grant, at: datetime, *, before: bool = False) -> bool:
        """While one dispute is open."""
        said = [
            a.kind for a in self.adjustments if a.grant_id == grant.id and (a.at < at or (a.at == at and not before))
        ]
        return said.count(AdjustmentKind.FREEZE) > said.count(AdjustmentKind.RELEASE)

    def renumber(self, numbers: dict[int, int]) -> None:
        """Grants get other ids, wherever they are named."""
        for grant in self.grants:
            grant.id = numbers.get(grant.id, grant.id)
        for payment in self.payments:
            payment.grant_id = numbers.get(payment.grant_id, payment.grant_id)

    def next_change_at(self, now: datetime) -> datetime | None:
        """The start of a scheduled plan change is one more boundary."""
        known = super().next_change_at(now)
        if self.scheduled_at is None or self.scheduled_at <= now:
            return known
        return self.scheduled_at if known is None else min(known, self.scheduled_at)

    # -- enforcement ----------------------------------------------------------------------------------------------

    def mode_of(self, view: View) -> EnforcementMode:
        """The strictest override among the open lots wins over the definition."""
        overrides = {self.overrides[grant.id] for grant in self.open_lots(view) if grant.id in self.overrides}
        for override in (EnforcementOverride.HARD_DENY, EnforcementOverride.SOFT_WARN):
            if override in overrides:
                return EnforcementMode(override.value)
        return self.enforcement

    def lenience(self, view: View, *, already_happened: bool = False) -> Mode:
        """Whether units that do not fit are refused."""
        if already_happened:
            return Mode.HAPPENED
        lenient = not self.enforced or self.mode_of(view) is EnforcementMode.SOFT_WARN
        return Mode.SOFT if lenient else Mode.HARD

    def fits(self, amount: int, view: View) -> bool:
        """Whether ``amount`` units are free; of a capacity, whether there is room for them; of a state, whether it is granted."""
        self.pass_time(view.at)
        if self.rule.is_consumable:
            return self.fits_in(amount, view)
        granted = self._granted(view)
        if self.rule.type is EntitlementType.STATE:
            return granted == 1
        return granted is None or amount <= 0 or self.count + amount <= granted

    def fits_in(self, amount: int, view: View) -> bool:
        """Whether a use of the window of ``view`` fits, now or late."""
        self.pass_time(view.at)
        return amount <= self.available(view)

    def view_at(self, at: datetime) -> View:
        self.pass_time(at)
        return self.view(at)

    def told(self, occurred_at: datetime, now: datetime) -> tuple[int | None, int, int, str]:
        """What a refused caller is told of the window in which the use would have been: limit, used, remaining, enforcement."""
        with self.looking():
            self.pass_time(now)
            view = self.view_of_use(occurred_at, now=now)
            says = self.said_at(view)
            return says.granted, says.consumed, max(0, says.effective or 0), self.mode_of(view).value

    # -- what people see ------------------------------------------------------------------------------------------

    def seen(self, now: datetime) -> Seen:
        at = self.at(now)
        with self.looking():
            says = self.says(at)
            view = self.view(at)
            rolling = self.rule.is_rolling and self.rule.interval
            return Seen(
                granted=says.granted,
                consumed=says.consumed,
                held=says.held,
                effective=says.effective,
                hard_limit=says.hard_limit,
                unlimited=says.unlimited,
                over_limit=says.over_limit,
                lock_state=self._lock_state(says, at),
                enforcement=self.mode_of(view),
                next_change_at=self.next_change_at(at),
                window_start=at - SPAN[rolling] if rolling else view.start,
                window_end=None if rolling else view.end,
                version=self.version,
            )

    def said_at(self, view: View) -> Says:
        """The numbers of a window, closed or not, as a decision in it is made on them."""
        granted, overage = self._granted(view), self.overage(view)
        left = self.left(view) if self.rule.is_consumable else (granted or 0) - self.count
        held = 0 if view.late else self._held(view.at)
        return Says(
            granted=granted,
            consumed=self._consumed(view),
            held=held,
            effective=None if granted is None else left - overage - held,
            overage=overage,
            over_limit=granted is not None and self._over_limit(view, granted, overage),
            hard_limit=None,
            unlimited=granted is None,
        )

    def _lock_state(self, says: Says, at: datetime) -> str:
        if self.rule.type is EntitlementType.STATE:
            ever = any(grant.effective_at <= at and grant.effective_at < grant.end for grant in self.grants)
            return LOCKED if ever and not says.granted else "none"
        locks = self.enforcement is EnforcementMode.HARD_LOCK_RESOURCE
        return LOCKED if locks and says.over_limit else "none"
