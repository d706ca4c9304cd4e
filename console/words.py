"""How the console writes units, money, instants and the names of rows. Knows no page and no theme."""

from __future__ import annotations

import re

from billing.engine.types import SourceType
from mozaiks.kit.money import money as money
from mozaiks.kit.times import parse_utc, spoken

#: The pages of what grants are made for.
SOURCES = {
    SourceType.PLAN_ASSIGNMENT: "billing_planassignment",
    SourceType.BILLING_PURCHASE: "billing_purchase",
    SourceType.BILLING_EVENT: "billing_billingevent",
}

#: What of a purchase has to be looked at, in words.
FLAGS = {
    "unknown_product": "The catalog knows no product or plan of this price: nothing was granted",
    "refund_failed": "A refund failed at the provider after its units had been taken back",
}

#: How the wire writes an instant.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def units(amount: int | None) -> str:
    """Units as an operator reads them; none is unlimited."""
    return "unlimited" if amount is None else f"{amount:,}"


def plain(text: str) -> str:
    """Sentences with their instants as people read them."""
    return INSTANT.sub(lambda found: spoken(parse_utc(found.group())), text)
