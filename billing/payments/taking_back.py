"""
What was done about a purchase's money, brought to its grants: one function that may be called again at any time.

Everything is derived from the purchase's adjustments, so that it does not matter which of them was heard of first, nor whether
the grants were made before or after. Each (adjustment, grant) has its own keys: what was done once is not done again. What
one adjustment counts for is written into its ``metadata_json`` when it is known to have happened: ``counted_minor`` of what
was paid, and ``whole`` where nothing that was paid is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from billing.engine.adjustment import share_of
from billing.engine.keys import adjustment_key
from billing.engine.types import AdjustmentKind, AdjustmentReason, SourceType
from billing.entitlements.adjusting import Adjusted, Freeze, Release, Take, adjust
from billing.entitlements.announcements import ChangeSource, announce
from billing.models import Grant, Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseKind, PurchaseStatus
from billing.payments.connectors.facts import DisputeState
from mozaiks.kit.db import requires_transaction

#: What an operator has to look at: the units of a refund were taken, and then the refund failed at the provider.
REFUND_FAILED = "refund_failed"
#: Of a grant of a plan: the purchase that paid for its period.
PAID_BY = "purchase"

_REASONS = {
    PurchaseAction.REFUND: AdjustmentReason.REFUNDED,
    PurchaseAction.DISPUTE: AdjustmentReason.DISPUTE_LOST,
    PurchaseAction.VOID: AdjustmentReason.VOIDED,
}
#: How a dispute stands is the status of its row: an attempt of the customer's bank, which may come to nothing.
DISPUTES = {
    DisputeState.OPENED: PurchaseActionStatus.RECORDED,
    DisputeState.WON: PurchaseActionStatus.NOOP,
    DisputeState.LOST: PurchaseActionStatus.SUCCEEDED,
}
_CLOSED = {DisputeState.WON: AdjustmentReason.DISPUTE_WON, DisputeState.LOST: AdjustmentReason.DISPUTE_LOST}


@requires_transaction
def bring_along(purchase: Purchase, *, now: datetime) -> Adjusted:
    """
    Take from, freeze, release and end the purchase's grants as its adjustments say, and say where the purchase stands.

    The purchase's row is locked by the caller. Nothing is done twice. :raises PlanChangeDue: see ``scheduled.perform``.
    """
    rows = list(purchase.adjustments.order_by("pk"))
    status = status_of(purchase, rows)
    if status != purchase.status:
        purchase.status = status
        purchase.updated_at = now
        purchase.save(update_fields=["status", "updated_at"])
        announce(purchase.billable_entity_id, (), ChangeSource.PURCHASE_GRANT, now=now)
    effective = [row for row in rows if _counted(row) or _is_whole(row) or row.action == PurchaseAction.DISPUTE]
    grants = grants_of(purchase) if effective else []
    return adjust(
        purchase.billable_entity_id,
        takes=[take for row in effective for take in _takes(purchase, row, grants)],
        freezes=[freeze for row in effective for freeze in _freezes(row, grants)],
        releases=[release for row in effective for release in _releases(row, grants)],
        ends=[grant.pk for grant in grants] if any(_is_whole(row) for row in effective) else [],
        source=(SourceType.BILLING_PURCHASE, str(purchase.pk)),
        now=now,
    )


@requires_transaction
def count(purchase: Purchase, row: PurchaseAdjustment, amount_minor: int, *, now: datetime) -> None:
    """
    The adjustment has happened, for ``amount_minor`` (> 0): what it counts for of what was paid, once and for good.

    Refunds and lost disputes together never count for more than was paid; the one with which their sum reaches it is ``whole``.
    The row is saved by the caller.
    """
    if "counted_minor" in row.metadata_json:
        return
    others = purchase.adjustments.exclude(pk=row.pk)
    left = max(0, purchase.amount_minor - sum(_stands_for(other) for other in others))
    counted = min(amount_minor, left)
    row.metadata_json = {**row.metadata_json, "counted_minor": counted, "whole": 0 < counted == left}
    announce(purchase.billable_entity_id, (), ChangeSource.PURCHASE_GRANT, now=now)  # whatever it takes of the limits


def count_whole(row: PurchaseAdjustment) -> None:
    """The purchase is void: nothing of it is left, whatever was paid. The row is saved by the caller."""
    row.metadata_json = {**row.metadata_json, "counted_minor": 0, "whole": True}


def refundable(purchase: Purchase) -> int:
    """What was paid and neither went back nor is on its way back, in minor units."""
    rows = list(purchase.adjustments.all())
    asked = sum(-row.amount_minor for row in rows if _is_under_way(row))
    return max(0, purchase.amount_minor - sum(_stands_for(row) for row in rows) - asked)


def status_of(purchase: Purchase, rows: Sequence[PurchaseAdjustment]) -> PurchaseStatus:
    """Where the purchase stands after these adjustments."""
    if any(row.action == PurchaseAction.VOID and _is_whole(row) for row in rows):
        return PurchaseStatus.VOIDED
    if any(row.action == PurchaseAction.DISPUTE and state_of(row) is DisputeState.OPENED for row in rows):
        return PurchaseStatus.DISPUTED
    back = went_back(rows)
    if back <= 0:
        return PurchaseStatus.CONFIRMED
    return PurchaseStatus.REFUNDED if back >= purchase.amount_minor else PurchaseStatus.PARTIALLY_REFUNDED


def went_back(rows: Sequence[PurchaseAdjustment]) -> int:
    """What of a purchase these adjustments of it gave or took back, in minor units; never more than was paid."""
    return sum(_stands_for(row) for row in rows)


def state_of(row: PurchaseAdjustment) -> DisputeState:
    """Where a dispute stands."""
    return next((state for state, status in DISPUTES.items() if status == row.status), DisputeState.WON)


def grants_of(purchase: Purchase) -> list[Grant]:
    """What was given for the purchase: by its product, or, of an invoice, by the plan whose period it paid for."""
    theirs = Grant.objects.for_subject(purchase.billable_entity_id).order_by("pk")
    grants = list(theirs.filter(source_type=SourceType.BILLING_PURCHASE, source_id=str(purchase.pk)))
    if purchase.purchase_kind == PurchaseKind.SUBSCRIPTION_INVOICE:
        of_plan = {"source_type": SourceType.PLAN_ASSIGNMENT, f"metadata_json__{PAID_BY}": purchase.pk}
        grants += list(theirs.filter(**of_plan))
    return grants


def _counted(row: PurchaseAdjustment) -> int:
    counted = row.metadata_json.get("counted_minor", 0)
    return counted if isinstance(counted, int) else 0


def _is_whole(row: PurchaseAdjustment) -> bool:
    return row.metadata_json.get("whole") is True


def _stands_for(row: PurchaseAdjustment) -> int:
    """Money that went back: of a refund that failed after all nothing did."""
    return 0 if row.status == PurchaseActionStatus.FAILED else _counted(row)


def _is_under_way(row: PurchaseAdjustment) -> bool:
    recorded = row.status == PurchaseActionStatus.RECORDED and row.action == PurchaseAction.REFUND
    return recorded and "counted_minor" not in row.metadata_json


def _takes(purchase: Purchase, row: PurchaseAdjustment, grants: Sequence[Grant]) -> Iterator[Take]:
    """Of each grant the share of what was paid that this adjustment stands for; the one that reaches it takes all."""
    if not _counted(row) and not _is_whole(row):
        return
    for grant in grants:
        target = None
        if not _is_whole(row):
            target = share_of(grant.amount or 0, part=_counted(row), whole=purchase.amount_minor)
        yield Take(
            grant_id=grant.pk,
            target=target,
            reason=_REASONS[PurchaseAction(row.action)],
            dedupe_key=adjustment_key(row.pk, grant.pk, AdjustmentKind.TAKE),
        )


def _freezes(row: PurchaseAdjustment, grants: Sequence[Grant]) -> Iterator[Freeze]:
    if row.action == PurchaseAction.DISPUTE and state_of(row) is DisputeState.OPENED:
        for grant in grants:
            key = adjustment_key(row.pk, grant.pk, AdjustmentKind.FREEZE)
            yield Freeze(grant_id=grant.pk, reason=AdjustmentReason.DISPUTED, dedupe_key=key)


def _releases(row: PurchaseAdjustment, grants: Sequence[Grant]) -> Iterator[Release]:
    if row.action == PurchaseAction.DISPUTE and state_of(row) in _CLOSED:
        for grant in grants:
            yield Release(
                grant_id=grant.pk,
                reason=_CLOSED[state_of(row)],
                dedupe_key=adjustment_key(row.pk, grant.pk, AdjustmentKind.RELEASE),
                undoes=adjustment_key(row.pk, grant.pk, AdjustmentKind.FREEZE),
            )
