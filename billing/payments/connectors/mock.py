"""
The connector of an installation that sells nothing: everybody is active, and nothing is granted by it.

Its events are signed with ``MOCK_WEBHOOK_SECRET`` as Standard Webhooks say, and speak our own words (``neutral``).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.conf import settings

from billing.payments.connectors.base import (
    Ability,
    CheckoutOpened,
    CheckoutOrder,
    CheckoutSeen,
    SubscriptionRef,
    SubscriptionView,
)
from billing.payments.connectors.facts import Fact, ProviderEvent
from billing.payments.connectors.lacking import Lacking
from billing.payments.connectors.neutral import read_event, read_facts
from billing.payments.connectors.signing import verify_standard

SELF_HOSTED: Final = "self_hosted"
CHECKOUT_URL: Final = "self_hosted_mode"


class MockConnector(Lacking):
    """Answers as existing clients of a self-hosted installation expect, and asks nobody."""

    name = "mock"
    abilities: frozenset[Ability] = frozenset()

    def __init__(self, *, webhook_secrets: Sequence[str]) -> None:
        self._webhook_secrets = tuple(webhook_secrets)

    def checkout(self, order: CheckoutOrder) -> CheckoutOpened:
        """No page: the word that says so stands in its place. The same operation has the same session."""
        session_id = str(uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_OID, order.operation_key).bytes, version=4))
        return CheckoutOpened(session_id=session_id, url=CHECKOUT_URL)

    def checkout_seen(self, session_id: str) -> CheckoutSeen:
        """Nobody can pay here, so it stays open until it expires on our side."""
        return CheckoutSeen(session_id=session_id, outcome=None)

    def expire_checkout(self, session_id: str) -> None:
        """There is no page to close."""

    def subscription_status(self, ref: SubscriptionRef) -> SubscriptionView:
        return SubscriptionView(active=True, status="active", plan=SELF_HOSTED)

    def cancel(self, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None:
        """Nobody charges anything, so there is nothing to end."""

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        event_id = verify_standard(body, headers, secrets=self._webhook_secrets, setting="MOCK_WEBHOOK_SECRET", now=now)
        return read_event(body, provider=self.name, event_id=event_id)

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        return read_facts(event)

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Our own events are whole."""
        return facts


def from_settings() -> MockConnector:
    return MockConnector(webhook_secrets=settings.MOCK_WEBHOOK_SECRET)
