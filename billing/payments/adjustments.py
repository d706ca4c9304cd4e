"""
Refunds, disputes, voids and corrections of purchases: one row for every attempt, whoever began it and whoever told of it.

A refund or a dispute of the provider is known by its own id and has its own amount, never the sum of all. What a row means for
the grants is derived in ``taking_back``, so that events may come in any order and more than once. An operator's refund is
written down before the provider is called and again when it answered; ``resume`` finishes what was cut off in between.

``amount_minor`` of a row is signed: money that goes back to the customer is negative.
"""

from __future__ import annotations

from datetime import datetime

from billing.entitlements.manual import ByHand
from billing.entitlements.scheduled import perform
from billing.errors import PurchaseRefundNotAllowed, PurchaseVoidNotAllowed
from billing.models import Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseStatus
from billing.payments import attempts, purchases, taking_back
from billing.payments.attempts import new_row, save
from billing.payments.connectors.base import (
    OperationNotSupported,
    OutcomeUnknown,
    PaymentConnector,
    ProviderError,
    RefundMade,
)
from billing.payments.connectors.facts import DisputeReported, DisputeState, RefundReported, RefundStatus
from billing.payments.purchases import NotYetTied
from mozaiks.kit.db import in_callers_transaction, requires_transaction
from mozaiks.kit.errors import Failure

#: What may be heard of a dispute: a later word wins over an earlier one, whichever arrives first.
_STATES = [DisputeState.OPENED, DisputeState.WON, DisputeState.LOST]


# -- what the provider tells -------------------------------------------------------------------------------------------


@requires_transaction
def refund_reported(fact: RefundReported, *, provider: str, now: datetime) -> PurchaseAdjustment:
    """
    A refund at the provider, with its own amount. Units are taken when it has succeeded; the same again takes nothing.

    :raises NotYetTied: the payment is not known yet, or was in another currency.
    """
    purchase = _tied(fact, provider)
    row = _refund_row(purchase, fact.refund_id, fact.amount_minor, now=now)
    row.reason = row.reason or fact.reason
    _apply_refund(purchase, row, fact.status, fact.amount_minor, now=now)
    return row


@requires_transaction
def dispute_reported(fact: DisputeReported, *, provider: str, now: datetime) -> PurchaseAdjustment:
    """
    A dispute was opened (the grants are frozen while one is open), won (released) or lost (taken like a refund of the amount).

    :raises NotYetTied: the payment is not known yet, or was in another currency.
    """
    purchase = _tied(fact, provider)
    row = purchase.adjustments.filter(action=PurchaseAction.DISPUTE, provider_reference=fact.dispute_id).first()
    if row is None:
        row = new_row(purchase, PurchaseAction.DISPUTE, -fact.amount_minor, reason=fact.reason, now=now)
        row.provider_reference = fact.dispute_id
    state = max(taking_back.state_of(row), fact.state, key=_STATES.index)
    row.status = taking_back.DISPUTES[state]
    if fact.state is DisputeState.LOST:
        row.amount_minor = -fact.amount_minor
        taking_back.count(purchase, row, fact.amount_minor, now=now)
    save(row, now=now)
    taking_back.bring_along(purchase, now=now)
    return row


def _tied(fact: RefundReported | DisputeReported, provider: str) -> Purchase:
    purchase = purchases.find(provider, payment_id=fact.payment_id, invoice_id=fact.invoice_id)
    if purchase is None:
        raise NotYetTied(f"The payment {fact.payment_id or fact.invoice_id or 'it is about'} is not known yet.")
    if fact.currency and fact.currency.upper() != purchase.currency.upper():
        raise NotYetTied(f"Purchase {purchase.pk} was paid in {purchase.currency}, the event is in {fact.currency}.")
    return purchase


def _refund_row(purchase: Purchase, refund_id: str, amount_minor: int, *, now: datetime) -> PurchaseAdjustment:
    """
    The row of a refund: known by its id; else an operator's intent of this amount that has no answer yet; else a new one.

    An intent that was taken for another refund's gets a row of its own when its answer comes (``_finish``).
    """
    refunds = purchase.adjustments.filter(action=PurchaseAction.REFUND)
    row = refunds.filter(provider_reference=refund_id).first()
    if row is None:
        intents = refunds.filter(
            status=PurchaseActionStatus.RECORDED, provider_reference=None, amount_minor=-amount_minor
        )
        row = intents.order_by("pk").first()
    if row is None:
        row = new_row(purchase, PurchaseAction.REFUND, -amount_minor, now=now)
    row.provider_reference = refund_id
    return row


