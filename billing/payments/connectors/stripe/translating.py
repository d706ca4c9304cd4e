"""
Stripe's events in our words. Pure: an event that was stored long ago says the same again.

``TRANSLATORS`` is the list of events we listen to; what is not in it says nothing to us. Both shapes of the API are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from billing.payments.connectors.facts import (
    CheckoutEnded,
    CheckoutOutcome,
    DisputeReported,
    DisputeState,
    Fact,
    PaymentConfirmed,
    PaymentFailed,
    ProviderEvent,
    RefundReported,
    RefundStatus,
    Whose,
)
from billing.payments.connectors.stripe import labels
from billing.payments.connectors.stripe.invoices import read_failed_invoice, read_paid_invoice
from billing.payments.connectors.stripe.reading import (
    Data,
    currency,
    id_of,
    instant,
    listed,
    payment_of,
    text,
    whole,
    whose,
    within,
)
from billing.payments.connectors.stripe.standing import read_subscription

Translator = Callable[[Data, datetime], list[Fact]]

REFUND_STATUSES: Final = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
SETTLED: Final = frozenset({"paid", "no_payment_required"})


def translate(event: ProviderEvent) -> Sequence[Fact]:
    """What the event says; nothing for events we do not listen to. The event's own time is that of what it tells."""
    translator = TRANSLATORS.get(event.name)
    data = within(event.payload, "data", "object")
    return translator(data, event.created_at) if translator and data else []


def _checkout_completed(data: Data, created_at: datetime) -> list[Fact]:
    """One that is not paid yet, by a bank that takes its time, is told again when it is."""
    if text(data, "mode") == "setup" or text(data, "payment_status") not in SETTLED:
        return []
    paid = _session_payment(data, created_at)
    return [_ended(data, CheckoutOutcome.COMPLETED), *([paid] if paid else [])]


def _checkout_failed(data: Data, created_at: datetime) -> list[Fact]:
    reason = "The bank did not carry out the payment."
    failed = PaymentFailed(whose=_session_whose(data), payment_id=payment_of(data), reason=reason)
    return [_ended(data, CheckoutOutcome.FAILED), failed]


def _checkout_expired(data: Data, created_at: datetime) -> list[Fact]:
    return [] if text(data, "mode") == "setup" else [_ended(data, CheckoutOutcome.EXPIRED)]


def _ended(data: Data, outcome: CheckoutOutcome) -> CheckoutEnded:
    return CheckoutEnded(
        whose=_session_whose(data),
        session_id=text(data, "id"),
        outcome=outcome,
        operation_key=labels.metadata_of(data).get(labels.OPERATION, ""),
    )


def _session_whose(data: Data) -> Whose:
    return whose(data, labels.metadata_of(data), subscription_id=id_of(data, "subscription"))


def _session_payment(data: Data, created_at: datetime) -> PaymentConfirmed | None:
    """A one-off payment; of a subscription only which ids belong together, for its invoice tells what was paid."""
    payment, invoice = payment_of(data), id_of(data, "invoice")
    if text(data, "mode") == "payment":  # and it is settled, perhaps by a discount of all of it
        return _one_off(
            data,
            whose_it_is=_session_whose(data),
            amount_minor=whole(data, "amount_total") or 0,
            paid_at=created_at,
            ids=(payment, invoice, text(data, "id")),
        )
    if invoice is None:
        return None
    return PaymentConfirmed(
        whose=_session_whose(data),
        paid_at=created_at,
        payment_id=payment,
        invoice_id=invoice,
        session_id=text(data, "id"),
        operation_key=labels.metadata_of(data).get(labels.OPERATION, ""),
    )


def _one_off(
    data: Data, *, whose_it_is: Whose, amount_minor: int, paid_at: datetime, ids: tuple[str | None, ...]
) -> PaymentConfirmed:
    """The same words from the session and from its payment: what was bought is in the metadata of both."""
    metadata = labels.metadata_of(data)
    payment, invoice, session = ids
    return PaymentConfirmed(
        whose=whose_it_is,
        paid_at=paid_at,
        amount_minor=amount_minor,
        currency=currency(data),
        quantity=labels.number_in(metadata, labels.QUANTITY) or 1,
        price_id=metadata.get(labels.PRICE),
        product_code=metadata.get(labels.PRODUCT),
        payment_id=payment,
        invoice_id=invoice,
        session_id=session,
        operation_key=metadata.get(labels.OPERATION, ""),
    )


