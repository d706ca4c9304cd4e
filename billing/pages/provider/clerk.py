"""The clerk's desk at the fake provider: time, refunds, disputes, faults, and what was told. For operators of the demo."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.pages.provider.showing import day, money, playing, shown
from billing.payments.fake import connecting
from billing.payments.fake.faults import FaultKind
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused
from mozaiks.kit.times import spoken

MOST_DAYS: Final = 400
SHOWN: Final = 30


@playing
@never_cache
@staff_member_required
@require_http_methods(["GET", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """Everything that is not the customer's to do."""
    provider = connecting.provider()
    if request.method == "POST":
        try:
            messages.success(request, _do(provider, request.POST))
        except Refused as refused:
            messages.error(request, str(refused))
        return redirect("pretend-desk")
    payments = provider.payments()[::-1][:SHOWN]
    context = {
        "now": spoken(provider.now()),
        "payments": [_payment(provider, each) for each in payments],
        "disputes": [_dispute(each) for each in provider.store.all("dispute")[::-1][:SHOWN]],
        "events": [_event(each) for each in provider.events()[::-1][:SHOWN]],
        "faults": list(FaultKind),
        "planted": provider.store.rows("SELECT kind, door FROM faults ORDER BY number"),
    }
    return shown(request, "billing/provider/desk.html", context, back=())


def _do(provider: FakeProvider, asked: Any) -> str:
    """One deed, and what was done."""
    if "days" in asked:
        return _pass(provider, asked["days"])
    if "refund" in asked:
        refund = provider.refund(asked["refund"], _amount(asked.get("amount", "")))
        return f"Refunded {money(refund['amount'], refund['currency'])}."
    if "dispute" in asked:
        provider.dispute(asked["dispute"])
        return "The customer's bank disputes the payment."
    if "won" in asked or "lost" in asked:
        provider.close_dispute(asked.get("won") or asked.get("lost"), won="won" in asked)
        return "The dispute is decided."
    if asked.get("fault") in set(FaultKind):
        provider.fail(asked["fault"])
        return "The next call goes wrong."
    provider.heal()
    return "Nothing goes wrong any more."


def _pass(provider: FakeProvider, days: str) -> str:
    """:raises Refused: so many days are not meant."""
    if not (days.isascii() and days.isdigit() and 0 < int(days) <= MOST_DAYS):
        raise Refused(400, f"Between 1 and {MOST_DAYS} days may pass.")
    provider.advance(provider.now() + timedelta(days=int(days)))
    return f"{days} days have passed at the provider. Our own clock stands where it stood."


def _amount(text: str) -> int | None:
    """Minor units; nothing is all that is left. :raises Refused: it is no amount."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Refused(400, "An amount is a whole number of minor units.")
    return int(text)


def _payment(provider: FakeProvider, data: Data) -> Data:
    charge = provider.get(data["latest_charge"])
    return {
        "id": data["id"],
        "at": day(data["created"]),
        "amount": money(data["amount"], data["currency"]),
        "refunded": money(charge["amount_refunded"], data["currency"]) if charge["amount_refunded"] else "",
        "left": charge["amount"] - charge["amount_refunded"],
        "disputed": charge["disputed"],
    }


def _dispute(data: Data) -> Data:
    amount = money(data["amount"], data["currency"])
    return {"id": data["id"], "amount": amount, "status": data["status"].replace("_", " "), "at": day(data["created"])}


def _event(data: Data) -> Data:
    return {"id": data["id"], "name": data["type"], "at": day(data["created"])}