def _apply_refund(
    purchase: Purchase, row: PurchaseAdjustment, status: RefundStatus, amount_minor: int, *, now: datetime
) -> None:
    """
    How a refund stands: it may fail even after it had succeeded, and that is its last word.

    Then the units are not given back by themselves: the provider kept what the customer was promised, so an operator decides.
    """
    if status is RefundStatus.FAILED:
        row.status = PurchaseActionStatus.FAILED
    elif status is RefundStatus.SUCCEEDED:
        taking_back.count(purchase, row, amount_minor, now=now)
        if row.status != PurchaseActionStatus.FAILED:
            row.status = PurchaseActionStatus.SUCCEEDED
    save(row, now=now)
    if row.status == PurchaseActionStatus.FAILED and row.metadata_json.get("counted_minor"):
        purchase.flag = purchase.flag or taking_back.REFUND_FAILED
        purchase.save(update_fields=["flag"])
    taking_back.bring_along(purchase, now=now)


# -- what operators do -------------------------------------------------------------------------------------------------


def refund(
    purchase: Purchase,
    *,
    amount_minor: int | None,
    by: ByHand,
    operation_key: str,
    now: datetime,
    connector: PaymentConnector,
) -> PurchaseAdjustment:
    """
    Give ``amount_minor`` (None: all that is left) back through the provider, and take back what was granted for it.

    Called outside a transaction: the intent is committed, the provider asked, the result committed. The same key again goes on
    where it stopped, and gives the same answer.

    :raises PurchaseRefundNotAllowed: it is void, disputed, refunded, or less is left. :raises Invalid: no amount.
    :raises PurchaseAdjustmentDuplicate: the key was used for something else. :raises ProviderError: the provider refused it.
    :raises OutcomeUnknown: it did not answer; repeat with the same key, or leave it to ``resume``.
    :raises OperationNotSupported: this provider cannot refund.
    """
    if in_callers_transaction():
        raise RuntimeError("no provider is called inside a transaction")
    attempts.check_amount(amount_minor)

    def intend(locked: Purchase, row: PurchaseAdjustment) -> None:
        left = taking_back.refundable(locked)
        asked = left if amount_minor is None else amount_minor
        row.amount_minor = -asked
        why = _why_no_refund(locked, asked, left)
        if why:
            attempts.refuse(row, why, refundableMinor=left)

    row = attempts.begin(
        purchase, PurchaseAction.REFUND, amount_minor, by=by, key=operation_key, now=now, intend=intend
    )
    attempts.raise_refusal(row, PurchaseRefundNotAllowed)
    if _is_unanswered(row):
        row = _ask(row, connector, now=now)
    if row.status == PurchaseActionStatus.FAILED:
        raise attempts.failure_of(row)
    return row


@requires_transaction
def refund_accepted(purchase: Purchase, *, amount_minor: int | None, now: datetime) -> PurchaseAdjustment:
    """
    ``refund`` as if the provider had accepted it already, without a key and without asking: to see what it would do.

    :raises PurchaseRefundNotAllowed: as there. :raises Invalid: no amount.
    """
    attempts.check_amount(amount_minor)
    locked = Purchase.objects.select_for_update().get(pk=purchase.pk)
    left = taking_back.refundable(locked)
    asked = left if amount_minor is None else amount_minor
    why = _why_no_refund(locked, asked, left)
    if why:
        raise PurchaseRefundNotAllowed(why, details={"refundableMinor": left})
    row = new_row(locked, PurchaseAction.REFUND, -asked, now=now)
    _apply_refund(locked, row, RefundStatus.SUCCEEDED, asked, now=now)
    return row


def resume(adjustment: PurchaseAdjustment, connector: PaymentConnector, *, now: datetime) -> PurchaseAdjustment:
    """
    Finish a refund that was cut off between intent and result: the provider is asked again with the same key.

    One the provider has accepted and not decided yet is left to its events. :raises OutcomeUnknown: no answer again.
    """
    row = PurchaseAdjustment.objects.get(pk=adjustment.pk)
    return _ask(row, connector, now=now) if _is_unanswered(row) else row


def void(purchase: Purchase, *, by: ByHand, operation_key: str, now: datetime) -> PurchaseAdjustment:
    """
    Declare a purchase void: all that is left of its grants is taken and they end. No money moves; a refund does that.

    :raises PurchaseVoidNotAllowed: it is not simply confirmed. :raises PurchaseAdjustmentDuplicate: see ``refund``.
    """

    def intend(locked: Purchase, row: PurchaseAdjustment) -> None:
        if locked.status != PurchaseStatus.CONFIRMED or taking_back.refundable(locked) < locked.amount_minor:
            attempts.refuse(row, "Only a confirmed purchase of which nothing was given back can be voided.")
            return
        taking_back.count_whole(row)
        row.status = PurchaseActionStatus.SUCCEEDED
        save(row, now=now)
        taking_back.bring_along(locked, now=now)

    row = attempts.begin(purchase, PurchaseAction.VOID, None, by=by, key=operation_key, now=now, intend=intend)
    attempts.raise_refusal(row, PurchaseVoidNotAllowed)
    return row


