"""
An operator's attempt on a purchase: one row under its key, written before anything else happens, also where it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from billing.entitlements.manual import ByHand, check_by, note
from billing.entitlements.operations import check_key
from billing.entitlements.scheduled import perform
from billing.errors import PurchaseAdjustmentDuplicate
from billing.models import Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseAction, PurchaseActionStatus
from billing.payments.connectors.base import OperationNotSupported, ProviderError
from mozaiks.kit.errors import Conflict, Failure, Invalid

#: What stands in the customer's timeline: who asked for it, and why.
NAMES = {
    PurchaseAction.REFUND: "purchase.refund_requested",
    PurchaseAction.VOID: "purchase.voided",
    PurchaseAction.CORRECTION: "purchase.corrected",
}

#: Decides under the lock what becomes of a new attempt; may refuse it (``refuse``).
Intend = Callable[[Purchase, PurchaseAdjustment], None]


def new_row(
    purchase: Purchase, action: PurchaseAction, amount_minor: int, *, reason: str = "", now: datetime
) -> PurchaseAdjustment:
    """A row that is not stored yet: nothing is known of how it ended."""
    return PurchaseAdjustment(
        purchase=purchase,
        action=action,
        status=PurchaseActionStatus.RECORDED,
        amount_minor=amount_minor,
        currency=purchase.currency,
        reason=reason,
        created_at=now,
        updated_at=now,
    )


def save(row: PurchaseAdjustment, *, now: datetime) -> None:
    """Write the row as it is now."""
    row.updated_at = now
    row.save()


def begin(
    purchase: Purchase,
    action: PurchaseAction,
    asked: int | None,
    *,
    by: ByHand,
    key: str,
    now: datetime,
    intend: Intend,
) -> PurchaseAdjustment:
    """
    The attempt under ``key``, committed: as ``intend`` made it, or as it is where the key is known.

    :raises PurchaseAdjustmentDuplicate: the key stands for another attempt. :raises Invalid: no reason, name or key.
    """
    check_by(by)
    check_key(key)

    def work() -> PurchaseAdjustment:
        locked = Purchase.objects.select_for_update().get(pk=purchase.pk)
        known = PurchaseAdjustment.objects.filter(request_idempotency_key=key).first()
        if known is not None:
            _check_same(known, locked, action, asked)
            return known
        row = new_row(locked, action, 0, reason=by.reason, now=now)
        row.requested_by = by.actor
        row.request_idempotency_key = key
        row.metadata_json = {"asked_minor": asked}
        intend(locked, row)
        save(row, now=now)
        if refusal_of(row) is None:
            payload = {"purchase": locked.pk, "adjustment": row.pk, "amountMinor": row.amount_minor, "key": key}
            note(locked.billable_entity, NAMES[action], by=by, now=now, payload=payload)
        return row

    return perform(work, now=now)


def _check_same(known: PurchaseAdjustment, purchase: Purchase, action: PurchaseAction, asked: int | None) -> None:
    same = (known.purchase_id, known.action, known.metadata_json.get("asked_minor")) == (purchase.pk, action, asked)
    if not same:
        raise PurchaseAdjustmentDuplicate(
            "This key was used before for another adjustment.", details={"adjustment": known.pk}
        )


def refuse(row: PurchaseAdjustment, why: str, **details: Any) -> None:
    """We do not allow it: the attempt stays as a failed one, and its key keeps this answer."""
    row.status = PurchaseActionStatus.FAILED
    row.metadata_json = {**row.metadata_json, "refused": {"text": why, "details": details}}


def refusal_of(row: PurchaseAdjustment) -> dict[str, Any] | None:
    """Why we did not allow it."""
    found = row.metadata_json.get("refused")
    return found if isinstance(found, dict) else None


def raise_refusal(row: PurchaseAdjustment, kind: type[Conflict]) -> None:
    """:raises Conflict: of this kind, where the attempt was refused."""
    refused = refusal_of(row)
    if refused is not None:
        raise kind(refused["text"], details=refused["details"])


def note_failure(row: PurchaseAdjustment, failure: Failure) -> None:
    """The provider did not do it, for sure."""
    row.status = PurchaseActionStatus.FAILED
    row.metadata_json = {**row.metadata_json, "error": {"code": failure.code, "text": failure.message}}


def failure_of(row: PurchaseAdjustment) -> Failure:
    """What the provider said to an attempt that failed there."""
    error = row.metadata_json.get("error", {})
    text = error.get("text", "The provider could not carry it out.")
    if error.get("code") == OperationNotSupported.default_code:
        return OperationNotSupported(text)
    return ProviderError(text)


def check_amount(amount_minor: int | None, *, signed: bool = False) -> None:
    """:raises Invalid: no whole number of minor units, or, where it has no sign, none above 0."""
    if amount_minor is None:
        return
    if isinstance(amount_minor, bool) or not isinstance(amount_minor, int) or abs(amount_minor) >= 2**63:
        raise invalid("Must be a whole number of minor units.")
    if amount_minor == 0 or (amount_minor < 0 and not signed):
        raise invalid("Must not be 0." if signed else "Must be above 0.")


def invalid(rule: str) -> Invalid:
    """The amount breaks a rule."""
    return Invalid(f"amountMinor: {rule}", field_errors={"amountMinor": [rule]})
