"""How templates of the console write units, instants and links."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.urls import reverse

from billing.engine.types import SourceType
from billing.models import Purchase
from console import words
from mozaiks.kit.times import spoken

register = template.Library()


@register.filter
def units(amount: int | None) -> str:
    """Units as an operator reads them; none is unlimited."""
    return words.units(amount)


@register.filter
def at(instant: datetime | None) -> str:
    """An instant with its zone; none is a dash."""
    return "–" if instant is None else spoken(instant)


@register.filter
def spaced(code: str) -> str:
    """A code as words."""
    return code.replace("_", " ")


@register.filter
def price(row: Purchase) -> str:
    """What a purchase cost."""
    return words.money(row.amount_minor, row.currency)


@register.simple_tag
def row_address(table: str, key: object) -> str:
    """The page of a row of billing, by the name of its model."""
    return reverse(f"admin:billing_{table}_change", args=[key])


@register.filter
def plain(text: str) -> str:
    """A sentence with its instants as people read them."""
    return words.plain(text)


@register.simple_tag
def source_address(kind: str, key: object) -> str:
    """The page of what a grant was made for; empty where there is none."""
    table = words.SOURCES.get(SourceType(kind))
    return reverse(f"admin:{table}_change", args=[key]) if table and str(key).isdecimal() else ""
