"""
What operators do about payments, from the console and over HTTP alike: which provider is asked, and what would come of it.

The deeds themselves are in ``adjustments`` and ``purchases``.
"""

from __future__ import annotations

from datetime import datetime

from billing.entitlements.scheduled import perform
from billing.models import Purchase, PurchaseAdjustment
from billing.payments import adjustments
from billing.payments.connectors.base import OperationNotSupported, PaymentConnector
from billing.payments.connectors.choosing import connector_named
from mozaiks.kit.errors import NotFound


def provider_of(provider: str) -> PaymentConnector:
    """The connector of a payment or subscription made before. :raises OperationNotSupported: nobody speaks to it any more."""
    try:
        return connector_named(provider)
    except NotFound:
        raise OperationNotSupported(f"Nothing here speaks to the payment provider “{provider}” any more.") from None


def foresee_refund(purchase: Purchase, *, amount_minor: int | None, now: datetime) -> PurchaseAdjustment:
    """
    What ``adjustments.refund`` would do where the provider accepts it. The provider is not asked; the caller rolls it back.

    Errors: those of ``adjustments.refund`` that are ours.
    """
    return perform(lambda: adjustments.refund_accepted(purchase, amount_minor=amount_minor, now=now), now=now)
