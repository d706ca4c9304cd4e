"""
What an invoice of Stripe's was for, from either shape.

Since 2025: ``parent.subscription_details``, ``payments``, a price in a line's ``pricing``, and no payment intent of its own.
Before: ``subscription``, ``payment_intent``, a line's ``price``.
"""

from __future__ import annotations

from datetime import datetime

from billing.payments.connectors.facts import PaymentConfirmed, PaymentFailed
from billing.payments.connectors.stripe import labels
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


def read_paid_invoice(data: Data, *, created_at: datetime) -> PaymentConfirmed:
    """A paid invoice; ``created_at`` is the event's, for invoices that do not say when they were paid."""
    metadata, line = invoice_labels(data), main_line(data)
    period = within(line, "period") if subscription_of(data) else {}
    return PaymentConfirmed(
        whose=whose(data, metadata, subscription_id=subscription_of(data)),
        paid_at=instant(within(data, "status_transitions"), "paid_at") or created_at,
        amount_minor=whole(data, "amount_paid") or 0,
        currency=currency(data),
        quantity=whole(line, "quantity") or 1,
        price_id=line_price(line),
        product_code=metadata.get(labels.PRODUCT),
        payment_id=paid_by(data),
        invoice_id=id_of(data, "id"),
        period_start_at=instant(period, "start"),
        period_end_at=instant(period, "end"),
        operation_key=metadata.get(labels.OPERATION, ""),
        display_name=text(line, "description"),
    )


def read_failed_invoice(data: Data) -> PaymentFailed:
    """An invoice that could not be charged."""
    reason = text(within(data, "last_finalization_error"), "message") or text(data, "billing_reason")
    return PaymentFailed(
        whose=whose(data, invoice_labels(data), subscription_id=subscription_of(data)),
        payment_id=paid_by(data),
        invoice_id=id_of(data, "id"),
        reason=reason,
    )


def subscription_of(data: Data) -> str | None:
    return id_of(within(data, "parent", "subscription_details"), "subscription") or id_of(data, "subscription")


def invoice_labels(data: Data) -> dict[str, str]:
    """The subscription's metadata as of the invoice, else the invoice's own."""
    places = (within(data, "parent", "subscription_details"), within(data, "subscription_details"), main_line(data))
    return next((found for place in places if labels.ENTITY in (found := labels.metadata_of(place))), None) or (
        labels.metadata_of(data)
    )


def paid_by(data: Data) -> str | None:
    """The payment: the default one of those listed, else the one in the old place."""
    payments = listed(data, "payments")
    payments.sort(key=lambda each: (each.get("is_default") is True, text(each, "status") == "paid"), reverse=True)
    found = (payment_of(within(each, "payment")) for each in payments)
    return next((payment for payment in found if payment), None) or payment_of(data)


def main_line(data: Data) -> Data:
    """
    The line that says what was paid for: the whole period's, else of a change in the middle what was changed to.

    A line that gives back what was not used says what was, not what is.
    """
    lines = [line for line in listed(data, "lines") if (whole(line, "amount") or 0) >= 0]
    if not lines:
        return next(iter(listed(data, "lines")), {})
    return max(lines, key=lambda line: (_of_subscription(line), not _is_proration(line), _ends(line)))


def line_price(line: Data) -> str | None:
    details = within(line, "pricing", "price_details")
    return id_of(details, "price") or id_of(line, "price") or id_of(line, "plan")


def _of_subscription(line: Data) -> bool:
    parent = text(within(line, "parent"), "type")
    return parent == "subscription_item_details" or bool(id_of(line, "subscription"))


def _is_proration(line: Data) -> bool:
    details = within(line, "parent", "subscription_item_details")
    return details.get("proration") is True or line.get("proration") is True


def _ends(line: Data) -> int:
    return whole(within(line, "period"), "end") or 0
