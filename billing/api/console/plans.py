"""``/api/console/billing/plans``: plans for people who script their catalog."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view

from billing.api.console.doors import LIST_FAILURES, READ_FAILURES, WRITE_FAILURES, permissions_for
from billing.api.console.offers import Kind, OffersView, OfferView
from billing.api.console.shapes import CatalogPlan, CatalogPlanChange, CatalogPlanNew, CatalogPlanPage
from billing.api.doors import FAILURES
from billing.api.paging import PAGES
from billing.catalog.publishing import publish_plan
from billing.catalog.templates import plan_entry
from billing.catalog.wire import PLAN, plan_item
from billing.models import Plan, PlanTemplate

TAGS = ["console: catalog"]


def _item(plan: Any) -> dict[str, Any]:
    return plan_item(plan, map(plan_entry, plan.templates.all()))


PLANS = Kind(name="plan", table=Plan, templates=PlanTemplate, wire=PLAN, item=_item, publish=publish_plan)


@extend_schema_view(
    get=extend_schema(
        operation_id="list_catalog_plans",
        tags=TAGS,
        summary="All plans, active or not, with what they grant",
        parameters=[*PAGES],
        responses={200: CatalogPlanPage, **LIST_FAILURES},
    ),
    post=extend_schema(
        operation_id="create_catalog_plan",
        tags=TAGS,
        summary="Make a plan",
        description="By the rules of the console: written whole or not at all. An active plan must say what it grants; `[]`"
        " is an answer. What is wrong is told together, each with its path.",
        request=CatalogPlanNew,
        responses={201: CatalogPlan, **WRITE_FAILURES},
    ),
)
class PlansView(OffersView):
    """All plans, and a new one."""

    kind = PLANS
    permissions = permissions_for("plan")


@extend_schema_view(
    get=extend_schema(
        operation_id="read_catalog_plan",
        tags=TAGS,
        summary="One plan",
        responses={200: CatalogPlan, **READ_FAILURES, 404: FAILURES[404]},
    ),
    patch=extend_schema(
        operation_id="change_catalog_plan",
        tags=TAGS,
        summary="Change a plan",
        description="Fields that are not sent stay. `entitlements` replaces all there are; `[]` clears them. Present"
        " subscribers keep what they were granted.",
        request=CatalogPlanChange,
        responses={200: CatalogPlan, **WRITE_FAILURES, 404: FAILURES[404]},
    ),
)
class PlanView(OfferView):
    """One plan."""

    kind = PLANS
    permissions = permissions_for("plan")
