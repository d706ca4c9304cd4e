"""Prices of the fake provider: given by a test, or found in our own catalog by the id that stands there."""

from __future__ import annotations

from billing.payments.fake.store import Data
from billing.payments.fake.world import World


def price(
    world: World,
    price_id: str,
    *,
    amount_minor: int,
    currency: str = "eur",
    interval: str | None = None,
    interval_count: int = 1,
    name: str = "",
) -> Data:
    """A price under an id of the caller's choosing; ``interval`` None is paid once."""
    product = {"id": f"prod_of_{price_id}", "object": "product", "name": name or price_id, "active": True}
    world.store.put({**product, "metadata": {}, "livemode": False, "created": world.seconds()})
    recurring = {"interval": interval, "interval_count": interval_count, "usage_type": "licensed"} if interval else None
    return world.store.put(
        {
            "id": price_id,
            "object": "price",
            "active": True,
            "unit_amount": amount_minor,
            "currency": currency.lower(),
            "recurring": recurring,
            "type": "recurring" if recurring else "one_time",
            "product": product["id"],
            "metadata": {},
            "livemode": False,
            "created": world.seconds(),
        }
    )


def get_price(world: World, price_id: str, *, param: str = "id") -> Data:
    """:raises Refused: nobody has heard of it. What our catalog says now is what it costs now."""
    found = world.find_price(price_id)
    if found is not None:
        return price(world, price_id, **found)
    return world.get("price", price_id, param=param)


def name_of(world: World, price_data: Data) -> str:
    product = world.store.get(price_data["product"])
    return str(product["name"]) if product else str(price_data["id"])
