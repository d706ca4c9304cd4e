"""Subscriptions of the fake provider: opened by a checkout, changed by the API, cancelled, paid or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from billing.payments.fake import catalog, customers, invoices
from billing.payments.fake.forms import number
from billing.payments.fake.months import after
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World, instant, listing, with_metadata

OVER: Final = frozenset({"canceled", "incomplete_expired"})
DAY: Final = timedelta(days=1)


def open_one(
    world: World, *, customer_id: str, price_id: str, quantity: int, trial_days: int, metadata: Data, card: str | None
) -> tuple[Data, Data]:
    """
    A subscription and its first invoice, which is paid at once; in a trial it is about nothing.

    :raises Refused: the card cannot be charged.
    """
    price = catalog.get_price(world, price_id)
    if price["recurring"] is None:
        raise Refused(400, "The price specified is set to `type=one_time`.", code="parameter_invalid_string_empty")
    now = world.now()
    ends = now + trial_days * DAY if trial_days else after(now, price["recurring"], 1)
    subscription = world.make("sub", "subscription", _fields(customer_id, price, now, trial_days, metadata, card))
    subscription["items"] = listing([_item(world, subscription["id"], price, quantity, now, ends)])
    world.emit("customer.subscription.created", world.store.put(subscription))
    amount = 0 if trial_days else price["unit_amount"] * quantity
    period = (int(now.timestamp()), int(ends.timestamp()))
    bill = invoices.line(world, subscription, price, amount=amount, period=period, proration=False)
    invoice = invoices.draft(world, subscription, [bill], reason="subscription_create")
    if amount and not customers.charges(world, card):
        raise customers.declined()
    subscription |= {"latest_invoice": invoice["id"], "status": "trialing" if trial_days else "active"}
    world.store.put(subscription)
    invoice = invoices.collect(world, invoice)
    world.emit("customer.subscription.updated", subscription, previous={"status": "incomplete"})
    return subscription, invoice


def _fields(customer_id: str, price: Data, now: datetime, trial_days: int, metadata: Data, card: str | None) -> Data:
    starts = int(now.timestamp())
    trial_end = int((now + trial_days * DAY).timestamp()) if trial_days else None
    return {
        "customer": customer_id,
        "status": "incomplete",
        "currency": price["currency"],
        "collection_method": "charge_automatically",
        "billing_cycle_anchor": trial_end or starts,
        "start_date": starts,
        "trial_start": starts if trial_days else None,
        "trial_end": trial_end,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "ended_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "default_payment_method": card,
        "latest_invoice": None,
        "metadata": metadata,
    }


def _item(world: World, subscription_id: str, price: Data, quantity: int, starts: datetime, ends: datetime) -> Data:
    return {
        "id": subscription_id.replace("sub_", "si_"),
        "object": "subscription_item",
        "created": world.seconds(),
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "current_period_start": int(starts.timestamp()),
        "current_period_end": int(ends.timestamp()),
    }


def find(world: World, params: Data) -> Data:
    """Newest first; without ``status`` those that are over are left out."""
    found = [
        each for each in world.store.all("subscription") if each["customer"] == params.get("customer", each["customer"])
    ]
    wanted = params.get("status")
    if wanted != "all":
        found = [each for each in found if (each["status"] == wanted if wanted else each["status"] not in OVER)]
    return listing(found[::-1], "/v1/subscriptions")


def living(world: World, subscription_id: str) -> Data:
    """:raises Refused: there is none, or it is over: Stripe does not know it any more."""
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] in OVER:
        raise Refused(404, f"No such subscription: '{subscription_id}'", code="resource_missing", param="id")
    return subscription


def update(world: World, subscription_id: str, params: Data) -> Data:
    """
    Price, booked end, card and metadata.

    :raises Refused: there is no such thing, or what it costs now cannot be charged.
    """
    before = living(world, subscription_id)
    subscription = with_metadata(before, params.get("metadata"))
    if "cancel_at_period_end" in params:
        booked = params["cancel_at_period_end"] == "true"
        reason = "cancellation_requested" if booked else None
        subscription |= {
            "cancel_at_period_end": booked,
            "cancel_at": period_of(subscription)[1] if booked else None,
            "canceled_at": (before["canceled_at"] or world.seconds()) if booked else None,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
    if "default_payment_method" in params:
        card = world.get("payment_method", params["default_payment_method"], param="default_payment_method")
        subscription["default_payment_method"] = card["id"]
    for each in params.get("items", []):
        subscription = _repriced(world, subscription, each, params)
    world.emit("customer.subscription.updated", world.store.put(subscription), previous={})
    return subscription


def _repriced(world: World, subscription: Data, wanted: Data, params: Data) -> Data:
    """Another price for the one item; with ``always_invoice`` the difference is charged now, or nothing changes."""
    item = dict(subscription["items"]["data"][0])
    if wanted.get("id") != item["id"]:
        raise Refused(400, f"Invalid subscription item id: {wanted.get('id')}", param="items[0][id]")
    old, price = item["price"], catalog.get_price(world, wanted["price"], param="items[0][price]")
    if price["recurring"] is None:
        raise Refused(400, "The price specified is set to `type=one_time`.", param="items[0][price]")
    item["price"], item["quantity"] = price, number(wanted.get("quantity"), item["quantity"])
    starts_anew = price["recurring"] != old["recurring"]
    if starts_anew:
        now = world.now()
        item["current_period_start"] = subscription["billing_cycle_anchor"] = int(now.timestamp())
        item["current_period_end"] = int(after(now, price["recurring"], 1).timestamp())
    changed = {**subscription, "items": listing([item])}
    charged = params.get("proration_behavior") == "always_invoice" and subscription["status"] == "active"
    if (charged or starts_anew) and old["id"] != price["id"]:
        world.store.put(changed)
        invoice = invoices.draft(
            world, changed, _difference(world, subscription, changed), reason="subscription_update"
        )
        if invoice["amount_due"] and not customers.charges(world, invoices.card_of(world, invoice)):
            raise customers.declined()
        changed["latest_invoice"] = invoices.collect(world, invoice)["id"]
    return changed


def _difference(world: World, before: Data, changed: Data) -> list[Data]:
    """What is left of the old price back, and the new one for what is left of the period, or for a new one."""
    was, item = before["items"]["data"][0], changed["items"]["data"][0]
    now, ends = world.seconds(), was["current_period_end"]
    length = ends - was["current_period_start"]
    back = was["price"]["unit_amount"] * was["quantity"] * max(ends - now, 0) // length
    whole = item["current_period_end"] != ends
    cost = item["price"]["unit_amount"] * item["quantity"]
    due = cost if whole else cost * max(ends - now, 0) // length
    new = (now, item["current_period_end"])
    return [
        invoices.line(world, before, was["price"], amount=-back, period=(now, ends), proration=True),
        invoices.line(world, changed, item["price"], amount=due, period=new, proration=not whole),
    ]


def cancel(world: World, subscription_id: str, params: Data | None = None) -> Data:
    """Now, and nothing is given back."""
    return end(world, living(world, subscription_id), reason="cancellation_requested")


def end(world: World, subscription: Data, *, reason: str, status: str = "canceled") -> Data:
    """It is over."""
    over = {
        "status": status,
        "canceled_at": subscription["canceled_at"] or world.seconds(),
        "ended_at": world.seconds(),
        "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
    }
    subscription = world.store.put({**subscription, **over})
    for invoice in world.store.all("invoice", customer=subscription["customer"]):
        if invoices.subscription_of(invoice) == subscription["id"]:
            invoices.void(world, invoice)
    world.emit("customer.subscription.deleted", subscription)
    return subscription


def stand(world: World, subscription: Data, status: str) -> Data:
    """It stands otherwise from now on."""
    previous: dict[str, Any] = {"status": subscription["status"]}
    subscription = world.store.put({**subscription, "status": status})
    world.emit("customer.subscription.updated", subscription, previous=previous)
    return subscription


def period_of(subscription: Data) -> tuple[int, int]:
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def roll(world: World, subscription: Data) -> Data:
    """Begin the next period and bill it. The subscription tells first; its invoice follows, later where habits say so."""
    item = dict(subscription["items"]["data"][0])
    starts, previous = item["current_period_end"], subscription["status"]
    anchor, price = instant(subscription["billing_cycle_anchor"]), item["price"]
    count = 1
    while int(after(anchor, price["recurring"], count).timestamp()) <= starts:
        count += 1
    item["current_period_start"] = starts
    item["current_period_end"] = int(after(anchor, price["recurring"], count).timestamp())
    subscription["items"] = listing([item])
    subscription["status"] = "active" if previous == "trialing" else previous
    amount, period = price["unit_amount"] * item["quantity"], (starts, item["current_period_end"])
    bill = invoices.line(world, subscription, price, amount=amount, period=period, proration=False)
    invoice = invoices.draft(world, subscription, [bill], reason="subscription_cycle")
    subscription = world.store.put({**subscription, "latest_invoice": invoice["id"]})
    world.emit("customer.subscription.updated", subscription, previous={"status": previous})
    return subscription
