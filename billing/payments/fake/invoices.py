"""Invoices of the fake provider, what is charged for them, and payments that have no invoice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from billing.payments.fake import catalog, customers
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World, instant, listing

DAY = timedelta(days=1)


def line(
    world: World, subscription: Data, price: Data, *, amount: int, period: tuple[int, int], proration: bool
) -> Data:
    """A line for one price of a subscription; a negative amount gives back."""
    item = subscription["items"]["data"][0]
    return {
        "id": f"il_{item['id']}_{price['id']}_{period[0]}_{amount}",
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"{item['quantity']} × {catalog.name_of(world, price)}",
        "metadata": subscription["metadata"],
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {
                "subscription": subscription["id"],
                "subscription_item": item["id"],
                "proration": proration,
            },
        },
        "period": {"start": period[0], "end": period[1]},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "quantity": item["quantity"],
    }


def draft(world: World, subscription: Data, lines: list[Data], *, reason: str) -> Data:
    """An invoice that nobody has been asked to pay yet. What is given back beyond it is not paid out."""
    total = sum(each["amount"] for each in lines)
    fields = {
        "customer": subscription["customer"],
        "currency": subscription["currency"],
        "status": "draft",
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "total": total,
        "amount_due": max(total, 0),
        "amount_paid": 0,
        "amount_remaining": max(total, 0),
        "attempt_count": 0,
        "attempted": False,
        "next_payment_attempt": None,
        "period_start": min(each["period"]["start"] for each in lines),
        "period_end": max(each["period"]["end"] for each in lines),
        "lines": listing(lines),
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "subscription": subscription["id"],
                "metadata": subscription["metadata"],
            },
        },
        "status_transitions": {"finalized_at": None, "paid_at": None},
        "automatically_finalizes_at": int((world.now() + world.habits.invoices_after).timestamp()),
    }
    return world.make("in", "invoice", fields)


def subscription_of(invoice: Data) -> str:
    identity: str = invoice["parent"]["subscription_details"]["subscription"]
    return identity


def collect(world: World, invoice: Data) -> Data:
    """Finalize and charge. A failed charge leaves the invoice open, to be tried again."""
    if invoice["status"] == "draft":
        invoice["status_transitions"]["finalized_at"] = world.seconds()
        invoice["status"] = "open"
        world.emit("invoice.finalized", world.store.put(invoice))
    card = card_of(world, invoice)
    invoice["attempted"], invoice["attempt_count"] = True, invoice["attempt_count"] + 1
    if invoice["amount_due"] == 0:
        return _paid(world, invoice)
    payment = _payment_of(world, invoice)
    if customers.charges(world, card):
        world.store.put({**payment, "payment_method": card})
        succeed(world, payment["id"])
        return _paid(world, invoice)
    return _unpaid(world, invoice, payment)


def card_of(world: World, invoice: Data) -> str | None:
    """The subscription's own card, else the customer's."""
    subscription = world.store.get(subscription_of(invoice)) or {}
    customer = world.get("customer", invoice["customer"])
    own: str | None = subscription.get("default_payment_method")
    return own or customer["invoice_settings"]["default_payment_method"]


def _paid(world: World, invoice: Data) -> Data:
    invoice |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0}
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["paid_at"] = world.seconds()
    world.store.put(invoice)
    for each in world.store.all("invoice_payment", invoice=invoice["id"]):
        paid = {"status": "paid", "amount_paid": invoice["amount_paid"]}
        world.store.put({**each, **paid, "status_transitions": {"paid_at": world.seconds()}})
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    return invoice


def _unpaid(world: World, invoice: Data, payment: Data) -> Data:
    fail(world, payment["id"])
    tried, days = invoice["attempt_count"], world.habits.retry_days
    first = invoice["status_transitions"]["finalized_at"]
    later = int((instant(first) + days[tried - 1] * DAY).timestamp()) if tried <= len(days) else None
    invoice["next_payment_attempt"] = later
    world.store.put(invoice)
    world.emit("invoice.payment_failed", invoice)
    return invoice


def _payment_of(world: World, invoice: Data) -> Data:
    """The payment intent of an invoice, the same at every attempt."""
    found = payments_of(world, invoice["id"])
    if found:
        return world.get("payment_intent", found[0]["payment"]["payment_intent"])
    payment = intent(world, amount=invoice["amount_due"], currency=invoice["currency"], customer=invoice["customer"])
    world.make(
        "inpay",
        "invoice_payment",
        {
            "invoice": invoice["id"],
            "payment": {"type": "payment_intent", "payment_intent": payment["id"]},
            "is_default": True,
            "status": "open",
            "amount_requested": invoice["amount_due"],
            "amount_paid": None,
            "currency": invoice["currency"],
            "status_transitions": {"paid_at": None},
        },
    )
    return payment


def payments_of(world: World, invoice_id: str) -> list[Data]:
    return world.store.all("invoice_payment", invoice=invoice_id)


def retrieve(world: World, invoice_id: str, params: Data) -> Data:
    """Its payments are told to who asks for them (``expand``)."""
    invoice = world.get("invoice", invoice_id)
    if "payments" in params.get("expand", []):
        return {**invoice, "payments": listing(payments_of(world, invoice_id), "/v1/invoice_payments")}
    return invoice


def list_payments(world: World, params: Data) -> Data:
    """By invoice or by payment intent, as the SDK asks."""
    wanted = params.get("payment", {}).get("payment_intent")
    found = world.store.all("invoice_payment")
    if "invoice" in params:
        found = [each for each in found if each["invoice"] == params["invoice"]]
    if wanted:
        found = [each for each in found if each["payment"]["payment_intent"] == wanted]
    return listing(found, "/v1/invoice_payments")


def intent(world: World, *, amount: int, currency: str, customer: str | None, metadata: Any = None) -> Data:
    """A payment that has not been made yet."""
    fields = {
        "amount": amount,
        "amount_received": 0,
        "currency": currency,
        "customer": customer,
        "status": "requires_payment_method",
        "latest_charge": None,
        "payment_method": None,
        "last_payment_error": None,
        "metadata": dict(metadata or {}),
    }
    return world.make("pi", "payment_intent", fields)


def succeed(world: World, payment_id: str) -> Data:
    """The money has arrived."""
    payment = world.get("payment_intent", payment_id)
    charge = world.make(
        "ch",
        "charge",
        {
            "amount": payment["amount"],
            "amount_captured": payment["amount"],
            "amount_refunded": 0,
            "refunded": False,
            "disputed": False,
            "paid": True,
            "captured": True,
            "status": "succeeded",
            "currency": payment["currency"],
            "customer": payment["customer"],
            "payment_intent": payment_id,
            "metadata": payment["metadata"],
        },
    )
    done = {"status": "succeeded", "amount_received": payment["amount"], "latest_charge": charge["id"]}
    payment = world.store.put({**payment, **done, "last_payment_error": None})
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", payment)
    return payment


def fail(world: World, payment_id: str) -> Data:
    """The card was declined."""
    payment = world.get("payment_intent", payment_id)
    error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
    payment = world.store.put({**payment, "status": "requires_payment_method", "last_payment_error": error})
    world.emit("payment_intent.payment_failed", payment)
    return payment


def void(world: World, invoice: Data) -> None:
    """It is not asked for any more."""
    if invoice["status"] in {"draft", "open"}:
        world.emit("invoice.voided", world.store.put({**invoice, "status": "void", "next_payment_attempt": None}))


def require_open(invoice: Data) -> None:
    if invoice["status"] != "open":
        raise Refused(400, "Invoice is already paid", code="invoice_not_open")
