"""A customer's pages at the fake provider: paying, and looking after what is subscribed to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.pages.provider.showing import day, leave_to, money, playing, rhythm, shown
from billing.payments.fake import catalog, connecting, customers
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused


@playing
@never_cache
@require_http_methods(["GET", "POST"])
def checkout(request: HttpRequest, session_id: str) -> HttpResponse:
    """What is sold, and a card to pay with. Going back to the shop says nothing of having paid: the event does."""
    provider = connecting.provider()
    session = provider.world.get("checkout.session", session_id)
    if session["status"] != "open":
        raise Refused(400, f"This checkout is {session['status']}: nothing can be paid here any more.")
    problem = ""
    if request.method == "POST":
        if "cancel" in request.POST:
            return leave_to(session["cancel_url"] or session["success_url"])
        try:
            provider.pay(session_id, card=request.POST.get("card", ""))
            return leave_to(session["success_url"])
        except Refused as refused:
            problem = str(refused)
    context = {"session": session, "lines": _lines(provider, session), "problem": problem, **_sums(session)}
    back = (session["success_url"], session["cancel_url"])
    return shown(request, "billing/provider/checkout.html", context, back=back, status=402 if problem else 200)


def _lines(provider: FakeProvider, session: Data) -> list[Data]:
    return [
        {
            "name": catalog.name_of(provider.world, line["price"]),
            "quantity": line["quantity"],
            "price": f"{money(line['price']['unit_amount'], line['price']['currency'])} {rhythm(line['price'])}",
        }
        for line in session["asked"]["lines"]
    ]


def _sums(session: Data) -> Data:
    total = session["amount_total"]
    return {
        "total": None if total is None else money(total, session["currency"]),
        "trial_days": session["asked"]["trial_days"],
    }


@playing
@require_http_methods(["GET"])
def link(request: HttpRequest, link_id: str) -> HttpResponse:
    """A payment link leads to a checkout."""
    session = connecting.provider().session_of_link(link_id)
    return redirect("pretend-checkout", session_id=session["id"])


@playing
@never_cache
@require_http_methods(["GET", "POST"])
def portal(request: HttpRequest, portal_id: str) -> HttpResponse:
    """What a customer is subscribed to, and the deeds Stripe's portal offers."""
    provider = connecting.provider()
    session = provider.world.get("billing_portal.session", portal_id)
    problem = ""
    if request.method == "POST":
        try:
            _do(provider, session["customer"], request.POST)
            return redirect("pretend-portal", portal_id=portal_id)
        except Refused as refused:
            problem = str(refused)
    context = {
        "problem": problem,
        "return_url": session["return_url"],
        "subscriptions": [_subscription(provider, each) for each in provider.subscriptions_of(session["customer"])],
        "methods": customers.methods(provider.world, session["customer"])["data"],
        "unpaid": provider.store.all("invoice", customer=session["customer"], status="open"),
    }
    back = (session["return_url"],)
    return shown(request, "billing/provider/portal.html", context, back=back, status=402 if problem else 200)


def _subscription(provider: FakeProvider, data: Data) -> Data:
    item = data["items"]["data"][0]
    return {
        "id": data["id"],
        "name": catalog.name_of(provider.world, item["price"]),
        "price": f"{money(item['price']['unit_amount'], item['price']['currency'])} {rhythm(item['price'])}",
        "status": data["status"].replace("_", " "),
        "ends": day(item["current_period_end"]),
        "booked": data["cancel_at_period_end"],
    }


def _do(provider: FakeProvider, customer_id: str, asked: Any) -> None:
    """One deed, on what is the customer's own."""
    if "card" in asked:
        provider.change_card(customer_id, asked["card"])
    elif "pay" in asked:
        provider.pay_open_invoices(customer_id)
    else:
        subscription = provider.world.get("subscription", asked.get("cancel") or asked.get("resume") or "")
        if subscription["customer"] != customer_id:
            raise Refused(404, "No such subscription.")
        if "cancel" in asked:
            provider.cancel(subscription["id"], at_period_end=True)
        else:
            provider.resume(subscription["id"])
