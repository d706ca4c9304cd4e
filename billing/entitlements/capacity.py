"""Capacities: how many of a resource a subject holds, counted under the lock by the guest that keeps it."""

from __future__ import annotations

from billing.entitlements.allowances import Allowance
from billing.entitlements.capabilities import counter_of
from billing.entitlements.resolvers import DefinitionInfo, not_configured, snapshot_codes
from billing.models import BillableEntity


def count(entity: BillableEntity, info: DefinitionInfo) -> int:
    """
    Units held now, by the guest's counter or by the snapshot.

    :raises LimitNotConfigured: nobody counts this capacity here (the definition is dormant).
    """
    counter = counter_of(info.code)
    if counter is not None:
        return counter(entity)
    known = snapshot_codes(entity.pk)
    if info.code not in known:
        raise not_configured(info.code)
    return known[info.code]


def recount(entity: BillableEntity, allowance: Allowance) -> None:
    """Bring the count of a capacity up to date; one that nobody counts here keeps the count it had."""
    if counter_of(allowance.info.code) is not None or allowance.info.code in snapshot_codes(entity.pk):
        apply_count(allowance, count(entity, allowance.info))


def apply_count(allowance: Allowance, count: int) -> None:
    """Write a fresh count into the row, and into the standing where there is one."""
    row = allowance.row
    row.consumed_amount = count
    if row.granted_amount is not None:
        row.effective_amount = row.granted_amount - count
    row.note_limits(allowance.info.rule)
    if allowance.standing is not None:
        allowance.standing.count = count
