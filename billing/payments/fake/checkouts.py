"""The fake provider's pages: checkout sessions, payment links, the portal; and what a customer does on them."""

from __future__ import annotations

from typing import Any, Final

from billing.payments.fake import catalog, customers, invoices, subscriptions
from billing.payments.fake.forms import number
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World

DAY_SECONDS: Final = 24 * 60 * 60
HALF_HOUR: Final = 30 * 60
LENIENCY: Final = 60
PAGES: Final = "/pretend"


def create(world: World, params: Data) -> Data:
    """:raises Refused: what is to be sold, or whom to, is not there."""
    mode = params.get("mode", "payment")
    if mode not in {"payment", "subscription", "setup"}:
        raise Refused(400, f"Invalid mode: {mode}", param="mode")
    lines = _lines(world, params, mode)
    if customer := params.get("customer"):
        world.get("customer", customer, param="customer")
    expires = _expires(world, params)
    session = world.make("cs_test", "checkout.session", _fields(params, mode, lines, expires))
    session["url"] = f"{world.base_url}{PAGES}/checkout/{session['id']}"
    return public(world.store.put(session))


def _expires(world: World, params: Data) -> int:
    """As long as the caller asked for, who may not know how far this clock was moved. :raises Refused: too short or long."""
    now = world.seconds()
    asked = number(params.get("expires_at"), now + DAY_SECONDS)
    for clock in (now, int(world.clock().timestamp())):
        if HALF_HOUR - LENIENCY <= asked - clock <= DAY_SECONDS + LENIENCY:
            return now + asked - clock
    sentence = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
    raise Refused(400, sentence, param="expires_at")


def _fields(params: Data, mode: str, lines: list[Data], expires: int) -> Data:
    total = sum(each["price"]["unit_amount"] * each["quantity"] for each in lines)
    trial = number(params.get("subscription_data", {}).get("trial_period_days"))
    return {
        "mode": mode,
        "status": "open",
        "payment_status": "unpaid" if lines else "no_payment_required",
        "amount_subtotal": total if lines else None,
        "amount_total": (0 if trial else total) if lines else None,
        "currency": lines[0]["price"]["currency"] if lines else None,
        "customer": params.get("customer"),
        "customer_creation": params.get("customer_creation"),
        "customer_email": params.get("customer_email"),
        "client_reference_id": params.get("client_reference_id"),
        "success_url": params.get("success_url"),
        "cancel_url": params.get("cancel_url"),
        "expires_at": expires,
        "invoice": None,
        "payment_intent": None,
        "payment_link": params.get("payment_link"),
        "subscription": None,
        "metadata": params.get("metadata", {}),
        "asked": {
            "lines": lines,
            "trial_days": trial,
            "subscription_metadata": params.get("subscription_data", {}).get("metadata", {}),
            "payment_metadata": params.get("payment_intent_data", {}).get("metadata", {}),
        },
    }


def _lines(world: World, params: Data, mode: str) -> list[Data]:
    if mode == "setup":
        return []
    wanted = params.get("line_items", [])
    if not wanted:
        raise Refused(400, "You must provide `line_items`.", param="line_items")
    lines: list[Data] = [
        {
            "price": catalog.get_price(world, each.get("price", ""), param=f"line_items[{index}][price]"),
            "quantity": number(each.get("quantity"), 1),
        }
        for index, each in enumerate(wanted)
    ]
    recurring = any(line["price"]["recurring"] for line in lines)
    if recurring is not (mode == "subscription"):
        raise Refused(400, f"The prices given do not fit the mode `{mode}`.", param="line_items")
    return lines


def public(session: Data) -> Data:
    """A session as Stripe shows it; only an open one has a page."""
    shown = {key: value for key, value in session.items() if key != "asked"}
    return {**shown, "url": session["url"] if session["status"] == "open" else None}


def retrieve(world: World, session_id: str) -> Data:
    return public(world.get("checkout.session", session_id))