def correct(
    purchase: Purchase, *, amount_minor: int, by: ByHand, operation_key: str, now: datetime
) -> PurchaseAdjustment:
    """
    Note that ``amount_minor`` more (negative: less) was paid than the provider told. Bookkeeping alone: no provider is asked, no
    unit moves, and refunds still count against what was paid. Units are corrected by ``entitlements.corrections``.

    :raises Invalid: 0, or less than nothing would have been paid. :raises PurchaseAdjustmentDuplicate: see ``refund``.
    """
    attempts.check_amount(amount_minor, signed=True)

    def intend(locked: Purchase, row: PurchaseAdjustment) -> None:
        before = locked.adjustments.filter(action=PurchaseAction.CORRECTION).exclude(pk=row.pk)
        if locked.amount_minor + sum(before.values_list("amount_minor", flat=True)) + amount_minor < 0:
            raise attempts.invalid("Less than nothing cannot have been paid.")
        row.amount_minor = amount_minor
        row.status = PurchaseActionStatus.SUCCEEDED

    return attempts.begin(
        purchase, PurchaseAction.CORRECTION, amount_minor, by=by, key=operation_key, now=now, intend=intend
    )


def _why_no_refund(purchase: Purchase, asked: int, left: int) -> str:
    """Why it is not allowed; empty where it is."""
    if purchase.status == PurchaseStatus.VOIDED:
        return "The purchase is void."
    if purchase.status == PurchaseStatus.DISPUTED:
        return "A dispute is open: the provider has the money until it is decided."
    if left == 0:
        return "Nothing is left that could be refunded."
    if asked > left:
        return f"Only {left} (minor units) are left to refund."
    if not purchase.provider_payment_id:
        return "The provider's payment is not known, so it cannot be asked to refund it."
    return ""


def _is_unanswered(row: PurchaseAdjustment) -> bool:
    """An intent of which the provider has said nothing. One it has accepted has a reference, and its events tell the rest."""
    intent = row.action == PurchaseAction.REFUND and row.status == PurchaseActionStatus.RECORDED
    return intent and row.provider_reference is None


def _ask(row: PurchaseAdjustment, connector: PaymentConnector, *, now: datetime) -> PurchaseAdjustment:
    """Ask the provider, outside a transaction, under a key that is the intent's own; then write down what it said."""
    try:
        made = connector.refund(
            payment_id=row.purchase.provider_payment_id or "",
            amount_minor=-row.amount_minor,
            reason=row.reason,
            operation_key=f"refund:{row.request_idempotency_key}",
        )
    except OutcomeUnknown:
        raise
    except (ProviderError, OperationNotSupported) as failure:
        told = failure
        return perform(lambda: _fail(row.pk, told, now=now), now=now)
    return perform(lambda: _finish(row.pk, made, now=now), now=now)


@requires_transaction
def _fail(row_id: int, failure: Failure, *, now: datetime) -> PurchaseAdjustment:
    _, row = _locked(row_id)
    if _is_unanswered(row):
        attempts.note_failure(row, failure)
        save(row, now=now)
    return row


@requires_transaction
def _finish(row_id: int, made: RefundMade, *, now: datetime) -> PurchaseAdjustment:
    """The provider has accepted a refund; its events may have told of it before, under this row or under one of their own."""
    purchase, row = _locked(row_id)
    if row.provider_reference not in (None, made.refund_id):
        row = _parted(row, now=now)
    told = purchase.adjustments.filter(action=PurchaseAction.REFUND, provider_reference=made.refund_id)
    other = told.exclude(pk=row.pk).first()
    if other is not None:
        row.status = PurchaseActionStatus.NOOP
        row.metadata_json = {**row.metadata_json, "same_as": other.pk}
        save(row, now=now)
        _apply_refund(purchase, other, made.status, made.amount_minor, now=now)
        return row
    row.provider_reference = made.refund_id
    row.amount_minor = -made.amount_minor
    _apply_refund(purchase, row, made.status, made.amount_minor, now=now)
    return row


def _parted(row: PurchaseAdjustment, *, now: datetime) -> PurchaseAdjustment:
    """A refund made elsewhere, for the same amount, was taken for this intent: the intent goes on in a row of its own."""
    own = new_row(row.purchase, PurchaseAction.REFUND, row.amount_minor, reason=row.reason, now=now)
    own.requested_by, own.request_idempotency_key = row.requested_by, row.request_idempotency_key
    own.metadata_json = {"asked_minor": row.metadata_json.get("asked_minor")}
    row.requested_by, row.request_idempotency_key = "", None
    save(row, now=now)
    save(own, now=now)
    return own


def _locked(row_id: int) -> tuple[Purchase, PurchaseAdjustment]:
    """The purchase first, as everywhere; then its row as it is now."""
    purchase_id = PurchaseAdjustment.objects.values_list("purchase_id", flat=True).get(pk=row_id)
    purchase = Purchase.objects.select_for_update().get(pk=purchase_id)
    return purchase, purchase.adjustments.get(pk=row_id)
