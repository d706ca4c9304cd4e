"""Where billing answers, below ``/api/`` and, the same, below ``/api/v1/``."""

from django.urls import include, path

from billing.api.checkout import CheckoutView, PaymentLinksView, PortalView
from billing.api.checks import CheckView
from billing.api.explanations import ExplainView
from billing.api.limitations import LimitationsView, RefreshView
from billing.api.payment_methods import DefaultPaymentMethodView, PaymentMethodsView, PaymentMethodView
from billing.api.plan_change import PlanChangeCancelView, PlanChangePreviewView, PlanChangeView
from billing.api.plan_state import PlanStateView
from billing.api.plans import PlansView
from billing.api.purchases import PurchasesView
from billing.api.timeline import TimelineView
from billing.api.wallet import WalletView
from billing.api.webhooks import WebhookView

app_name = "billing"

urlpatterns = [
    path("billing/checkout", CheckoutView.as_view(), name="checkout"),
    path("billing/limitations", LimitationsView.as_view(), name="limitations"),
    path("billing/limitations/check", CheckView.as_view(), name="check"),
    path("billing/limitations/<str:code>/explain", ExplainView.as_view(), name="explain"),
    path("billing/limits/refresh", RefreshView.as_view(), name="refresh"),
    path("billing/payment-links", PaymentLinksView.as_view(), name="payment-links"),
    path("billing/payment-methods", PaymentMethodsView.as_view(), name="payment-methods"),
    path("billing/payment-methods/<int:method_id>", PaymentMethodView.as_view(), name="payment-method"),
    path(
        "billing/payment-methods/<int:method_id>/default",
        DefaultPaymentMethodView.as_view(),
        name="default-payment-method",
    ),
    path("billing/plan-change", PlanChangeView.as_view(), name="plan-change"),
    path("billing/plan-change/cancel", PlanChangeCancelView.as_view(), name="plan-change-cancel"),
    path("billing/plan-change/preview", PlanChangePreviewView.as_view(), name="plan-change-preview"),
    path("billing/plan-state", PlanStateView.as_view(), name="plan-state"),
    path("billing/plans", PlansView.as_view(), name="plans"),
    path("billing/portal", PortalView.as_view(), name="portal"),
    path("billing/purchases", PurchasesView.as_view(), name="purchases"),
    path("billing/timeline", TimelineView.as_view(), name="timeline"),
    path("billing/webhooks/<str:provider>", WebhookView.as_view(), name="webhooks"),
    path("console/billing/", include("billing.api.console.urls")),
    path("wallet", WalletView.as_view(), name="wallet"),
]