def expire(world: World, session_id: str) -> Data:
    """:raises Refused: it is not open."""
    session = world.get("checkout.session", session_id)
    if session["status"] != "open":
        raise Refused(400, f"Only Checkout Sessions with a status of open can be expired: {session['status']}.")
    return expire_now(world, session)


def expire_now(world: World, session: Data) -> Data:
    session = public(world.store.put({**session, "status": "expired"}))
    world.emit("checkout.session.expired", session)
    return session


def complete(world: World, session_id: str, *, card_number: str) -> Data:
    """
    The customer pays with a card.

    :raises Refused: the card is declined (the page stays open), or the page is closed.
    """
    session = world.get("checkout.session", session_id)
    if session["status"] != "open":
        raise Refused(400, "This page is closed.", code="session_closed")
    email = session["customer_email"]
    customer = session["customer"] or customers.create(world, {"email": email})["id"]
    card = customers.add_card(world, customer, card_number)["id"]
    finish = {"payment": _pay, "subscription": _subscribe, "setup": _set_up}[session["mode"]]
    session = world.store.put({**session, "customer": customer, **finish(world, session, customer, card)})
    session = world.store.put({**session, "status": "complete"})
    world.emit("checkout.session.completed", public(session))
    return session


def _pay(world: World, session: Data, customer: str, card: str) -> Data:
    if not customers.charges(world, card):
        raise customers.declined()
    asked = session["asked"]
    payment = invoices.intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer,
        metadata=asked["payment_metadata"],
    )
    world.store.put({**payment, "payment_method": card})
    invoices.succeed(world, payment["id"])
    return {"payment_intent": payment["id"], "payment_status": "paid"}


def _subscribe(world: World, session: Data, customer: str, card: str) -> Data:
    asked = session["asked"]
    first = asked["lines"][0]
    subscription, invoice = subscriptions.open_one(
        world,
        customer_id=customer,
        price_id=first["price"]["id"],
        quantity=first["quantity"],
        trial_days=asked["trial_days"],
        metadata=asked["subscription_metadata"],
        card=card,
    )
    paid = "no_payment_required" if asked["trial_days"] else "paid"
    return {"subscription": subscription["id"], "invoice": invoice["id"], "payment_status": paid}


def _set_up(world: World, session: Data, customer: str, card: str) -> Data:
    return {}


def create_link(world: World, params: Data) -> Data:
    """A link that opens a session for whoever follows it, any number of times."""
    lines = params.get("line_items", [])
    recurring = bool(lines) and catalog.get_price(world, lines[0].get("price", ""))["recurring"]
    _lines(world, params, "subscription" if recurring else "payment")
    link = world.make(
        "plink", "payment_link", {"active": True, "metadata": params.get("metadata", {}), "asked": params}
    )
    link["url"] = f"{world.base_url}{PAGES}/link/{link['id']}"
    world.store.put(link)
    return {key: value for key, value in link.items() if key != "asked"}


def follow_link(world: World, link_id: str) -> Data:
    """The session a link leads to; the one it led to before, while that is open."""
    link = world.get("payment_link", link_id)
    before = world.store.all("checkout.session", payment_link=link_id)
    if found := [each for each in before if each["status"] == "open"]:
        return found[-1]
    params: dict[str, Any] = link["asked"]
    recurring = catalog.get_price(world, params["line_items"][0]["price"])["recurring"]
    back = params.get("after_completion", {}).get("redirect", {}).get("url")
    asked = {**params, "mode": "subscription" if recurring else "payment", "success_url": back, "payment_link": link_id}
    asked.pop("expires_at", None)
    created = create(world, {**asked, "customer_creation": "always"})
    return world.get("checkout.session", created["id"])


def create_portal(world: World, params: Data) -> Data:
    """A page on which a customer looks after a subscription."""
    customer = world.get("customer", params.get("customer", ""), param="customer")
    fields = {"customer": customer["id"], "return_url": params.get("return_url")}
    portal = world.make("bps", "billing_portal.session", fields)
    return world.store.put({**portal, "url": f"{world.base_url}{PAGES}/portal/{portal['id']}"})
