"""The public part of the catalog: what can be chosen and bought, with what it gives; provider's ids and metadata stay inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch

from billing.models import Plan, PlanTemplate, Product, ProductTemplate


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """Active plans and products, cheapest first and unpriced last; ``told_templates`` of each are those of active limits."""

    plans: Sequence[Plan]
    products: Sequence[Product]


def public_offers() -> Offers:
    """Everything in four queries, however much there is."""
    of_plans = _told(PlanTemplate)
    of_products = _told(ProductTemplate)
    plans = Plan.objects.active().prefetch_related(of_plans)
    products = Product.objects.filter(is_active=True).prefetch_related(of_products)
    return Offers(
        plans=sorted(plans, key=lambda plan: _by_price(plan.checkout_unit_amount_minor, plan.code)),
        products=sorted(products, key=lambda product: _by_price(product.unit_amount_minor, product.code)),
    )


def _told(templates: type[PlanTemplate] | type[ProductTemplate]) -> Prefetch[str]:
    told = templates._default_manager.filter(definition__is_active=True).select_related("definition")
    return Prefetch("templates", queryset=told.order_by("definition__code", "pk"), to_attr="told_templates")


def _by_price(amount: int | None, code: str) -> tuple[bool, int, str]:
    return amount is None, amount or 0, code
