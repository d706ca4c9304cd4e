"""
What an event about a payment did not say, asked of Stripe: which invoice it paid, and what that invoice was for.

An invoice that is paid says the same whoever asks and whenever, so it does not matter which of its events comes first. Where
Stripe cannot be reached, what is known is told alone: another event of the same payment brings the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import stripe

from billing.payments.connectors.base import ProviderError
from billing.payments.connectors.facts import PaymentConfirmed
from billing.payments.connectors.stripe.calls import READ, answered, plain
from billing.payments.connectors.stripe.invoices import paid_by, read_paid_invoice
from billing.payments.connectors.stripe.reading import id_of, text


def completed(client: stripe.StripeClient, fact: PaymentConfirmed) -> PaymentConfirmed | None:
    """
    ``fact`` with what belongs to it; None where it is a payment that is neither ours nor an invoice's.

    :raises OutcomeUnknown: only Stripe knows whose payment it is, and does not answer.
    """
    if fact.amount_minor is None:
        known = fact if fact.invoice_id or not fact.payment_id else _with_invoice(client, fact)
        return _whole(client, known) if known is not None and known.invoice_id else known
    if fact.invoice_id and fact.payment_id is None and fact.amount_minor:
        return _with_payment(client, fact)
    return fact


def _with_invoice(client: stripe.StripeClient, fact: PaymentConfirmed) -> PaymentConfirmed | None:
    params: Any = {"payment": {"type": "payment_intent", "payment_intent": fact.payment_id}, "limit": 1}
    with answered():
        found = client.v1.invoice_payments.list(params, READ).data
        invoice_id = id_of(plain(found[0]), "invoice") if found else None
    return replace(fact, invoice_id=invoice_id) if invoice_id else None


def _whole(client: stripe.StripeClient, fact: PaymentConfirmed) -> PaymentConfirmed:
    """What the invoice was for, once it says that it is paid."""
    try:
        with answered():
            invoice = plain(client.v1.invoices.retrieve(fact.invoice_id or "", {"expand": ["payments"]}, READ))
    except ProviderError:
        return fact
    if text(invoice, "status") != "paid":
        return fact
    told = read_paid_invoice(invoice, created_at=fact.paid_at)
    return replace(told, payment_id=told.payment_id or fact.payment_id, session_id=fact.session_id)


def _with_payment(client: stripe.StripeClient, fact: PaymentConfirmed) -> PaymentConfirmed:
    params: Any = {"invoice": fact.invoice_id, "limit": 100}
    try:
        with answered():
            return replace(fact, payment_id=paid_by({"payments": plain(client.v1.invoice_payments.list(params, READ))}))
    except ProviderError:
        return fact
