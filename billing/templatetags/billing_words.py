"""How pages write units, money and instants. ``{% limit %}`` is a limit as every page shows it, a guest's too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from billing.entitlements.policy import Unlock
from billing.entitlements.wording import LimitInWords
from billing.models import Product, Purchase
from mozaiks.kit.money import money
from mozaiks.kit.times import spoken, utc_z

register = template.Library()

#: What a purchase's status means to whoever paid.
PURCHASE_WORDS = {
    "confirmed": "paid",
    "refunded": "refunded",
    "partially_refunded": "partly refunded",
    "voided": "voided",
    "disputed": "disputed",
}


@register.inclusion_tag("billing/limit.html")
def limit(words: LimitInWords, *, may_manage: bool, level: int = 3, slug: str = "") -> dict[str, Any]:
    """A limit as a card: bar, numbers, state in words, and ways to more, whose buttons belong to those who may buy."""
    return {"words": words, "limit": words.limit, "may_manage": may_manage, "level": level, "slug": slug}


@register.filter
def units(amount: int | None) -> str:
    """Units; none is unlimited."""
    return "unlimited" if amount is None else f"{amount:,}"


@register.filter
def at(instant: datetime | None) -> str:
    """An instant with its zone."""
    return "" if instant is None else spoken(instant)


@register.filter
def wire(instant: datetime) -> str:
    """An instant as a machine reads it, for ``<time datetime>``."""
    return utc_z(instant)


@register.filter
def cost(sold: Unlock | Product | Purchase) -> str:
    """What something costs or did cost."""
    if isinstance(sold, Purchase):
        return money(sold.amount_minor, sold.currency)
    if isinstance(sold, Product):
        return money(sold.unit_amount_minor, sold.currency)
    if sold.price_minor is None:
        return "no price"
    return money(sold.price_minor, sold.currency) if sold.price_minor else "free"


@register.filter
def purchase_status(purchase: Purchase) -> str:
    """Where a purchase stands, in a word."""
    return PURCHASE_WORDS.get(purchase.status) or str(purchase.status)


@register.filter
def meter_now(words: LimitInWords) -> int:
    """What is used, as far as a meter can say it."""
    return max(0, min(words.limit.consumed_amount, words.limit.granted_amount or 0))
