"""Stripe's pages on which customers pay: checkout sessions and payment links."""

from __future__ import annotations

from typing import Any, Final

import stripe

from billing.models.checkouts import CheckoutPurpose
from billing.payments.connectors.base import CheckoutOpened, CheckoutOrder, CheckoutSeen, ProviderError
from billing.payments.connectors.facts import CheckoutOutcome
from billing.payments.connectors.stripe.calls import READ, answered, keyed, plain
from billing.payments.connectors.stripe.labels import labels_of
from billing.payments.connectors.stripe.reading import Data, id_of, instant, text
from billing.payments.connectors.stripe.translating import SETTLED

OUTCOMES: Final = {"complete": CheckoutOutcome.COMPLETED, "expired": CheckoutOutcome.EXPIRED}


def open_session(client: stripe.StripeClient, order: CheckoutOrder) -> CheckoutOpened:
    """A page on which ``order`` is paid."""
    params: Any = {
        **_what_is_sold(order),
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
        "client_reference_id": str(order.entity_id),
        **_who_pays(order),
    }
    if order.expires_at is not None:
        params["expires_at"] = int(order.expires_at.timestamp())
    with answered():
        session = plain(client.v1.checkout.sessions.create(params, keyed(order.operation_key, "checkout")))
        return CheckoutOpened(
            session_id=session["id"],
            url=_page(session),
            expires_at=instant(session, "expires_at"),
            customer_id=id_of(session, "customer"),
        )


def open_link(client: stripe.StripeClient, order: CheckoutOrder) -> CheckoutOpened:
    """A link that can be sent to whoever pays, any number of times."""
    params: Any = {
        **_what_is_sold(order),
        "after_completion": {"type": "redirect", "redirect": {"url": order.success_url}},
    }
    params.pop("mode")
    with answered():
        link = plain(client.v1.payment_links.create(params, keyed(order.operation_key, "link")))
        return CheckoutOpened(session_id=link["id"], url=_page(link))


def see_session(client: stripe.StripeClient, session_id: str) -> CheckoutSeen:
    """How a session stands. A bank's payment that is still under way leaves it open."""
    with answered():
        session = plain(client.v1.checkout.sessions.retrieve(session_id, options=READ))
        outcome, paid = OUTCOMES.get(session["status"]), text(session, "payment_status") in SETTLED
    return CheckoutSeen(
        session_id=session_id,
        outcome=None if outcome is CheckoutOutcome.COMPLETED and not paid else outcome,
        paid=paid and outcome is CheckoutOutcome.COMPLETED,
        url=text(session, "url"),
        expires_at=instant(session, "expires_at"),
    )


def expire_session(client: stripe.StripeClient, session_id: str) -> None:
    """Close it; Stripe refuses for one that is over, and then it is as it should be."""
    try:
        with answered():
            client.v1.checkout.sessions.expire(session_id, options=keyed(session_id, "expire"))
    except ProviderError:
        if see_session(client, session_id).outcome is None:
            raise


def _what_is_sold(order: CheckoutOrder) -> dict[str, Any]:
    labels = labels_of(order)
    line = {"price": order.price_id, "quantity": order.quantity}
    sold: dict[str, Any] = {"line_items": [line], "metadata": labels}
    if order.purpose is CheckoutPurpose.SUBSCRIPTION:
        trial = {"trial_period_days": order.trial_days} if order.trial_days else {}
        return {**sold, "mode": "subscription", "subscription_data": {"metadata": labels, **trial}}
    return {**sold, "mode": "payment", "payment_intent_data": {"metadata": labels}}


def _who_pays(order: CheckoutOrder) -> dict[str, str]:
    """A one-off payment makes a customer too, so that later events can be told whose they are."""
    if order.customer_id:
        return {"customer": order.customer_id}
    email = {"customer_email": order.customer_email} if order.customer_email else {}
    return email if order.purpose is CheckoutPurpose.SUBSCRIPTION else {**email, "customer_creation": "always"}


def _page(answer: Data) -> str:
    """:raises ValueError: there is no page to send anybody to."""
    url = text(answer, "url")
    if not url.startswith(("https://", "http://")):
        raise ValueError("no page")
    return url
