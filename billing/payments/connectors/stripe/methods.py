"""The cards a customer of Stripe's keeps there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import stripe

from billing.payments.connectors.base import MethodSeen
from billing.payments.connectors.stripe.calls import READ, answered, keyed, plain
from billing.payments.connectors.stripe.reading import Data, id_of, text, whole, within


def seen(client: stripe.StripeClient, customer_id: str) -> Sequence[MethodSeen]:
    """The customer's payment methods, the default one first."""
    with answered():
        customer = plain(client.v1.customers.retrieve(customer_id, options=READ))
        found = client.v1.customers.payment_methods.list(customer_id, {"limit": 100}, READ)
        default = id_of(within(customer, "invoice_settings"), "default_payment_method")
        methods = [_method(plain(each), default) for each in found.data]
    return sorted(methods, key=lambda method: not method.is_default)


def add(client: stripe.StripeClient, customer_id: str, *, return_url: str, operation_key: str) -> str:
    """A page on which a card is added and nothing is paid."""
    params: Any = {
        "mode": "setup",
        "customer": customer_id,
        "payment_method_types": ["card"],
        "success_url": return_url,
        "cancel_url": return_url,
    }
    with answered():
        url: str = plain(client.v1.checkout.sessions.create(params, keyed(operation_key, "add-method")))["url"]
        return url


def make_default(client: stripe.StripeClient, customer_id: str, method_id: str, *, operation_key: str) -> None:
    """For invoices to come, also those of subscriptions that Checkout tied to the card they were opened with."""
    settings: Any = {"invoice_settings": {"default_payment_method": method_id}}
    listing: Any = {"customer": customer_id, "limit": 100}
    with answered():
        client.v1.customers.update(customer_id, settings, keyed(operation_key, "default"))
        for subscription in client.v1.subscriptions.list(listing, READ).data:
            if id_of(plain(subscription), "default_payment_method") not in {None, method_id}:
                changed: Any = {"default_payment_method": method_id}
                key = keyed(operation_key, f"default:{subscription.id}")
                client.v1.subscriptions.update(subscription.id, changed, key)


def remove(client: stripe.StripeClient, method_id: str, *, operation_key: str) -> None:
    with answered():
        client.v1.payment_methods.detach(method_id, options=keyed(operation_key, "detach"))


def _method(data: Data, default: str | None) -> MethodSeen:
    kind = text(data, "type")
    details = within(data, kind)
    return MethodSeen(
        method_id=data["id"],
        method_type=kind,
        brand=text(details, "brand"),
        last4=text(details, "last4"),
        exp_month=whole(details, "exp_month"),
        exp_year=whole(details, "exp_year"),
        is_default=data["id"] == default,
    )
