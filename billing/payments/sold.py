"""What a price buys: a product with what one unit of it grants, read in one constant statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.models.catalog import ProductGrantKind
from mozaiks.kit.cursors import fetch

_SELECT = """
SELECT p.id, p.name, t.id, t.entitlement_definition_id, t.amount, t.grant_kind, t.duration_days
FROM billing_products p LEFT JOIN billing_product_entitlement_templates t ON t.billing_product_id = p.id
WHERE {which} ORDER BY t.id
"""
_BY_ID = _SELECT.format(which="p.id = %s")
_BY_CODE = _SELECT.format(which="p.code = %s")
_BY_PRICE = _SELECT.format(which="p.provider = %s AND p.provider_price_id = %s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gives:
    """A template of the product: units of one definition (None: unlimited), for ``duration_days`` or for good."""

    pk: int
    definition_id: int
    amount: int | None
    grant_kind: str
    duration_days: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sold:
    """A product as a purchase needs it."""

    product_id: int
    name: str
    gives: tuple[Gives, ...]

    @property
    def tops_up(self) -> bool:
        """Whether some of what it grants is there for good rather than for a time."""
        return any(each.grant_kind == ProductGrantKind.ONE_OFF_TOPUP for each in self.gives)


def by_id(product_id: int) -> Sold | None:
    """The product with this id."""
    return _sold(_BY_ID, product_id)


def by_code(code: str) -> Sold | None:
    """The product with this code of ours."""
    return _sold(_BY_CODE, code)


def by_price(provider: str, price_id: str) -> Sold | None:
    """The product that costs this price of the provider."""
    return _sold(_BY_PRICE, provider, price_id)


def _sold(statement: str, *params: Any) -> Sold | None:
    rows = fetch(statement, list(params))
    if not rows:
        return None
    product_id, name = rows[0][:2]
    gives = tuple(
        Gives(pk=pk, definition_id=definition, amount=amount, grant_kind=kind, duration_days=days)
        for _, _, pk, definition, amount, kind, days in rows
        if pk is not None
    )
    return Sold(product_id=product_id, name=name, gives=gives)
