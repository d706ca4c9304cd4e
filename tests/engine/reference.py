"""
A naive reference of one (subject, definition): a list of facts, and every number recomputed from all of them.

It shares the words (``billing.engine.types``) with the engine and nothing else. It is slow on purpose: no figure is
kept, each is summed again from the facts whenever somebody asks. Read it as the specification in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.engine.types import AdjustmentKind, AggregationMode, EntitlementType, GrantKind
from tests.engine.reference_facts import (
    POOLS,
    Adjustment,
    Facts,
    Grant,
    Hold,
    Payment,
    Reversal,
    Use,
    View,
)
from tests.engine.reference_windows import FOREVER, SPAN, window_of


class Refused(Exception):
    """The operation does not fit, and nothing was recorded."""


class Mode(StrEnum):
    """What happens to units that no lot can pay: the use is refused, or they are recorded as overage."""

    HARD = "hard"
    SOFT = "soft"
    HAPPENED = "happened"


@dataclass(kw_only=True)
class Says:
    """What a balance says at one instant."""

    granted: int | None
    consumed: int
    held: int
    effective: int | None
    overage: int
    over_limit: bool
    hard_limit: int | None
    unlimited: bool


@dataclass(kw_only=True)
class Undone:
    """What a reversal undid: payments with their sign turned, and how much of it reached no lot."""

    payments: list[Payment]
    overage: int
    lost: int


class Reference(Facts):
    # -- grants ---------------------------------------------------------------------------------------------------

    def grant(self, grant: Grant, *, now: datetime) -> None:
        self.pass_time(now)
        self.grants.append(grant)
        self._settle(now)

    def end(self, grant_id: int, *, now: datetime) -> None:
        self.pass_time(now)
        if now < self.grant_of(grant_id).end:
            self.grant_of(grant_id).ended_at = now
        self._settle(now)

    def change_plan(self, new: Grant, *, now: datetime) -> None:
        """Every base grant of a plan that is not over yet ends now, and the new plan's takes its place."""
        self.pass_time(now)
        for grant in self.grants:
            if grant.kind is GrantKind.PLAN_BASE and now < grant.end:
                grant.ended_at = now
        self.grants.append(new)
        self._settle(now)

    def freeze(self, grant_id: int, *, now: datetime) -> None:
        self.pass_time(now)
        self.adjustments.append(Adjustment(grant_id=grant_id, kind=AdjustmentKind.FREEZE, at=now))

    def release(self, grant_id: int, *, now: datetime) -> None:
        self.pass_time(now)
        self.adjustments.append(Adjustment(grant_id=grant_id, kind=AdjustmentKind.RELEASE, at=now))
        self._settle(now)

    def take(self, grant_id: int, target: int, *, now: datetime) -> int:
        """Lower a grant's amount: by ``target``, of a once or lifetime lot by no more than what is left."""
        self.pass_time(now)
        grant = self.grant_of(grant_id)
        amount = target
        if grant.amount is not None and self.rule.is_consumable and not self.renews(grant):
            amount = min(target, grant.amount - self.taken(grant, self.view(now)) - self.paid_ever(grant))
        self.adjustments.append(Adjustment(grant_id=grant_id, kind=AdjustmentKind.TAKE, at=now, amount=amount))
        return amount

    # -- uses -----------------------------------------------------------------------------------------------------

    def use(self, amount: int, mode: Mode, *, now: datetime, occurred_at: datetime | None = None) -> Use:
        """Debit ``amount``; what no lot pays is refused in full or recorded as overage. A closed window is late."""
        self.pass_time(now)
        occurred_at = occurred_at or now
        view = self.view_of_use(occurred_at, now=now)
        if mode is Mode.HARD and amount > self.available(view):
            raise Refused
        return self._debit(amount, view, occurred_at)

    def view_of_use(self, occurred_at: datetime, *, now: datetime) -> View:
        start, end = window_of(self.rule, occurred_at, self.anchor_at)
        return View(at=now, start=start, end=end, late=end <= now)

    def available(self, view: View) -> float:
        """What a use may still ask for. A closed window has no holds: they are captured at their own time."""
        held = 0 if view.late else self._held(view.at)
        return float("inf") if self.is_unlimited(view) else self.left(view) - self.overage(view) - held

    def reverse(self, use_id: int, amount: int, *, now: datetime) -> Undone:
        """
        Take back ``amount`` of a use.

        First from its overage: what is unpaid in its window, then the window's settlements, last one first.
        Then from its shares, last-taken first.
        """
        self.pass_time(now)
        use = self.uses[use_id]
        if amount > self.net(use):
            raise Refused
        of_overage = min(amount, self.net_overage(use))
        start, end = window_of(self.rule, use.occurred_at, self.anchor_at)
        unpaid = of_overage if self.rule.is_rolling else self.overage(View(at=now, start=start, end=end))
        undone = self._undo(None, max(0, of_overage - unpaid), use) + self._undo(use_id, amount - of_overage, use)
        self.payments += undone
        self.reversals.append(Reversal(use_id=use_id, amount=amount, overage=of_overage))
        self._settle(now)
        lost = -sum(p.amount for p in undone if self._is_gone(p, end, now))
        return Undone(payments=undone, overage=of_overage, lost=lost)

    def _undo(self, use_id: int | None, amount: int, use: Use) -> list[Payment]:
        """Turn the sign of the newest ``amount`` units paid for a use, or for the overage of its window."""
        standing: list[list[int]] = []
        for p in self.payments:
            if p.use_id != use_id or p.window_start != use.window_start:
                continue
            if p.amount > 0:
                standing.append([p.grant_id, p.amount])
            back = -min(p.amount, 0)
            while back:
                part = min(back, standing[-1][1])
                standing[-1][1] -= part
                back -= part
                if not standing[-1][1]:
                    standing.pop()
        undone = []
        while amount:
            grant_id, paid = standing.pop()
            part = min(amount, paid)
            undone.append(
                Payment(
                    grant_id=grant_id,
                    amount=-part,
                    window_start=use.window_start,
                    occurred_at=use.occurred_at,
                    use_id=use_id,
                )
            )
            amount -= part
        return undone

    def _is_gone(self, payment: Payment, window_end: datetime, now: datetime) -> bool:
        """To a lot outside a pool that has ended nothing goes back; a lot of one window ends with it."""
        grant = self.grant_of(payment.grant_id)
        if self.pool(grant):
            return False
        return grant.end <= now or (self.renews(grant) and window_end <= now)

    # -- holds ----------------------------------------------------------------------------------------------------

    def hold(self, amount: int, mode: Mode, *, ttl: timedelta, now: datetime) -> Hold:
        self.pass_time(now)
        if mode is Mode.HARD and amount > self.available(self.view(now)):
            raise Refused
        self.holds.append(Hold(id=len(self.holds), amount=amount, expires_at=now + ttl))
        return self.holds[-1]

    def extend(self, hold_id: int, *, ttl: timedelta, now: datetime) -> None:
        self.pass_time(now)
        if not self.holds[hold_id].counts(now):
            raise Refused
        self.holds[hold_id].expires_at = now + ttl

    def drop(self, hold_id: int, *, now: datetime) -> None:
        self.pass_time(now)
        if self.holds[hold_id].closed:
            raise Refused
        self.holds[hold_id].closed = True

    def capture(
        self, hold_id: int, amount: int, *, now: datetime, above: str = "if_available", final: bool = True
    ) -> Use:
        """Debit ``amount`` of a hold: up to its rest never refused, above it as ``above`` says."""
        self.pass_time(now)
        hold = self.holds[hold_id]
        view = self.view(now)
        own = hold.rest if hold.counts(now) else 0
        if hold.closed or (amount > hold.rest and above == "reject"):
            raise Refused
        if amount > hold.rest and above == "if_available" and amount > self.available(view) + own:
            raise Refused
        hold.captured += min(amount, hold.rest)
        hold.closed = final or not hold.rest
        return self._debit(amount, view, now)

    # -- time -----------------------------------------------------------------------------------------------------

    def pass_time(self, to: datetime) -> None:
        """A grant that starts by itself pays overage at the instant at which it starts."""
        for boundary in sorted({g.effective_at for g in self.grants if self.clock < g.effective_at <= to}):
            self._settle(boundary)
        self.clock = max(self.clock, to)

    def _settle(self, at: datetime) -> None:
        """A running window never has overage and free units at once; a rolling span settles nothing."""
        view = self.view(at)
        if self.rule.is_consumable and not self.rule.is_rolling:
            self._pay(self.spread(self.overage(view), view), view, at)

    def _debit(self, amount: int, view: View, occurred_at: datetime) -> Use:
        shares = self.spread(amount, view)
        overage = amount - sum(part for _, part in shares)
        use = Use(id=len(self.uses), amount=amount, overage=overage, occurred_at=occurred_at, window_start=view.start)
        self.uses.append(use)
        self._pay(shares, view, occurred_at, use_id=use.id)
        return use

    def _pay(self, shares: list[tuple[int, int]], view: View, at: datetime, *, use_id: int | None = None) -> None:
        for grant_id, part in shares:
            self.payments.append(
                Payment(grant_id=grant_id, amount=part, window_start=view.start, occurred_at=at, use_id=use_id)
            )

    # -- what a balance says --------------------------------------------------------------------------------------

    def says(self, now: datetime) -> Says:
        self.pass_time(now)
        view = self.view(now)
        granted, consumed = self._granted(view), self._consumed(view)
        overage, held = self.overage(view), self._held(now)
        left = self.left(view) if self.rule.is_consumable else (granted or 0) - self.count
        has_hard_limit = self.rule.type in (EntitlementType.CAPACITY, EntitlementType.METERED_QUOTA)
        return Says(
            granted=granted,
            consumed=consumed,
            held=held,
            effective=None if granted is None else left - overage - held,
            overage=overage,
            over_limit=granted is not None and self._over_limit(view, granted, overage),
            hard_limit=granted if has_hard_limit else None,
            unlimited=granted is None,
        )

    def next_change_at(self, now: datetime) -> datetime | None:
        instants = [at for g in self.grants if g.effective_at < g.end for at in (g.effective_at, g.end)]
        instants += [hold.expires_at for hold in self.holds if hold.counts(now)]
        if self.rule.has_windows:
            instants.append(self.view(now).end)
        if self.rule.is_rolling and self.rule.interval:
            instants += [use.occurred_at + SPAN[self.rule.interval] for use in self.uses if self.net(use)]
        return min((at for at in instants if now < at < FOREVER), default=None)

    def _held(self, at: datetime) -> int:
        return sum(hold.rest for hold in self.holds if hold.counts(at))

    def _granted(self, view: View) -> int | None:
        lots = self.open_lots(view)
        if self.rule.type is EntitlementType.STATE:
            return 1 if lots else 0
        if self.is_unlimited(view):
            return None
        amounts = [self.brought(grant, view) for grant in lots]
        return max(amounts, default=0) if self.rule.aggregation is AggregationMode.MAX else sum(amounts)

    def _consumed(self, view: View) -> int:
        if not self.rule.is_consumable:
            return self.count
        lots = self.open_lots(view)
        consumed = sum(self.paid(grant, view) for grant in lots if self.pool(grant) is None)
        for pool in {self.pool(grant) for grant in lots} - {None}:
            assert pool is not None
            used, amount = self.pool_used(pool, view), self.pool_amount(pool, view)
            consumed += used if amount is None else min(used, amount)
        return consumed + self.overage(view)

    def _over_limit(self, view: View, granted: int, overage: int) -> bool:
        if self.rule.type is EntitlementType.CAPACITY:
            return self.count > granted
        if overage > 0:
            return True
        exceeded = any(
            (amount := self.pool_amount(pool, view)) and self.pool_used(pool, view) > amount for pool in POOLS
        )
        return exceeded and self.left(view) == 0
