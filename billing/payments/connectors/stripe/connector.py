"""The Stripe connector: the protocol's calls, and events verified, translated and completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import stripe
from django.conf import settings

from billing.payments.connectors.base import (
    Ability,
    CheckoutOpened,
    CheckoutOrder,
    CheckoutSeen,
    MethodSeen,
    NotConfigured,
    RefundMade,
    SubscriptionRef,
    SubscriptionView,
)
from billing.payments.connectors.bodies import LONGEST_ID, LONGEST_NAME, instant_of, read_object, text_of
from billing.payments.connectors.facts import Fact, PaymentConfirmed, ProviderEvent, RefundStatus
from billing.payments.connectors.signing import verify_stripe
from billing.payments.connectors.stripe import checkouts, methods, subscriptions
from billing.payments.connectors.stripe.calls import answered, client_of, keyed, plain
from billing.payments.connectors.stripe.completing import completed
from billing.payments.connectors.stripe.translating import REFUND_STATUSES, translate
from mozaiks.kit.errors import Invalid

LONGEST_NOTE: Final = 500


class StripeConnector:
    """One account of Stripe's."""

    name = "stripe"
    abilities = frozenset(Ability)

    def __init__(
        self, secret_key: str, *, webhook_secrets: Sequence[str], http_client: stripe.HTTPClient | None = None
    ) -> None:
        self._client = client_of(secret_key, http_client) if secret_key else None
        self._webhook_secrets = tuple(webhook_secrets)

    @property
    def client(self) -> stripe.StripeClient:
        """:raises NotConfigured: there is no key; stored events can still be read."""
        if self._client is None:
            raise NotConfigured("STRIPE_SECRET_KEY is not set.")
        return self._client

    def checkout(self, order: CheckoutOrder) -> CheckoutOpened:
        return checkouts.open_session(self.client, order)

    def checkout_seen(self, session_id: str) -> CheckoutSeen:
        return checkouts.see_session(self.client, session_id)

    def expire_checkout(self, session_id: str) -> None:
        checkouts.expire_session(self.client, session_id)

    def payment_link(self, order: CheckoutOrder) -> CheckoutOpened:
        return checkouts.open_link(self.client, order)

    def subscription_status(self, ref: SubscriptionRef) -> SubscriptionView:
        return subscriptions.seen(self.client, ref)

    def cancel(self, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None:
        subscriptions.cancel(self.client, subscription_id, at_period_end=at_period_end, operation_key=operation_key)

    def resume(self, subscription_id: str, *, operation_key: str) -> None:
        subscriptions.resume(self.client, subscription_id, operation_key=operation_key)

    def change_plan(self, subscription_id: str, price_id: str, *, at_period_end: bool, operation_key: str) -> None:
        subscriptions.change_price(
            self.client, subscription_id, price_id, at_period_end=at_period_end, operation_key=operation_key
        )

    def portal(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        params: Any = {"customer": customer_id, "return_url": return_url}
        with answered():
            options = keyed(operation_key, "portal")
            url: str = plain(self.client.v1.billing_portal.sessions.create(params, options))["url"]
            return url

    def payment_methods(self, customer_id: str) -> Sequence[MethodSeen]:
        return methods.seen(self.client, customer_id)

    def add_payment_method(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        return methods.add(self.client, customer_id, return_url=return_url, operation_key=operation_key)

    def default_payment_method(self, customer_id: str, method_id: str, *, operation_key: str) -> None:
        methods.make_default(self.client, customer_id, method_id, operation_key=operation_key)

    def remove_payment_method(self, method_id: str, *, operation_key: str) -> None:
        methods.remove(self.client, method_id, operation_key=operation_key)

    def refund(self, *, payment_id: str, amount_minor: int, reason: str, operation_key: str) -> RefundMade:
        """Give ``amount_minor`` back of one payment. What an operator wrote stays a note: Stripe knows three reasons."""
        params: Any = {
            "charge" if payment_id.startswith(("ch_", "py_")) else "payment_intent": payment_id,
            "amount": amount_minor,
            "reason": "requested_by_customer",
            "metadata": {"mozaiks_reason": reason[:LONGEST_NOTE], "mozaiks_operation_key": operation_key},
        }
        with answered():
            refund = plain(self.client.v1.refunds.create(params, keyed(operation_key, "refund")))
            return RefundMade(
                refund_id=refund["id"],
                status=REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING),
                amount_minor=int(refund["amount"]),
            )

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        verify_stripe(body, headers, secrets=self._webhook_secrets, now=now)
        payload = read_object(body)
        data = payload.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
            raise Invalid("The event carries no object; thin events are not read.")
        return ProviderEvent(
            provider=self.name,
            event_id=text_of(payload, "id", longest=LONGEST_ID),
            name=text_of(payload, "type", longest=LONGEST_NAME),
            created_at=instant_of(payload, "created"),
            payload=payload,
        )

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        return translate(event)

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        """
        Tie payments, invoices and sessions together where they do not name each other, as since 2025 most do not.

        A payment that is neither ours nor an invoice's is somebody else's business in the same account: no fact of it is left.
        """
        client = self._client
        if client is None:
            return facts
        found = [completed(client, fact) if isinstance(fact, PaymentConfirmed) else fact for fact in facts]
        return [fact for fact in found if fact is not None]


def from_settings() -> StripeConnector:
    """The connector of the account whose keys are set."""
    return StripeConnector(settings.STRIPE_SECRET_KEY, webhook_secrets=settings.STRIPE_WEBHOOK_SECRET)
