"""The facts of the naive reference, and the sums it makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from billing.engine.types import (
    AdjustmentKind,
    EntitlementType,
    GrantKind,
    Replenish,
    Rule,
    SourceType,
)
from tests.engine.reference_windows import BEGINNING, FOREVER, SPAN, window_of

BURN_CLASSES = [
    {GrantKind.PROMO, GrantKind.MANUAL_ADJUSTMENT},
    {GrantKind.PLAN_BASE},
    {GrantKind.TOPUP, GrantKind.ADDON_TIMEBOXED, GrantKind.CORRECTION},
]
POOLS = ["base", "bonus", "span"]


@dataclass(kw_only=True)
class Grant:
    id: int
    amount: int | None
    kind: GrantKind
    replenish: Replenish
    source: SourceType
    effective_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def end(self) -> datetime:
        return min(self.expires_at or FOREVER, self.ended_at or FOREVER)

    def active(self, at: datetime) -> bool:
        return self.effective_at <= at < self.end


@dataclass(kw_only=True)
class Adjustment:
    grant_id: int
    kind: AdjustmentKind
    at: datetime
    amount: int = 0


@dataclass(kw_only=True)
class Use:
    id: int
    amount: int
    overage: int
    occurred_at: datetime
    window_start: datetime


@dataclass(kw_only=True)
class Payment:
    """Units a grant paid (negative: got back): for a use, or, without one, for overage of the window."""

    grant_id: int
    amount: int
    window_start: datetime
    occurred_at: datetime
    use_id: int | None = None


@dataclass(kw_only=True)
class Reversal:
    use_id: int
    amount: int
    overage: int


@dataclass(kw_only=True)
class Hold:
    id: int
    amount: int
    expires_at: datetime
    captured: int = 0
    closed: bool = False

    @property
    def rest(self) -> int:
        return self.amount - self.captured

    def counts(self, at: datetime) -> bool:
        return not self.closed and self.rest > 0 and at < self.expires_at


@dataclass(kw_only=True)
class View:
    """The instant and the window of a question; ``late`` asks as at the last instant of a window that is closed."""

    at: datetime
    start: datetime
    end: datetime
    late: bool = False


@dataclass(kw_only=True)
class Facts:
    rule: Rule
    anchor_at: datetime | None = None
    clock: datetime = BEGINNING
    count: int = 0
    grants: list[Grant] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    reversals: list[Reversal] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def view(self, at: datetime) -> View:
        start, end = window_of(self.rule, at, self.anchor_at)
        return View(at=at, start=start, end=end)

    def grant_of(self, grant_id: int) -> Grant:
        return next(grant for grant in self.grants if grant.id == grant_id)

    # -- lots -----------------------------------------------------------------------------------------------------

    def renews(self, grant: Grant) -> bool:
        """Whether it gives its amount in each window rather than once in its life."""
        return self.rule.type is EntitlementType.METERED_QUOTA and grant.replenish is Replenish.PER_WINDOW

    def pool(self, grant: Grant) -> str | None:
        if not self.renews(grant):
            return None
        if self.rule.is_rolling:
            return "span"
        if grant.kind is GrantKind.PLAN_BASE:
            return "base"
        is_bonus = grant.kind is GrantKind.PROMO and grant.source is SourceType.PLAN_ASSIGNMENT
        return "bonus" if is_bonus else None

    def open_lots(self, view: View) -> list[Grant]:
        """Active and not frozen, whatever is left; in the order in which they are burned."""
        lots = [grant for grant in self.grants if self._is_open(grant, view)]
        return sorted(lots, key=lambda grant: self._burn_order(grant, view))

    def _is_open(self, grant: Grant, view: View) -> bool:
        now = grant.active(view.at) and not self._frozen(grant, view.at)
        if not view.late:
            return now
        then = grant.effective_at < view.end <= grant.end and not self._frozen(grant, view.end, before=True)
        return then if self.renews(grant) else then and now

    def _burn_order(self, grant: Grant, view: View) -> tuple[bool, datetime, int, datetime, int]:
        end = min(grant.end, view.end) if self.renews(grant) else grant.end
        burn_class = next(i for i, kinds in enumerate(BURN_CLASSES) if grant.kind in kinds)
        once_in_a_span = self.rule.is_rolling and not self.renews(grant)
        return once_in_a_span, end, burn_class, grant.effective_at, grant.id

    def _frozen(self, grant: Grant, at: datetime, *, before: bool = False) -> bool:
        said = [
            a.kind
            for a in self.adjustments
            if a.grant_id == grant.id
            and a.kind is not AdjustmentKind.TAKE
            and (a.at < at or (a.at == at and not before))
        ]
        return bool(said) and said[-1] is AdjustmentKind.FREEZE

    def taken(self, grant: Grant, view: View) -> int:
        """What was taken from it: of a late question about a lot that renews, before the end of that window."""
        then = view.late and self.renews(grant)
        return sum(a.amount for a in self.adjustments if a.grant_id == grant.id and (not then or a.at < view.end))

    # -- payments -------------------------------------------------------------------------------------------------

    def within(self, payment: Payment | Use, view: View) -> bool:
        """Whether it counts in the window: booked to it, or, rolling, younger than the span."""
        if self.rule.is_rolling:
            assert self.rule.interval is not None
            return payment.occurred_at + SPAN[self.rule.interval] > view.at
        return payment.window_start == view.start

    def paid(self, grant: Grant, view: View) -> int:
        """What it paid in the window. A rolling quota is one lifetime row, of which only the pool counts the span alone."""
        if self.rule.is_rolling and not self.renews(grant):
            return self.paid_ever(grant)
        return sum(p.amount for p in self.payments if p.grant_id == grant.id and self.within(p, view))

    def paid_ever(self, grant: Grant) -> int:
        return sum(p.amount for p in self.payments if p.grant_id == grant.id)

    def brought(self, grant: Grant, view: View) -> int:
        """Units a finite lot has in this window, used ones too."""
        assert grant.amount is not None
        amount = grant.amount - self.taken(grant, view)
        if not self.rule.is_consumable or self._in_span_pool(grant):
            return max(amount, 0)
        if self.renews(grant):
            return max(amount, self.paid(grant, view))
        return amount - (self.paid_ever(grant) - self.paid(grant, view))

    def lot_left(self, grant: Grant, view: View) -> int:
        """Units it can still pay itself; in a span uses leave one by one and only the pool keeps the account."""
        return self.brought(grant, view) - (0 if self._in_span_pool(grant) else self.paid(grant, view))

    def _in_span_pool(self, grant: Grant) -> bool:
        return self.pool(grant) == "span"

    # -- pools ----------------------------------------------------------------------------------------------------

    def pool_used(self, pool: str, view: View) -> int:
        """U: what all its lots paid in the window, open, ended, frozen or unlimited."""
        return sum(self.paid(grant, view) for grant in self.grants if self.pool(grant) == pool)

    def pool_amount(self, pool: str, view: View) -> int | None:
        """P: what its open lots bring; None is unlimited."""
        lots = [grant for grant in self.open_lots(view) if self.pool(grant) == pool]
        if any(grant.amount is None for grant in lots):
            return None
        return sum(self.brought(grant, view) for grant in lots)

    def pool_left(self, pool: str, view: View) -> int:
        amount = self.pool_amount(pool, view)
        return 0 if amount is None else max(0, amount - self.pool_used(pool, view))

    def left(self, view: View) -> int:
        """Units the finite open lots can still pay."""
        pools = sum(self.pool_left(pool, view) for pool in POOLS)
        return pools + sum(
            self.lot_left(grant, view)
            for grant in self.open_lots(view)
            if grant.amount is not None and self.pool(grant) is None
        )

    def is_unlimited(self, view: View) -> bool:
        return any(grant.amount is None for grant in self.open_lots(view))

    # -- overage --------------------------------------------------------------------------------------------------

    def net(self, use: Use) -> int:
        return use.amount - sum(r.amount for r in self.reversals if r.use_id == use.id)

    def net_overage(self, use: Use) -> int:
        return use.overage - sum(r.overage for r in self.reversals if r.use_id == use.id)

    def overage(self, view: View) -> int:
        """Units of the window's uses that nobody has paid."""
        recorded = sum(self.net_overage(use) for use in self.uses if self.within(use, view))
        settled = sum(p.amount for p in self.payments if p.use_id is None and self.within(p, view))
        return recorded - settled

    # -- burning --------------------------------------------------------------------------------------------------

    def spread(self, amount: int, view: View) -> list[tuple[int, int]]:
        """Who would pay ``amount``, one lot after the other; an unlimited lot pays everything."""
        lots = self.open_lots(view)
        for grant in lots:
            if grant.amount is None:
                return [(grant.id, amount)] if amount else []
        pools = {pool: self.pool_left(pool, view) for pool in POOLS}
        shares = []
        for grant in lots:
            pool = self.pool(grant)
            part = min(amount, self.lot_left(grant, view), pools[pool] if pool else amount)
            if part > 0:
                shares.append((grant.id, part))
                amount -= part
                if pool:
                    pools[pool] -= part
        return shares
