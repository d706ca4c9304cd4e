"""
The ways on from a refusal: plans above the current one and products after which the request would fit.

Built from the process's copy of the catalog, which is renewed when the catalog's newest change or its size differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import partial

from billing.engine.types import AggregationMode, EntitlementType
from billing.entitlements.policy import Decision, Unlock
from billing.entitlements.resolvers import DefinitionInfo
from billing.entitlements.rows import Row
from billing.models import Plan, PlanTemplate, Product, ProductTemplate
from billing.models.catalog import PlanGrantKind, PriceInterval
from mozaiks.kit.cursors import fetch
from mozaiks.kit.db import utc

MOST_OFFERED = 5

#: One statement for a refusal: what the process's copy must have seen, and the plan the subject is on.
_NEWS = (
    "SELECT (SELECT MAX(updated_at) FROM billing_plans), (SELECT COUNT(*) FROM billing_plans),"
    " (SELECT MAX(updated_at) FROM billing_products), (SELECT COUNT(*) FROM billing_products),"
    " (SELECT plan_id FROM billing_plan_assignments WHERE current_key = %s)"
)

#: How many months of price one interval is, for comparing plans.
_PER_MONTH = {
    PriceInterval.DAY: Fraction(30),
    PriceInterval.WEEK: Fraction(52, 12),
    PriceInterval.MONTH: Fraction(1),
    PriceInterval.YEAR: Fraction(1, 12),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Offer:
    """What a plan or product gives of one definition, in units; an amount of None is unlimited."""

    type: str
    id: int
    code: str
    name: str
    base: int | None
    bonus: int | None
    price_minor: int | None
    currency: str
    monthly: Fraction | None = None


@dataclass(slots=True)
class _Catalog:
    """Offers by definition, and the monthly price of every plan."""

    stamp: tuple[datetime | None, int, datetime | None, int] = (None, -1, None, -1)
    offers: dict[int, list[_Offer]] = field(default_factory=dict)
    plan_prices: dict[int, Fraction | None] = field(default_factory=dict)


_catalog = _Catalog()


def forget_catalog() -> None:
    """Read the catalog again at the next refusal."""
    _catalog.stamp = _Catalog().stamp


def ways_to_unlock(entity_id: int, info: DefinitionInfo, row: Row, decision: Decision) -> tuple[Unlock, ...]:
    """At most five ways, cheapest first, those without a price last."""
    return unlocker(entity_id)(info, row, decision)


def unlocker(entity_id: int) -> Callable[[DefinitionInfo, Row, Decision], tuple[Unlock, ...]]:
    """The ways to unlock for one subject: the catalog and its plan are looked at here, however many decisions follow."""
    return partial(_ways, _renew(entity_id))


def _ways(current_plan_id: int | None, info: DefinitionInfo, row: Row, decision: Decision) -> tuple[Unlock, ...]:
    offers = _catalog.offers.get(info.id, [])
    current = next((offer for offer in offers if offer.type == "plan" and offer.id == current_plan_id), None)
    found: list[Unlock] = []
    for offer in offers:
        if offer.type == "plan" and not _is_above(offer, current_plan_id):
            continue
        after = _after(offer, current, info, row)
        if after.fits(decision.requested_amount):
            found.append(
                Unlock(
                    type=offer.type,
                    code=offer.code,
                    name=offer.name,
                    amount_after=after.granted,
                    price_minor=offer.price_minor,
                    currency=offer.currency,
                )
            )
    found.sort(key=lambda way: (way.price_minor is None, way.price_minor or 0, way.code))
    return tuple(found[:MOST_OFFERED])


@dataclass(frozen=True, slots=True)
class _After:
    """Granted and free units with an offer in force; None is unlimited."""

    granted: int | None
    effective: int | None

    def fits(self, amount: int) -> bool:
        return self.effective is None or amount <= self.effective


def _after(offer: _Offer, current: _Offer | None, info: DefinitionInfo, row: Row) -> _After:
    granted, effective = row.granted_amount or 0, row.effective_amount or 0
    if info.rule.type is EntitlementType.STATE:
        return _After(1, None)
    if offer.base is None or offer.bonus is None:
        return _After(None, None)
    gain = offer.base + offer.bonus
    if info.rule.aggregation is AggregationMode.MAX:
        raised = max(granted, gain)
        return _After(raised, effective + raised - granted)
    if offer.type == "product" or info.rule.type is EntitlementType.BALANCE:
        return _After(granted + gain, effective + gain)
    if info.rule.type is EntitlementType.CAPACITY:
        lost = (current.base or 0) + (current.bonus or 0) if current else 0
        return _After(granted + gain - lost, effective + gain - lost)
    return _after_pools(offer, row, granted, effective)


def _after_pools(offer: _Offer, row: Row, granted: int, effective: int) -> _After:
    """A metered plan replaces the pools; what they paid in the window stays paid."""
    pools = ((offer.base, row.plan_granted, row.plan_used), (offer.bonus, row.bonus_granted, row.bonus_used))
    for offered, before, used in pools:
        granted += (offered or 0) - (before or 0)
        effective += max(0, (offered or 0) - used) - max(0, (before or 0) - used)
    return _After(granted, effective)


def _is_above(offer: _Offer, current_plan_id: int | None) -> bool:
    if current_plan_id is None:
        return True
    if offer.id == current_plan_id:
        return False
    price = _catalog.plan_prices.get(current_plan_id)
    return offer.monthly is None or offer.monthly > (price or 0)


def _renew(entity_id: int) -> int | None:
    """Read the catalog again when it changed; returns the plan the subject is on."""
    ((plans_at, plans, products_at, products, current_plan_id),) = fetch(_NEWS, (entity_id,))
    stamp = (utc(plans_at), plans, utc(products_at), products)
    if stamp != _catalog.stamp:
        _load(stamp)
    return None if current_plan_id is None else int(current_plan_id)


def _load(stamp: tuple[datetime | None, int, datetime | None, int]) -> None:
    _catalog.plan_prices = {plan.pk: _monthly(plan) for plan in Plan.objects.all()}
    _catalog.offers = {}
    for definition_id, offer in [*_plan_offers(), *_product_offers()]:
        _catalog.offers.setdefault(definition_id, []).append(offer)
    _catalog.stamp = stamp


def _plan_offers() -> Iterable[tuple[int, _Offer]]:
    amounts: dict[tuple[int, int], dict[str, int | None]] = {}
    plans: dict[int, Plan] = {}
    for template in PlanTemplate.objects.filter(plan__is_active=True).select_related("plan"):
        plans[template.plan_id] = template.plan
        amounts.setdefault((template.definition_id, template.plan_id), {})[template.grant_kind] = template.amount
    for (definition_id, plan_id), given in amounts.items():
        plan = plans[plan_id]
        yield (
            definition_id,
            _Offer(
                type="plan",
                id=plan_id,
                code=plan.code,
                name=plan.name,
                base=given.get(PlanGrantKind.PLAN_BASE, 0),
                bonus=given.get(PlanGrantKind.PLAN_BONUS, 0),
                price_minor=plan.checkout_unit_amount_minor,
                currency=plan.checkout_currency,
                monthly=_monthly(plan),
            ),
        )


def _product_offers() -> Iterable[tuple[int, _Offer]]:
    sums: dict[tuple[int, int], int | None] = {}
    products: dict[int, Product] = {}
    for template in ProductTemplate.objects.filter(product__is_active=True).select_related("product"):
        products[template.product_id] = template.product
        key = (template.definition_id, template.product_id)
        known = sums.get(key, 0)
        sums[key] = None if known is None or template.amount is None else known + template.amount
    for (definition_id, product_id), amount in sums.items():
        product = products[product_id]
        yield (
            definition_id,
            _Offer(
                type="product",
                id=product_id,
                code=product.code,
                name=product.name,
                base=amount,
                bonus=0,
                price_minor=product.unit_amount_minor,
                currency=product.currency,
            ),
        )


def _monthly(plan: Plan) -> Fraction | None:
    if plan.checkout_unit_amount_minor is None:
        return None
    interval = PriceInterval(plan.checkout_interval) if plan.checkout_interval else PriceInterval.MONTH
    return plan.checkout_unit_amount_minor * _PER_MONTH[interval] / plan.checkout_interval_count
