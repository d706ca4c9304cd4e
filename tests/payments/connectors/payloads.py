"""Objects as Stripe's own documentation shows them, cut to what we read, in the shape of 2026 and in that of 2022."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing.payments.connectors.facts import Fact, ProviderEvent
from billing.payments.connectors.stripe.translating import translate
from tests import NOON

Data = dict[str, Any]

START = int(NOON.timestamp())
END = int(NOON.replace(month=3).timestamp())
LABELS = {
    "mozaiks_entity_id": "7",
    "mozaiks_operation_key": "operation-1",
    "mozaiks_plan": "pro",
    "mozaiks_price": "price_pro",
    "mozaiks_quantity": "1",
}
PRICE = {"id": "price_pro", "object": "price", "recurring": {"interval": "month", "interval_count": 1}}
PACK_LABELS = {**LABELS, "mozaiks_product": "pack", "mozaiks_price": "price_pack", "mozaiks_quantity": "3"}


def facts(name: str, data: Data, *, at: datetime = NOON) -> list[Fact]:
    """What an event of this name about ``data`` says."""
    payload = {"id": "evt_1", "object": "event", "type": name, "created": int(at.timestamp()), "data": {"object": data}}
    event = ProviderEvent(provider="stripe", event_id="evt_1", name=name, created_at=at, payload=payload)
    return list(translate(event))


def the_list(*data: Data) -> Data:
    return {"object": "list", "data": list(data), "has_more": False}


def subscription_now(**more: Any) -> Data:
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "price": PRICE,
        "quantity": 1,
        "current_period_start": START,
        "current_period_end": END,
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "items": the_list(item),
        "cancel_at_period_end": False,
        "cancel_at": None,
        "canceled_at": None,
        "ended_at": None,
        "trial_end": None,
        "cancellation_details": {"reason": None},
        "metadata": LABELS,
        **more,
    }


def subscription_then(**more: Any) -> Data:
    item = {"id": "si_1", "object": "subscription_item", "price": PRICE, "plan": {"id": "price_pro"}, "quantity": 1}
    now = subscription_now()
    now.pop("cancellation_details")
    return {**now, "items": the_list(item), "current_period_start": START, "current_period_end": END, **more}


def invoice_now(**more: Any) -> Data:
    line = {
        "id": "il_1",
        "object": "line_item",
        "amount": 1900,
        "description": "1 × Pro",
        "quantity": 1,
        "period": {"start": START, "end": END},
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription": "sub_1", "subscription_item": "si_1", "proration": False},
        },
        "pricing": {"type": "price_details", "price_details": {"price": "price_pro", "product": "prod_1"}},
    }
    return {
        "id": "in_1",
        "object": "invoice",
        "customer": "cus_1",
        "currency": "eur",
        "status": "paid",
        "amount_due": 1900,
        "amount_paid": 1900,
        "billing_reason": "subscription_cycle",
        "lines": the_list(line),
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": "sub_1", "metadata": LABELS},
        },
        "status_transitions": {"finalized_at": START, "paid_at": START + 60},
        "metadata": {},
        **more,
    }


def invoice_then(**more: Any) -> Data:
    line = {
        "id": "il_1",
        "object": "line_item",
        "amount": 1900,
        "description": "1 × Pro",
        "quantity": 1,
        "period": {"start": START, "end": END},
        "type": "subscription",
        "subscription": "sub_1",
        "subscription_item": "si_1",
        "proration": False,
        "price": PRICE,
        "metadata": LABELS,
    }
    now = invoice_now()
    now.pop("parent")
    return {**now, "subscription": "sub_1", "payment_intent": "pi_1", "charge": "ch_1", "lines": the_list(line), **more}


def session(**more: Any) -> Data:
    """A checkout of three packs, paid by card."""
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 2700,
        "currency": "eur",
        "customer": "cus_1",
        "client_reference_id": "7",
        "invoice": None,
        "payment_intent": "pi_1",
        "subscription": None,
        "metadata": PACK_LABELS,
        **more,
    }


def intent(**more: Any) -> Data:
    """The payment of :func:`session`."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 2700,
        "amount_received": 2700,
        "currency": "eur",
        "customer": "cus_1",
        "latest_charge": "ch_1",
        "status": "succeeded",
        "metadata": PACK_LABELS,
        **more,
    }


def refund(**more: Any) -> Data:
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 900,
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "created": START,
        "currency": "eur",
        "reason": "requested_by_customer",
        "status": "succeeded",
        **more,
    }


def dispute(**more: Any) -> Data:
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": 2700,
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "created": START,
        "currency": "eur",
        "reason": "fraudulent",
        "status": "needs_response",
        **more,
    }
