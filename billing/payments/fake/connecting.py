"""The fake provider of this process, with the prices of our own catalog, and the connector that speaks to it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from django.conf import settings

from billing.models import Plan, Product
from billing.payments.connectors.stripe.connector import StripeConnector
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.store import Data
from mozaiks.kit import clock

FILE: Final = "fake_provider.sqlite3"
_lock: Final = threading.Lock()
_provider: list[FakeProvider] = []


def provider() -> FakeProvider:
    """The one of this process; it remembers in a file beside the database, or under ``var/`` where that is a server."""
    with _lock:
        if not _provider:
            _provider.append(FakeProvider(clock.now, path=_folder() / FILE, find_price=find_price))
        return _provider[0]


def _folder() -> Path:
    database = settings.DATABASES["default"]
    beside = Path(database["NAME"]).parent if database["ENGINE"].endswith("sqlite3") else settings.BASE_DIR / "var"
    return Path(beside)


def use(other: FakeProvider | None) -> None:
    """Let this process speak to another one; None: to its own again."""
    with _lock:
        _provider[:] = [other] if other else []


def fake_stripe() -> StripeConnector:
    """The connector that is chosen where ``BILLING_FAKE_PROVIDER`` is on."""
    return provider().connector()


def find_price(price_id: str) -> Data | None:
    """What our catalog says a price of this id costs: whoever authors in the demo needs no second place to do so."""
    plan = Plan.objects.filter(checkout_provider_price_id=price_id, checkout_unit_amount_minor__gt=0).first()
    if plan is not None and plan.checkout_interval:
        return {
            "amount_minor": plan.checkout_unit_amount_minor,
            "currency": plan.checkout_currency or "eur",
            "interval": plan.checkout_interval,
            "interval_count": plan.checkout_interval_count,
            "name": plan.name,
        }
    product = Product.objects.filter(provider_price_id=price_id, unit_amount_minor__gt=0).first()
    if product is None:
        return None
    return {
        "amount_minor": product.unit_amount_minor,
        "currency": product.currency or "eur",
        "interval": product.price_interval or None,
        "name": product.name,
    }
