"""What the fake provider's pages have in common: who plays at all, prices in words, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from billing.payments.fake import customers
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, instant
from mozaiks.kit.security import EVERYWHERE, HEADER
from mozaiks.kit.times import spoken

View = Callable[..., HttpResponse]

#: The cards a tester chooses from, by what becomes of them.
CARDS: Final = (
    ("4242 4242 4242 4242", "is charged"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0000 0000 0341", "is kept, and fails when it is charged"),
)
GONE: Final = 410


def playing(view: View) -> View:
    """The page is not there where nobody plays; what the provider refuses is a page that says so."""

    @wraps(view)
    def show(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.BILLING_FAKE_PROVIDER:
            raise Http404
        try:
            return view(request, *args, **kwargs)
        except Refused as refused:
            if refused.status == 404:
                raise Http404 from refused
            return render(request, "billing/provider/closed.html", {"why": str(refused)}, status=GONE)

    return show


def shown(
    request: HttpRequest, template: str, context: Data, *, back: tuple[str | None, ...], status: int = 200
) -> HttpResponse:
    """A page whose forms may lead ``back`` to the shop: browsers ask the policy about redirects of forms too."""
    response = render(request, template, {"cards": CARDS, "works": customers.WORKS, **context}, status=status)
    origins = sorted({origin for url in back if (origin := origin_of(url))})
    response.headers[HEADER] = EVERYWHERE.replace("form-action 'self'", " ".join(["form-action 'self'", *origins]))
    return response


def leave_to(url: str | None) -> HttpResponse:
    """Back to the shop, where it named a page of the web."""
    if not url or not origin_of(url):
        raise Refused(400, "The shop named no page to go back to.")
    return HttpResponseRedirect(url, status=303)


def origin_of(url: str | None) -> str:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else ""


def money(amount_minor: int, currency: str) -> str:
    return f"{amount_minor / 100:,.2f} {currency.upper()}"


def rhythm(price: Data) -> str:
    """``a month``, ``every 3 months``, or nothing for what is paid once."""
    recurring = price.get("recurring")
    if not recurring:
        return ""
    count, unit = recurring["interval_count"], recurring["interval"]
    return f"a {unit}" if count == 1 else f"every {count} {unit}s"


def day(seconds: int | None) -> str:
    return spoken(instant(seconds)) if seconds is not None else ""
