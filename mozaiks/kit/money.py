"""How money is written for people: minor units of a currency, with its code."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

#: Currencies whose minor unit is not a hundredth (ISO 4217).
WITHOUT_CENTS: Final = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
WITH_MILLS: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def money(amount_minor: int | None, currency: str) -> str:
    """Minor units of a currency as people read them, with its code; a dash where there is no amount."""
    if amount_minor is None:
        return "-"
    places = places_of(currency)
    return f"{Decimal(amount_minor).scaleb(-places):,.{places}f} {currency}".strip()


def minor_of(amount: Decimal, currency: str) -> int:
    """An amount as people write it, in minor units of its currency. :raises ValueError: it has parts of one."""
    places = places_of(currency)
    scaled = amount.scaleb(places)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{currency} has {places} digits behind the point." if places else f"{currency} has no parts.")
    return int(scaled)


def places_of(currency: str) -> int:
    """How many digits of an amount stand behind the point."""
    return 0 if currency in WITHOUT_CENTS else 3 if currency in WITH_MILLS else 2
