"""Who waits: current assignments and confirmed purchases whose templates were never turned into grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.models import Plan, PlanAssignment, PlanTemplate, ProductTemplate, Purchase
from billing.models.assignments import AssignmentStatus
from billing.models.catalog import EffectivePolicy
from billing.models.purchases import PurchaseStatus

#: The same in SQL, of assignments ``a`` and purchases ``p``.
ASSIGNMENTS = f"a.status = '{AssignmentStatus.CURRENT}' AND a.projected_at IS NULL"
PURCHASES = f"p.status = '{PurchaseStatus.CONFIRMED}' AND p.projected_at IS NULL"


def assignments() -> QuerySet[PlanAssignment]:
    """Upcoming assignments get their grants when they start."""
    return PlanAssignment.objects.current().filter(projected_at__isnull=True)


def purchases() -> QuerySet[Purchase]:
    """A purchase without a product grants nothing; it is kept and flagged elsewhere."""
    return Purchase.objects.filter(status=PurchaseStatus.CONFIRMED, projected_at__isnull=True, product__isnull=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """
    What the catalog grants, read once for a run: definitions by plan and by product.

    A plan that is not here never said what it grants: who is on it goes on waiting.
    """

    by_plan: dict[int, frozenset[int]]
    by_product: dict[int, frozenset[int]]

    @property
    def definitions(self) -> frozenset[int]:
        """Every definition that plans and products grant."""
        return frozenset().union(*self.by_plan.values(), *self.by_product.values())


def read_offers() -> Offers:
    """The offers of the catalog as its templates say them."""
    speaks = Q(grants_nothing=True) | Exists(PlanTemplate.objects.filter(plan=OuterRef("pk")))
    by_plan: dict[int, set[int]] = {
        plan_id: set() for plan_id in Plan.objects.filter(speaks).values_list("pk", flat=True)
    }
    at_once = PlanTemplate.objects.filter(effective_policy=EffectivePolicy.ON_ASSIGNMENT_CURRENT)
    for plan_id, definition_id in at_once.values_list("plan_id", "definition_id"):
        by_plan[plan_id].add(definition_id)
    by_product: dict[int, set[int]] = {}
    for product_id, definition_id in ProductTemplate.objects.values_list("product_id", "definition_id"):
        by_product.setdefault(product_id, set()).add(definition_id)
    return Offers(
        by_plan={plan_id: frozenset(definitions) for plan_id, definitions in by_plan.items()},
        by_product={product_id: frozenset(definitions) for product_id, definitions in by_product.items()},
    )


def next_subjects(offers: Offers, *, after: int, size: int) -> Sequence[int]:
    """The next at most ``size`` subjects that wait, in the order of their ids."""
    # current_key is the entity while the assignment is current, so that its index has them in order.
    of_plans = assignments().filter(plan_id__in=offers.by_plan, current_key__gt=after)
    first = list(of_plans.order_by("current_key").values_list("current_key", flat=True)[:size])
    of_products = purchases().filter(billable_entity_id__gt=after)
    second = of_products.order_by("billable_entity_id").values_list("billable_entity_id", flat=True).distinct()[:size]
    return sorted({*first, *second})[:size]
