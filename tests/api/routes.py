"""
Who may do what at which door: one row for every method of every route below ``/api/``.

A guest brings the rows of its own routes in ``tests/routes.py``. A route without a row fails the suite, and so does a row
without a route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver

from billing.catalog.publishing import publish_plan, publish_product
from billing.models import (
    AssignmentProviderDetail,
    BillingCustomer,
    PaymentMethod,
    PlanAssignment,
    ProviderSubscription,
    Purchase,
    PurchaseAdjustment,
)
from mozaiks.kit import clock
from tests import NOON
from tests.api.lives import lived_in
from tests.api.world import World
from tests.factories import PlanFactory
from tests.house.rows import insert

#: Every request names the workspace; ``internal`` sends the key of our own services, and nothing else.
CALLERS = ("anonymous", "stranger", "viewer", "member", "admin", "operator", "internal")

Places = Mapping[str, object]


def _no_places(world: World) -> Places:
    return {}


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    What a method of a route answers to each of ``CALLERS``, in their order.

    ``prepare`` makes what the request needs and gives values for the places in the route; ``headers`` go with it.
    """

    method: str
    route: str
    statuses: str
    body: Any = None
    prepare: Callable[[World], Places] = field(default=_no_places)
    headers: Mapping[str, str] = field(default_factory=dict)

    def expected(self, caller: str) -> int:
        return int(self.statuses.split()[CALLERS.index(caller)])

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


READ = "401 404 200 200 200 404 200"
MANAGE = "401 404 403 403 200 404 200"
STAFF = "401 403 403 403 403 200 401"
SHUT = "503 503 503 503 503 503 503"
STAFF_MAKES = "401 403 403 403 403 201 401"
STAFF_WITHOUT_PROVIDER = "401 403 403 403 403 501 401"
PUBLIC = "200 200 200 200 200 200 200"
KEYED = {"Idempotency-Key": "a-key"}


def _lived_in(world: World) -> Places:
    lived_in(world.entity)
    return {"code": "gadgets.credits"}


def _provider(world: World) -> Places:
    """Nobody signs in where it speaks, and without a secret nobody is heard. What is signed is in ``tests/payments``."""
    return {"provider": "stripe"}


def _offers(world: World) -> Places:
    """A plan and a product under one code."""
    publish_plan({"code": "known", "name": "Known"}, [], now=NOON)
    publish_product({"code": "known", "name": "Known"}, [], now=NOON)
    return {"code": "known"}


def _bought(world: World) -> Places:
    """Something for sale, something bought, and a card to pay it with."""
    _offers(world)
    publish_plan({"code": "free", "name": "Free", "checkout_unit_amount_minor": 0}, [], now=NOON)
    insert(BillingCustomer, billable_entity=world.entity, provider="mock")
    bought = insert(Purchase, billable_entity=world.entity, status="confirmed", currency="EUR")
    insert(PurchaseAdjustment, purchase=bought, action="refund", status="succeeded", currency="EUR")
    method = insert(PaymentMethod, billable_entity=world.entity, provider="mock")
    return {"method_id": method.pk}


def _paid(world: World) -> Places:
    """The workspace on a plan, with another to come, as a subscription of a provider, that paid an invoice."""
    _offers(world)
    PlanFactory(code="sold", checkout_provider="mock", checkout_provider_price_id="price_1")
    current = insert(
        PlanAssignment, billable_entity=world.entity, source="provider", status="current", plan=PlanFactory()
    )
    upcoming = insert(
        PlanAssignment,
        billable_entity=world.entity,
        source="manual",
        status="upcoming",
        plan=PlanFactory(),
        period_start_at=clock.now() + timedelta(days=9),
    )
    AssignmentProviderDetail.objects.create(assignment=current, provider="mock", provider_subscription_id="sub_1")
    insert(ProviderSubscription, billable_entity=world.entity, provider="mock", provider_subscription_id="sub_1")
    purchase = insert(Purchase, billable_entity=world.entity, status="confirmed", provider_payment_id="pi_1")
    insert(PurchaseAdjustment, purchase=purchase, action="correction", status="succeeded")
    return {"assignment_id": upcoming.pk, "purchase_id": purchase.pk, "subscription_id": "sub_1"}


