"""
A remote payment gateway that speaks the contract of our own gateway doors (docs/contracts.md).

Only questions are asked twice. A gateway that cannot be reached makes nobody active, and no answer is taken for a yes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import httpx
from django.conf import settings

from billing.payments.connectors.base import (
    Ability,
    CheckoutOpened,
    CheckoutOrder,
    CheckoutSeen,
    NotConfigured,
    OperationNotSupported,
    OutcomeUnknown,
    ProviderError,
    SubscriptionRef,
    SubscriptionView,
)
from billing.payments.connectors.bodies import LONGEST_ID
from billing.payments.connectors.facts import Fact, ProviderEvent
from billing.payments.connectors.lacking import Lacking
from billing.payments.connectors.neutral import read_event, read_facts
from billing.payments.connectors.signing import verify_standard
from mozaiks.kit.times import parse_utc

CHECKOUT: Final = "/api/mozaiks/pay/checkout"
STATUS: Final = "/api/mozaiks/pay/subscription-status"
CANCEL: Final = "/api/mozaiks/pay/cancel"
TIMEOUT_SECONDS: Final = 10.0
#: A question is asked three times at most.
QUESTIONS: Final = 3
MOST_BYTES: Final = 1024 * 1024
UNREACHABLE: Final = SubscriptionView(active=False, status="unavailable", unavailable_reason="gateway_unreachable")


class ManagedConnector(Lacking):
    """The client of a gateway. ``entity_id`` is the app the gateway is asked about."""

    name = "managed"
    abilities: frozenset[Ability] = frozenset()

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str,
        webhook_secrets: Sequence[str],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._webhook_secrets = tuple(webhook_secrets)
        self._timeout = timeout_seconds

    def checkout(self, order: CheckoutOrder) -> CheckoutOpened:
        """Open the gateway's page. It has no keys for repeats: ours travels along, for gateways that know it."""
        metadata = {
            **order.metadata,
            "entityId": str(order.entity_id),
            "operationKey": order.operation_key,
            "productCode": order.product_code,
            "priceId": order.price_id,
            "quantity": str(order.quantity),
            "successUrl": order.success_url,
            "cancelUrl": order.cancel_url,
        }
        body = {**_scope(order.entity_id), "plan": order.plan_code or None, "metadata": metadata}
        answer = self._write(CHECKOUT, body, operation_key=order.operation_key)
        url, session_id = answer.get("checkoutUrl"), answer.get("sessionId")
        if not isinstance(url, str) or not isinstance(session_id, str) or not 0 < len(session_id) <= LONGEST_ID:
            raise OutcomeUnknown("The payment gateway's answer cannot be read.")
        if not url.startswith(("https://", "http://")):
            raise ProviderError("The payment gateway has no page to pay on.")
        return CheckoutOpened(session_id=session_id, url=url)

    def checkout_seen(self, session_id: str) -> CheckoutSeen:
        raise OperationNotSupported("A gateway does not tell how its checkouts stand; its events do.")

    def expire_checkout(self, session_id: str) -> None:
        """The gateway closes its own pages."""

    def subscription_status(self, ref: SubscriptionRef) -> SubscriptionView:
        try:
            answer = self._read(STATUS, {key: str(value) for key, value in _scope(ref.entity_id).items()})
        except ProviderError:
            return UNREACHABLE
        ends_at, plan, status = answer.get("currentPeriodEnd"), answer.get("plan"), answer.get("status")
        return SubscriptionView(
            active=answer.get("active") is True,
            status=status if isinstance(status, str) else "unknown",
            plan=plan if isinstance(plan, str) else None,
            current_period_end_at=_instant(ends_at),
            cancel_at_period_end=answer.get("cancelAtPeriodEnd") is True,
        )

    def cancel(self, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None:
        """The gateway decides when it ends. ``subscription_id`` is the app it was opened for."""
        body = {"scope": "app", "appId": subscription_id} if subscription_id else {"scope": "platform"}
        answer = self._write(CANCEL, body, operation_key=operation_key)
        if answer.get("ok") is not True:
            raise ProviderError("The payment gateway did not cancel.")

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        event_id = verify_standard(
            body, headers, secrets=self._webhook_secrets, setting="MOZAIKS_GATEWAY_WEBHOOK_SECRET", now=now
        )
        return read_event(body, provider=self.name, event_id=event_id)

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        return read_facts(event)

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Events in our own words are whole."""
        return facts

    def _read(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        failed = ProviderError("The payment gateway was not asked.")
        for _ in range(QUESTIONS):
            try:
                return self._call("GET", path, params=query)
            except OutcomeUnknown as error:
                failed = error
        raise failed

    def _write(self, path: str, body: Mapping[str, Any], *, operation_key: str) -> dict[str, Any]:
        return self._call("POST", path, json=body, headers={"Idempotency-Key": operation_key})

    def _call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **asked: Any
    ) -> dict[str, Any]:
        """:raises ProviderError: it refused. :raises OutcomeUnknown: it did not answer, failed, or answered nonsense."""
        if not self._base_url:
            raise NotConfigured("MOZAIKS_GATEWAY_BASE_URL is not set.")
        sent = {"x-correlation-id": str(uuid.uuid4()), **self._credentials(), **(headers or {})}
        try:
            # Redirects are not followed: our key goes to the gateway that was named and to nobody else.
            with httpx.Client(timeout=self._timeout, follow_redirects=False) as client:
                answer = client.request(method, self._base_url + path, headers=sent, **asked)
        except httpx.HTTPError as error:
            raise OutcomeUnknown("The payment gateway did not answer.") from error
        if answer.status_code >= 500:
            raise OutcomeUnknown("The payment gateway failed.")
        if not answer.is_success:
            raise ProviderError(f"The payment gateway refused ({answer.status_code}).")
        return _object(answer)

    def _credentials(self) -> dict[str, str]:
        if not self._api_key:
            return {}
        return {"Authorization": f"Bearer {self._api_key}", "x-mozaiks-app-key": self._api_key}


def _scope(entity_id: int) -> dict[str, str]:
    return {"scope": "app", "appId": str(entity_id)}


def _object(answer: httpx.Response) -> dict[str, Any]:
    """:raises OutcomeUnknown: the answer is no JSON object."""
    try:
        value = answer.json() if len(answer.content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise OutcomeUnknown("The payment gateway's answer cannot be read.")
    return value


def _instant(value: Any) -> datetime | None:
    try:
        return parse_utc(value) if isinstance(value, str) else None
    except ValueError:
        return None


def from_settings() -> ManagedConnector:
    return ManagedConnector(
        settings.MOZAIKS_GATEWAY_BASE_URL,
        api_key=settings.MOZAIKS_GATEWAY_API_KEY,
        webhook_secrets=settings.MOZAIKS_GATEWAY_WEBHOOK_SECRET,
    )
