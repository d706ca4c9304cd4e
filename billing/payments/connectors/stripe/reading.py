"""Fields of Stripe's objects, as plain JSON, read without trusting that they are there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from billing.payments.connectors.facts import Whose
from billing.payments.connectors.stripe import labels

Data = Mapping[str, Any]
#: The year 10000, in seconds since 1970.
END_OF_TIME: Final = 253_402_300_800


def within(data: Data, *path: str) -> Data:
    """The object at the end of ``path``; an empty one where something is missing."""
    for key in path:
        found = data.get(key)
        if not isinstance(found, Mapping):
            return {}
        data = found
    return data


def listed(data: Data, key: str) -> list[Data]:
    """The objects of one of Stripe's lists."""
    found = within(data, key).get("data")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def id_of(data: Data, key: str) -> str | None:
    """An id, which may have been expanded to its object."""
    found = data.get(key)
    if isinstance(found, Mapping):
        found = found.get("id")
    return found if isinstance(found, str) and found else None


def text(data: Data, key: str) -> str:
    found = data.get(key)
    return found if isinstance(found, str) else ""


def whole(data: Data, key: str) -> int | None:
    found = data.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def instant(data: Data, key: str) -> datetime | None:
    """Seconds since 1970, where a calendar knows them."""
    seconds = whole(data, key)
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds is not None and 0 <= seconds < END_OF_TIME else None


def currency(data: Data) -> str:
    return text(data, "currency").upper()


def payment_of(data: Data) -> str | None:
    """The payment intent; of payments without one, the charge."""
    return id_of(data, "payment_intent") or id_of(data, "charge")


def whose(data: Data, metadata: Mapping[str, str], *, subscription_id: str | None = None) -> Whose:
    """Everything an object says about whose it is."""
    return Whose(
        entity_id=labels.number_in(metadata, labels.ENTITY),
        customer_id=id_of(data, "customer"),
        subscription_id=subscription_id,
    )
