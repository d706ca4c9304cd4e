"""Where the doors for staff are, below ``console/billing/``."""

from django.urls import path

from billing.api.console.definitions import DefinitionsView
from billing.api.console.plan_assignments import PlanAssignmentCancelView, PlanAssignmentsView, PlanAssignmentView
from billing.api.console.plans import PlansView, PlanView
from billing.api.console.products import ProductsView, ProductView
from billing.api.console.purchases import CorrectionView, PurchasesView, RefundView, VoidView
from billing.api.console.subscriptions import (
    SubscriptionCancelView,
    SubscriptionChangeView,
    SubscriptionEndView,
    SubscriptionsView,
)

urlpatterns = [
    path("entitlement-definitions", DefinitionsView.as_view(), name="console-definitions"),
    path("plan-assignments", PlanAssignmentsView.as_view(), name="console-plan-assignments"),
    path("plan-assignments/<int:assignment_id>", PlanAssignmentView.as_view(), name="console-plan-assignment"),
    path("plan-assignments/<int:assignment_id>/cancel", PlanAssignmentCancelView.as_view(), name="console-plan-cancel"),
    path("plans", PlansView.as_view(), name="console-plans"),
    path("plans/<str:code>", PlanView.as_view(), name="console-plan"),
    path("products", ProductsView.as_view(), name="console-products"),
    path("products/<str:code>", ProductView.as_view(), name="console-product"),
    path("purchases", PurchasesView.as_view(), name="console-purchases"),
    path("purchases/<int:purchase_id>/corrections", CorrectionView.as_view(), name="console-purchase-corrections"),
    path("purchases/<int:purchase_id>/refund", RefundView.as_view(), name="console-purchase-refund"),
    path("purchases/<int:purchase_id>/void", VoidView.as_view(), name="console-purchase-void"),
    path("subscriptions", SubscriptionsView.as_view(), name="console-subscriptions"),
    path(
        "subscriptions/<str:subscription_id>/change-plan", SubscriptionChangeView.as_view(), name="console-sub-change"
    ),
    path("subscriptions/<str:subscription_id>/cancel", SubscriptionCancelView.as_view(), name="console-sub-cancel"),
    path(
        "subscriptions/<str:subscription_id>/cancel-at-period-end",
        SubscriptionEndView.as_view(),
        name="console-sub-end",
    ),
]
