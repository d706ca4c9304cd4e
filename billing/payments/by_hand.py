"""
What operators do about payments, from the console and over HTTP alike: which provider is asked, and what would come of it.

The deeds themselves are in ``adjustments`` and ``purchases``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from billing.entitlements.deeds import Deed, once
from billing.entitlements.manual import ByHand, check_by, note
from billing.entitlements.scheduled import perform
from billing.models import Purchase, PurchaseAdjustment
from billing.payments import adjustments
from billing.payments.connectors.base import OperationNotSupported, PaymentConnector
from billing.payments.connectors.choosing import connector_named
from mozaiks.kit.errors import Conflict, NotFound

LOOKED_AT: Final = "purchase.looked_at"


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


def looked_at(purchase: Purchase, *, by: ByHand, operation_key: str, now: datetime) -> Deed:
    """
    Take the flag from a purchase: an operator has looked at it. The same key again changes nothing.

    :raises Conflict: there is no flag. :raises Invalid: a reason or a name is missing.
    """
    check_by(by)

    def work() -> dict[str, object]:
        locked = Purchase.objects.select_for_update().get(pk=purchase.pk)
        if not locked.flag:
            raise Conflict("Nothing of this purchase waits to be looked at.")
        payload: dict[str, object] = {"purchase": locked.pk, "flag": locked.flag, "key": operation_key}
        locked.flag, locked.updated_at = "", now
        locked.save(update_fields=["flag", "updated_at"])
        note(locked.billable_entity, LOOKED_AT, by=by, now=now, payload=payload)
        return payload

    content = {"purchase": purchase.pk}
    return once(purchase.billable_entity, LOOKED_AT, operation_key=operation_key, content=content, work=work, now=now)
