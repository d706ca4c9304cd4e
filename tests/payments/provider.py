"""
The fake provider for tests: ``from tests.payments.provider import provider`` and ask for the fixture.

It is noon there too, until ``provider.advance(to)``; prices are those of the catalog, or ``provider.price(…)``. The stripe
connector that ``choosing`` gives speaks to it. Nothing is told until ``provider.deliver()``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from billing.models.checkouts import CheckoutPurpose
from billing.payments import webhooks
from billing.payments.connectors.base import CheckoutOrder
from billing.payments.fake import connecting
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.world import Habits
from tests import NOON


class Provider(FakeProvider):
    """The fake provider, with its events brought to our inbox by hand."""

    def __init__(self, *, habits: Habits | None = None) -> None:
        super().__init__(lambda: NOON, find_price=connecting.find_price, habits=habits)

    def deliver(self, events: Iterable[dict[str, Any]] | None = None, *, now: datetime | None = None) -> list[int]:
        """
        Bring ``events`` (else all that nobody has taken yet) to our inbox, which works on each at once.

        Ids of the stored events, in the order they were brought; ``now`` is ours, else the provider's.
        """
        now = now or self.now()
        brought = []
        for event in list(self.undelivered(limit=10_000) if events is None else events):
            body, headers = self.signed(event, at=now)
            received = webhooks.receive("stripe", body, headers, now=now)
            webhooks.process(received.event_id, now=now)
            self.delivered(event["id"])
            brought.append(received.event_id)
        return brought

    def take(self) -> list[dict[str, Any]]:
        """Events nobody has taken yet, taken: to be shuffled, repeated or left out."""
        events = self.undelivered(limit=10_000)
        for event in events:
            self.delivered(event["id"])
        return events


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    """A fresh provider; ``choosing.connector()`` speaks to it."""
    settings.BILLING_FAKE_PROVIDER = True
    settings.BILLING_CONNECTOR = settings.STRIPE_SECRET_KEY = ""
    fresh = Provider()
    connecting.use(fresh)
    yield fresh
    connecting.use(None)


def order_of(price_id: str, *, entity_id: int = 1, operation_key: str = "operation-1", **more: Any) -> CheckoutOrder:
    """A checkout of a subscription, unless ``purpose`` says otherwise."""
    fields: dict[str, Any] = {
        "entity_id": entity_id,
        "purpose": CheckoutPurpose.SUBSCRIPTION,
        "price_id": price_id,
        "success_url": "https://example.org/done",
        "cancel_url": "https://example.org/back",
        "operation_key": operation_key,
    }
    return CheckoutOrder(**{**fields, **more})