BECAUSE = {"reason": "Agreed by telephone."}
COMMERCE = (
    ("GET", "plan-assignments", STAFF, None),
    ("POST", "plan-assignments", STAFF_MAKES, {"billableEntityId": 7, "planCode": "known", **BECAUSE}),
    ("PATCH", "plan-assignments/<int:assignment_id>", STAFF, {"planCode": "known", **BECAUSE}),
    ("GET", "purchases", STAFF, None),
    ("POST", "purchases/<int:purchase_id>/corrections", STAFF, {"amountMinor": -100, **BECAUSE}),
    ("POST", "purchases/<int:purchase_id>/refund", STAFF_WITHOUT_PROVIDER, {"amountMinor": 100, **BECAUSE}),
    ("POST", "purchases/<int:purchase_id>/void", STAFF, BECAUSE),
    ("POST", "plan-assignments/<int:assignment_id>/cancel", STAFF, BECAUSE),
    ("GET", "subscriptions", STAFF, None),
    (
        "POST",
        "subscriptions/<str:subscription_id>/change-plan",
        "401 403 403 403 403 501 401",
        {"planCode": "sold", **BECAUSE},
    ),
    ("POST", "subscriptions/<str:subscription_id>/cancel", STAFF, BECAUSE),
    ("POST", "subscriptions/<str:subscription_id>/cancel-at-period-end", STAFF, BECAUSE),
)
CONSOLE = (
    ("GET", "entitlement-definitions", STAFF, None),
    ("GET", "plans", STAFF, None),
    ("POST", "plans", STAFF_MAKES, {"code": "made", "name": "Made", "entitlements": []}),
    ("GET", "plans/<str:code>", STAFF, None),
    ("PATCH", "plans/<str:code>", STAFF, {"name": "Changed", "reason": "It had the wrong name."}),
    ("GET", "products", STAFF, None),
    ("POST", "products", STAFF_MAKES, {"code": "made", "name": "Made"}),
    ("GET", "products/<str:code>", STAFF, None),
    ("PATCH", "products/<str:code>", STAFF, {"name": "Changed", "reason": "It had the wrong name."}),
)
BILLING = (
    ("GET", "billing/limitations", READ, None),
    ("GET", "billing/limitations/<str:code>/explain", READ, None),
    ("POST", "billing/limitations/check", READ, {"items": [{"code": "gadgets.credits"}]}),
    ("POST", "billing/limits/refresh", MANAGE, None),
    ("GET", "billing/plan-state", READ, None),
    ("GET", "wallet", READ, None),
)
SELLS = "401 404 403 403 201 404 201"
#: What the mock connector, which sells nothing, cannot do.
CANNOT = "401 404 403 403 501 404 501"
PAYMENTS: tuple[tuple[str, str, str, Any], ...] = (
    ("POST", "billing/checkout", SELLS, {"productCode": "known", "quantity": 2, "successPath": "/paid"}),
    ("DELETE", "billing/checkout", MANAGE, None),
    ("POST", "billing/portal", CANNOT, {}),
    ("POST", "billing/payment-links", CANNOT, {"productCode": "known"}),
    ("GET", "billing/payment-methods", READ, None),
    ("POST", "billing/payment-methods", CANNOT, {}),
    ("DELETE", "billing/payment-methods/<int:method_id>", CANNOT, None),
    ("POST", "billing/payment-methods/<int:method_id>/default", CANNOT, None),
    ("POST", "billing/plan-change", MANAGE, {"planCode": "free", "successPath": "/paid"}),
    ("POST", "billing/plan-change/cancel", MANAGE, None),
    ("POST", "billing/plan-change/preview", MANAGE, {"planCode": "free"}),
    ("GET", "billing/plans", PUBLIC, None),
    ("GET", "billing/purchases", READ, None),
    ("GET", "billing/timeline", READ, None),
)
CORE = [
    *(
        Row(method="POST", route=f"{prefix}billing/webhooks/<str:provider>", statuses=SHUT, prepare=_provider)
        for prefix in ("api/", "api/v1/")
    ),
    Row(method="GET", route="api/schema", statuses=PUBLIC),
    Row(method="GET", route="api/docs", statuses=PUBLIC),
    Row(method="GET", route="api/<path:anything>", statuses="404 404 404 404 404 404 404"),
    *(
        Row(method=method, route=f"{prefix}{route}", statuses=statuses, body=body, prepare=_lived_in)
        for prefix in ("api/", "api/v1/")
        for method, route, statuses, body in BILLING
    ),
    *(
        Row(method=method, route=f"{prefix}{route}", statuses=statuses, body=body, prepare=_bought, headers=KEYED)
        for prefix in ("api/", "api/v1/")
        for method, route, statuses, body in PAYMENTS
    ),
    *(
        Row(method=method, route=f"{prefix}console/billing/{route}", statuses=statuses, body=body, prepare=_offers)
        for prefix in ("api/", "api/v1/")
        for method, route, statuses, body in CONSOLE
    ),
    *(
        Row(
            method=method,
            route=f"{prefix}console/billing/{route}",
            statuses=statuses,
            body=body,
            prepare=_paid,
            headers=KEYED if method != "GET" else {},
        )
        for prefix in ("api/", "api/v1/")
        for method, route, statuses, body in COMMERCE
    ),
]


def rows() -> list[Row]:
    """The rows of the core and of every guest that is installed."""
    return [*CORE, *(row for app in apps.get_app_configs() if hasattr(app, "api_urls") for row in _of_guest(app.name))]


def _of_guest(name: str) -> list[Row]:
    module = import_module(f"{name}.routes" if name.startswith("tests.") else f"{name}.tests.routes")
    found: list[Row] = module.ROWS
    return found


def doors() -> set[tuple[str, str]]:
    """Every method of every route below ``/api/``, from the URL configuration itself."""
    return {
        (method, route)
        for route, view in _views(get_resolver().url_patterns)
        if route.startswith("api/")
        for method in _methods(view)
    }


def _views(patterns: list[URLPattern | URLResolver], above: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def _methods(view: Any) -> list[str]:
    """The methods a view has a handler for; a function takes any, and GET stands for them."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if kind is None:
        return ["GET"]
    return [name.upper() for name in kind.http_method_names if name not in ("head", "options") and hasattr(kind, name)]
