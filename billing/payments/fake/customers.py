"""Customers of the fake provider and their cards."""

from __future__ import annotations

from typing import Any, Final

from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World, listing, with_metadata

#: Numbers a tester types, and what becomes of them: Stripe's own test cards.
WORKS: Final = "4242424242424242"
DECLINED: Final = "4000000000000002"
FAILS_LATER: Final = "4000000000000341"
CARDS: Final = {WORKS: "visa", "5555555555554444": "mastercard", DECLINED: "visa", FAILS_LATER: "visa"}


def create(world: World, params: Data) -> Data:
    fields = {"email": params.get("email"), "name": params.get("name"), "invoice_settings": NO_DEFAULT}
    customer = with_metadata(world.make("cus", "customer", fields), params.get("metadata"))
    return world.store.put(customer)


NO_DEFAULT: Final[Data] = {"default_payment_method": None}


def update(world: World, customer_id: str, params: Data) -> Data:
    """Only what the console changes: default card, email, metadata."""
    customer = with_metadata(world.get("customer", customer_id), params.get("metadata"))
    wanted = params.get("invoice_settings", {}).get("default_payment_method")
    if wanted:
        _require_attached(world, wanted, customer_id)
        customer["invoice_settings"] = {"default_payment_method": wanted}
    if "email" in params:
        customer["email"] = params["email"]
    world.emit("customer.updated", customer)
    return world.store.put(customer)


def add_card(world: World, customer_id: str, number: str) -> Data:
    """
    A card the customer keeps; the first one is charged from then on.

    :raises Refused: it is no card of ours, or declined at once.
    """
    digits = "".join(character for character in number if character.isdigit())
    if digits not in CARDS:
        raise Refused(402, "Your card number is incorrect.", kind="card_error", code="incorrect_number")
    if digits == DECLINED:
        raise declined()
    for kept in world.store.all("payment_method", customer=customer_id):
        if kept["number"] == digits:
            return kept
    card = {"brand": CARDS[digits], "last4": digits[-4:], "exp_month": 12, "exp_year": 2040, "funding": "credit"}
    fields = {"type": "card", "card": card, "customer": customer_id, "number": digits}
    method = world.make("pm", "payment_method", fields)
    customer = world.get("customer", customer_id)
    if not customer["invoice_settings"]["default_payment_method"]:
        customer["invoice_settings"] = {"default_payment_method": method["id"]}
        world.store.put(customer)
    world.emit("payment_method.attached", public(method))
    return method


def declined() -> Refused:
    return Refused(
        402, "Your card was declined.", kind="card_error", code="card_declined", decline_code="generic_decline"
    )


def methods(world: World, customer_id: str) -> Data:
    world.get("customer", customer_id, param="customer")
    found = [public(each) for each in world.store.all("payment_method", customer=customer_id)]
    return listing(found[::-1], f"/v1/customers/{customer_id}/payment_methods")


def detach(world: World, method_id: str) -> Data:
    method = world.get("payment_method", method_id)
    customer = world.get("customer", method["customer"]) if method["customer"] else None
    if customer is None:
        raise Refused(400, "The payment method is not attached to a customer.")
    if customer["invoice_settings"]["default_payment_method"] == method_id:
        customer["invoice_settings"] = NO_DEFAULT
        world.store.put(customer)
    world.emit("payment_method.detached", public(method))
    return public(world.store.put({**method, "customer": None}))


def charges(world: World, method_id: str | None) -> bool:
    """Whether a card can be charged."""
    method = world.store.get(method_id) if method_id else None
    return bool(method and method["customer"] and method["number"] != FAILS_LATER)


def public(method: Data) -> Data:
    """A card as Stripe shows it: never its number."""
    return {key: value for key, value in method.items() if key != "number"}


def _require_attached(world: World, method_id: str, customer_id: str) -> None:
    method: Any = world.get("payment_method", method_id, param="invoice_settings[default_payment_method]")
    if method["customer"] != customer_id:
        raise Refused(400, "The customer does not have a payment method with this ID.", code="resource_missing")
