"""
Spread a debit over the open lots, and pay overage from units that became free.

Order and pools: section 5 of the entitlement specification. What no lot can pay is left to the caller: a refusal, or overage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from billing.engine.lots import Lot
from billing.engine.standing import Standing
from billing.engine.types import MAX_AMOUNT, Pool, Share


def allocate(standing: Standing, amount: int) -> list[Share]:
    """
    Spread ``amount`` units over the open lots, soonest to expire first. Nothing is changed.

    The shares sum to less than ``amount`` where the lots cannot pay it all.
    """
    shares: list[Share] = []
    left = {pool: standing.pool_left(pool) for pool in Pool}
    for lot in standing.lots:
        units = min(amount, _payable(lot, left))
        if units > 0:
            shares.append(Share(grant_id=lot.grant_id, amount=units))
            amount -= units
            pool_rest = left[lot.pool] if lot.pool else None
            if lot.pool and pool_rest is not None:
                left[lot.pool] = pool_rest - units
        if amount <= 0:
            break
    return shares


def debit(standing: Standing, shares: Iterable[Share]) -> None:
    """Book ``shares`` on the standing's open lots; negative shares give back."""
    by_grant = {lot.grant_id: lot for lot in standing.lots}
    for share in shares:
        lot = by_grant[share.grant_id]
        if lot.pool:
            standing.pool_used[lot.pool] += share.amount
        if not (lot.pool and standing.rule.is_rolling):
            lot.remaining -= share.amount


def settle(standing: Standing) -> tuple[Share, ...]:
    """
    Pay unpaid overage of the running window from units that are free, in burn order.

    Rolling windows are not settled: their overage counts until it leaves the span.
    """
    if standing.overage <= 0 or standing.rule.is_rolling or not standing.rule.is_consumable:
        return ()
    from_lots = allocate(standing, standing.overage)
    debit(standing, from_lots)
    standing.overage -= sum(share.amount for share in from_lots)
    return tuple(from_lots)


def _payable(lot: Lot, pool_left: Mapping[Pool, int | None]) -> int:
    if lot.is_unlimited:
        return MAX_AMOUNT
    own = max(0, lot.remaining)
    rest = pool_left[lot.pool] if lot.pool else None
    return own if rest is None else min(own, rest)
