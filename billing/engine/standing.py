"""
A *standing*: one (subject, definition) in its running window at one instant, and the numbers people see of it.

Open lots, what the pools paid, unpaid overage, holds. Rules: section 4 of the entitlement specification.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from billing.engine.lots import Lot
from billing.engine.types import AggregationMode, EntitlementType, Pool, Rule, Window


@dataclass(slots=True)
class Standing:
    """
    Where a (subject, definition) stands at ``as_of``. Units throughout; ``lots`` are the open ones in burn order.

    A working object: ``advance``, ``settle`` and ``debit`` move it.
    """

    rule: Rule
    window: Window
    as_of: datetime
    lots: list[Lot]
    pool_used: dict[Pool, int] = field(default_factory=lambda: dict.fromkeys(Pool, 0))
    overage: int = 0
    held: int = 0
    count: int = 0

    def copy(self) -> Standing:
        """An independent standing with the same content."""
        return replace(self, lots=[replace(lot) for lot in self.lots], pool_used=dict(self.pool_used))

    @property
    def is_unlimited(self) -> bool:
        return any(lot.is_unlimited for lot in self.lots)

    def pool_granted(self, pool: Pool) -> int | None:
        """P: what the pool's open lots are worth, None while one of them is unlimited."""
        lots = [lot for lot in self.lots if lot.pool is pool]
        if any(lot.granted is None for lot in lots):
            return None
        return sum(lot.worth for lot in lots)

    def pool_left(self, pool: Pool) -> int | None:
        """max(0, P - U), None while unlimited."""
        granted = self.pool_granted(pool)
        return None if granted is None else max(0, granted - self.pool_used[pool])


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The numbers of a balance, as section 4 defines them. None where unlimited."""

    granted: int | None
    consumed: int
    held: int
    effective: int | None
    hard_limit: int | None
    overage: int
    over_limit: bool
    is_unlimited: bool


def figures(standing: Standing) -> Figures:
    """The numbers of the standing. ``effective`` = left in the open lots - unpaid overage - held."""
    if not standing.rule.is_consumable:
        return _level_figures(standing)
    granted, used, left = _lot_sums(standing)
    unlimited = standing.is_unlimited
    metered = standing.rule.type is EntitlementType.METERED_QUOTA
    return Figures(
        granted=None if unlimited else granted,
        consumed=used + standing.overage,
        held=standing.held,
        effective=None if unlimited else left - standing.overage - standing.held,
        hard_limit=None if unlimited or not metered else granted,
        overage=standing.overage,
        over_limit=not unlimited and (standing.overage > 0 or (left == 0 and _pool_exceeded(standing))),
        is_unlimited=unlimited,
    )


def _lot_sums(standing: Standing) -> tuple[int, int, int]:
    """Granted, paid and left of the open lots; unlimited ones count as zero granted."""
    granted, used, left = 0, 0, 0
    for lot in standing.lots:
        if lot.pool is None:
            granted += 0 if lot.is_unlimited else lot.worth
            used += lot.used
            left += 0 if lot.is_unlimited else max(0, lot.remaining)
    for pool in {lot.pool for lot in standing.lots if lot.pool}:
        pooled = standing.pool_granted(pool)
        spent = standing.pool_used[pool]
        granted += pooled or 0
        used += spent if pooled is None else min(spent, pooled)
        left += standing.pool_left(pool) or 0
    return granted, used, left


def _pool_exceeded(standing: Standing) -> bool:
    """Whether a plan pool paid more than its open lots are worth (U > P > 0): after a downgrade."""
    for pool in Pool:
        granted = standing.pool_granted(pool)
        if granted is not None and standing.pool_used[pool] > granted > 0:
            return True
    return False


def _level_figures(standing: Standing) -> Figures:
    """Capacity and state: a level beside a count, nothing is used up."""
    unlimited = standing.is_unlimited and standing.rule.type is EntitlementType.CAPACITY
    amounts = [lot.granted or 0 for lot in standing.lots]
    if standing.rule.type is EntitlementType.STATE:
        granted, hard_limit = int(bool(standing.lots)), None
    else:
        granted = max(amounts, default=0) if standing.rule.aggregation is AggregationMode.MAX else sum(amounts)
        hard_limit = None if unlimited else granted
    return Figures(
        granted=None if unlimited else granted,
        consumed=standing.count,
        held=0,
        effective=None if unlimited else granted - standing.count,
        hard_limit=hard_limit,
        overage=0,
        over_limit=not unlimited and standing.rule.type is EntitlementType.CAPACITY and standing.count > granted,
        is_unlimited=unlimited,
    )
