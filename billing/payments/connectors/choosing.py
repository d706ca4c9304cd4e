"""Which connector takes payments: named in the settings, or told by the keys that are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from django.conf import settings
from django.utils.module_loading import import_string

from billing.payments.connectors.base import PaymentConnector
from mozaiks.kit.errors import NotFound

ROOM: Final = "billing.payments.connectors"
FAKE: Final = "billing.payments.fake.connecting.fake_stripe"
#: Makers of the connectors that come with the house, by the name events arrive under. Imported when they are asked for.
KNOWN: Final = {
    "mock": f"{ROOM}.mock.from_settings",
    "managed": f"{ROOM}.managed.from_settings",
    "stripe": f"{ROOM}.stripe.connector.from_settings",
}


def connector() -> PaymentConnector:
    """The connector of this installation. :raises ImportError: ``BILLING_CONNECTOR`` leads nowhere."""
    return _make(settings.BILLING_CONNECTOR or _maker_of(_by_keys()))


def connector_named(provider: str) -> PaymentConnector:
    """
    The connector whose events arrive under this name, also where payments are taken by another by now.

    :raises NotFound: there is none.
    """
    chosen = connector()
    if chosen.name == provider:
        return chosen
    if provider not in KNOWN:
        raise NotFound(f"There is no payment provider “{provider[:32]}”.")
    return _make(_maker_of(provider))


def _by_keys() -> str:
    if settings.STRIPE_SECRET_KEY or settings.BILLING_FAKE_PROVIDER:
        return "stripe"
    return "managed" if settings.MOZAIKS_GATEWAY_BASE_URL else "mock"


def _maker_of(provider: str) -> str:
    return FAKE if provider == "stripe" and settings.BILLING_FAKE_PROVIDER else KNOWN[provider]


def _make(path: str) -> PaymentConnector:
    """A connector from the dotted path of its class, or of a function that makes it."""
    maker = cast("Callable[[], PaymentConnector]", import_string(path))
    return maker()