def _payment_succeeded(data: Data, created_at: datetime) -> list[Fact]:
    """Ours by its metadata; any other is an invoice's, which alone knows what it is for (``enrich`` asks which)."""
    metadata, invoice = labels.metadata_of(data), id_of(data, "invoice")
    ids = (id_of(data, "id"), invoice, None)
    if labels.ENTITY in metadata and invoice is None:
        amount = whole(data, "amount_received") or 0
        return [_one_off(data, whose_it_is=whose(data, metadata), amount_minor=amount, paid_at=created_at, ids=ids)]
    fact = PaymentConfirmed(
        whose=whose(data, metadata), paid_at=created_at, payment_id=id_of(data, "id"), invoice_id=invoice
    )
    return [fact]


def _subscription(data: Data, created_at: datetime) -> list[Fact]:
    return [read_subscription(data)]


def _invoice_paid(data: Data, created_at: datetime) -> list[Fact]:
    return [read_paid_invoice(data, created_at=created_at)]


def _invoice_failed(data: Data, created_at: datetime) -> list[Fact]:
    return [read_failed_invoice(data)]


def _charge_refunded(data: Data, created_at: datetime) -> list[Fact]:
    """Refunds with their own amounts, where the charge lists them; the sum of all is no fact of ours."""
    return [fact for each in listed(data, "refunds") for fact in _refund({**_charge_ids(data), **each}, created_at)]


def _charge_ids(data: Data) -> dict[str, str | None]:
    return {"payment_intent": id_of(data, "payment_intent"), "charge": id_of(data, "id")}


def _refund(data: Data, created_at: datetime) -> list[Fact]:
    refund = RefundReported(
        refund_id=text(data, "id"),
        amount_minor=whole(data, "amount") or 0,
        currency=currency(data),
        status=REFUND_STATUSES.get(text(data, "status"), RefundStatus.PENDING),
        occurred_at=instant(data, "created") or created_at,
        payment_id=payment_of(data),
        reason=text(data, "reason"),
    )
    return [refund]


def _dispute_created(data: Data, created_at: datetime) -> list[Fact]:
    """An inquiry takes no money yet, and is none of our disputes; one that becomes a dispute tells of the money it takes."""
    if _is_inquiry(data):
        return []
    return [_dispute(data, DisputeState.OPENED, instant(data, "created") or created_at)]


def _dispute_closed(data: Data, created_at: datetime) -> list[Fact]:
    if _is_inquiry(data):
        return []
    lost = text(data, "status") == "lost"
    return [_dispute(data, DisputeState.LOST if lost else DisputeState.WON, created_at)]


def _is_inquiry(data: Data) -> bool:
    return text(data, "status").startswith("warning_")


def _dispute(data: Data, state: DisputeState, occurred_at: datetime) -> DisputeReported:
    return DisputeReported(
        dispute_id=text(data, "id"),
        amount_minor=whole(data, "amount") or 0,
        currency=currency(data),
        state=state,
        occurred_at=occurred_at,
        payment_id=payment_of(data),
        reason=text(data, "reason"),
    )


#: ``charge.refund.updated`` is what older versions call ``refund.updated``.
TRANSLATORS: Final[Mapping[str, Translator]] = {
    "checkout.session.completed": _checkout_completed,
    "checkout.session.async_payment_succeeded": _checkout_completed,
    "checkout.session.async_payment_failed": _checkout_failed,
    "checkout.session.expired": _checkout_expired,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.deleted": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "invoice.paid": _invoice_paid,
    "invoice.payment_succeeded": _invoice_paid,
    "invoice.payment_failed": _invoice_failed,
    "payment_intent.succeeded": _payment_succeeded,
    "charge.refunded": _charge_refunded,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute_created,
    "charge.dispute.funds_withdrawn": _dispute_created,
    "charge.dispute.closed": _dispute_closed,
}
