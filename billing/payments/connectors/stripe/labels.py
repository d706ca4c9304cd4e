"""The metadata our side leaves on Stripe's objects, by which its events find their way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from billing.payments.connectors.base import CheckoutOrder

ENTITY: Final = "mozaiks_entity_id"
OPERATION: Final = "mozaiks_operation_key"
PLAN: Final = "mozaiks_plan"
PRODUCT: Final = "mozaiks_product"
PRICE: Final = "mozaiks_price"
QUANTITY: Final = "mozaiks_quantity"
#: A cheaper price was booked: until then (seconds since 1970) this one is kept.
KEEPS_PRICE: Final = "mozaiks_keeps_price"
KEEPS_UNTIL: Final = "mozaiks_keeps_until"
LARGEST_ID: Final = 2**63 - 1


def labels_of(order: CheckoutOrder) -> dict[str, str]:
    """What an order is labelled with; a caller's own metadata cannot take the place of ours."""
    ours = {
        ENTITY: str(order.entity_id),
        OPERATION: order.operation_key,
        PLAN: order.plan_code,
        PRODUCT: order.product_code,
        PRICE: order.price_id,
        QUANTITY: str(order.quantity),
    }
    theirs = {key: value for key, value in order.metadata.items() if not key.startswith("mozaiks_")}
    return {**theirs, **{key: value for key, value in ours.items() if value}}


def metadata_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The texts of an object's metadata."""
    found = data.get("metadata")
    if not isinstance(found, Mapping):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def number_in(metadata: Mapping[str, str], key: str) -> int | None:
    """A positive whole number; anybody who works in the account can write anything here."""
    text = metadata.get(key, "")
    if text.isascii() and text.isdigit() and 0 < len(text) <= 19 and 0 < int(text) <= LARGEST_ID:
        return int(text)
    return None
