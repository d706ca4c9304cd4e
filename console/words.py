"""How the console writes units, money, instants and the names of rows. Knows no page and no theme."""

from __future__ import annotations

import re
from decimal import Decimal

from billing.engine.types import SourceType
from mozaiks.kit.times import parse_utc, spoken

#: Currencies whose minor unit is not a hundredth (ISO 4217).
WITHOUT_CENTS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
WITH_MILLS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))

#: The pages of what grants are made for.
SOURCES = {
    SourceType.PLAN_ASSIGNMENT: "billing_planassignment",
    SourceType.BILLING_PURCHASE: "billing_purchase",
    SourceType.BILLING_EVENT: "billing_billingevent",
}

#: How the wire writes an instant.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def units(amount: int | None) -> str:
    """Units as an operator reads them; none is unlimited."""
    return "unlimited" if amount is None else f"{amount:,}"


def money(amount_minor: int | None, currency: str) -> str:
    """Minor units of a currency as an operator reads them, with its code."""
    if amount_minor is None:
        return "-"
    places = 0 if currency in WITHOUT_CENTS else 3 if currency in WITH_MILLS else 2
    return f"{Decimal(amount_minor).scaleb(-places):,.{places}f} {currency}".strip()


def plain(text: str) -> str:
    """Sentences with their instants as people read them."""
    return INSTANT.sub(lambda found: spoken(parse_utc(found.group())), text)
