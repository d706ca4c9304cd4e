"""
What a grant brings into a window, and in which order lots are burned.

Order: soonest end first, then class promo before plan before paid, then older start, then lower id. Lots of plans in a
metered window are used as one pool each (base and bonus); in a rolling window all per-window lots are one pool that burns
before every other lot. Unlimited lots pay everything while they last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.engine.types import (
    LIFETIME_END,
    LIFETIME_START,
    GrantFacts,
    GrantKind,
    Pool,
    Replenish,
    Rule,
    SourceType,
    Window,
)

PROMO, PLAN, PAID = 0, 1, 2

#: Wider than all ends pressed together. First band: unlimited lots; of a rolling definition its pool's come first (second
#: band: the others), and the finite lots of the pool sort in the third.
_EARLY_BAND = timedelta(days=3000)

BURN_CLASSES = {
    GrantKind.PROMO: PROMO,
    GrantKind.MANUAL_ADJUSTMENT: PROMO,
    GrantKind.PLAN_BASE: PLAN,
    GrantKind.TOPUP: PAID,
    GrantKind.ADDON_TIMEBOXED: PAID,
    GrantKind.CORRECTION: PAID,
}


@dataclass(slots=True)
class Lot:
    """
    A grant in one window.

    ``granted`` is what it brought into the window (None: unlimited). ``remaining`` is granted minus what it paid in the
    window: negative after a take of units that were used already; for an unlimited lot it is minus what it paid.
    """

    grant_id: int
    granted: int | None
    remaining: int
    pool: Pool | None
    burn_class: int
    effective_at: datetime
    expires_sort: datetime

    @property
    def is_unlimited(self) -> bool:
        return self.granted is None

    @property
    def used(self) -> int:
        """Units it paid in the window."""
        return (self.granted or 0) - self.remaining

    @property
    def worth(self) -> int:
        """What it counts for in the window: granted, but after a take never less than it has already paid."""
        return max(self.granted or 0, self.used)

    @property
    def order(self) -> tuple[datetime, int, datetime, int]:
        """Lots in this order are lots in the order of the burn-down; the index of the table has the same columns."""
        return (self.expires_sort, self.burn_class, self.effective_at, self.grant_id)


def pool_of(rule: Rule, grant: GrantFacts) -> Pool | None:
    """The pool in which the grant's lots are used, if any."""
    if rule.is_rolling:
        return Pool.BASE if grant.replenish is Replenish.PER_WINDOW else None
    if not rule.has_windows:
        return None
    if grant.kind is GrantKind.PLAN_BASE:
        return Pool.BASE
    if grant.kind is GrantKind.PROMO and grant.source is SourceType.PLAN_ASSIGNMENT:
        return Pool.BONUS
    return None


def lot_of(rule: Rule, grant: GrantFacts, window: Window, *, used: int = 0, used_elsewhere: int = 0) -> Lot:
    """
    The lot of ``grant`` in ``window``, after it paid ``used`` units there and ``used_elsewhere`` in other windows.

    A once grant brings what it has not paid elsewhere; a per-window grant its full amount, less what was taken of it, so that
    after a take it may have paid more than it brought (``Lot.worth``). In a rolling span no lot has an account of its own,
    the pool has.
    """
    pool = pool_of(rule, grant)
    if pool and rule.is_rolling:
        used = 0  # uses leave the span one by one: only the pool as a whole keeps the account
    granted: int | None = None
    if grant.amount is not None:
        granted = max(0, grant.amount - grant.taken)
        if grant.replenish is Replenish.ONCE:
            granted -= used_elsewhere
    return Lot(
        grant_id=grant.id,
        granted=granted,
        remaining=(granted or 0) - used,
        pool=pool,
        burn_class=BURN_CLASSES[grant.kind],
        effective_at=grant.effective_at,
        expires_sort=_expires_sort(rule, grant, window, pool),
    )


def in_burn_order(lots: Iterable[Lot]) -> list[Lot]:
    """The lots, soonest to burn first."""
    return sorted(lots, key=lambda lot: lot.order)


def _expires_sort(rule: Rule, grant: GrantFacts, window: Window, pool: Pool | None) -> datetime:
    """The end of the lot; in their order, but before every end there can be, those that burn before the others."""
    end = grant.ends_at or LIFETIME_END
    if grant.replenish is Replenish.PER_WINDOW:
        end = min(end, window.end)
    if grant.amount is None:
        return _early(end) + (_EARLY_BAND if rule.is_rolling and not pool else timedelta())
    return _early(end) + 2 * _EARLY_BAND if rule.is_rolling and pool else end


def _early(end: datetime) -> datetime:
    """Ends between 1970 and 9999 pressed into the years 1970 to 1978; no two milliseconds become one instant."""
    return LIFETIME_START + (end - LIFETIME_START) // 1000
