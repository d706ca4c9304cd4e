"""What the fake provider's objects looked like in 2022: for events of accounts that have kept their old version."""

from __future__ import annotations

from billing.payments.fake import invoices
from billing.payments.fake.store import Data
from billing.payments.fake.world import World, listing


def older(world: World, data: Data) -> Data:
    """``data`` as version 2022-08-01 told it."""
    shape = SHAPES.get(data["object"])
    return shape(world, data) if shape else data


def _subscription(world: World, data: Data) -> Data:
    item = dict(data["items"]["data"][0])
    starts, ends = item.pop("current_period_start"), item.pop("current_period_end")
    told = {key: value for key, value in data.items() if key != "cancellation_details"}
    return {**told, "items": listing([item]), "current_period_start": starts, "current_period_end": ends}


def _invoice(world: World, data: Data) -> Data:
    payments = invoices.payments_of(world, data["id"])
    told = {key: value for key, value in data.items() if key not in {"parent", "lines"}}
    return {
        **told,
        "subscription": invoices.subscription_of(data),
        "payment_intent": payments[0]["payment"]["payment_intent"] if payments else None,
        "paid": data["status"] == "paid",
        "lines": listing([_line(world, each) for each in data["lines"]["data"]]),
    }


def _line(world: World, data: Data) -> Data:
    details = data["parent"]["subscription_item_details"]
    told = {key: value for key, value in data.items() if key not in {"parent", "pricing"}}
    return {
        **told,
        "type": "subscription",
        "subscription": details["subscription"],
        "subscription_item": details["subscription_item"],
        "proration": details["proration"],
        "price": world.store.get(data["pricing"]["price_details"]["price"]),
    }


def _payment_intent(world: World, data: Data) -> Data:
    found = [each["invoice"] for each in world.store.all("invoice_payment") if _pays(each, data["id"])]
    return {**data, "invoice": found[0] if found else None}


def _pays(payment: Data, intent_id: str) -> bool:
    return bool(payment["payment"]["payment_intent"] == intent_id)


def _charge(world: World, data: Data) -> Data:
    return {**data, "refunds": listing(world.store.all("refund", charge=data["id"])[::-1])}


SHAPES = {
    "subscription": _subscription,
    "invoice": _invoice,
    "payment_intent": _payment_intent,
    "charge": _charge,
}
