"""Where billing answers, below ``/api/`` and, the same, below ``/api/v1/``."""

from django.urls import include, path

from billing.api.checks import CheckView
from billing.api.explanations import ExplainView
from billing.api.limitations import LimitationsView, RefreshView
from billing.api.plan_state import PlanStateView
from billing.api.wallet import WalletView

app_name = "billing"

urlpatterns = [
    path("billing/limitations", LimitationsView.as_view(), name="limitations"),
    path("billing/limitations/check", CheckView.as_view(), name="check"),
    path("billing/limitations/<str:code>/explain", ExplainView.as_view(), name="explain"),
    path("billing/limits/refresh", RefreshView.as_view(), name="refresh"),
    path("billing/plan-state", PlanStateView.as_view(), name="plan-state"),
    path("console/billing/", include("billing.api.console.urls")),
    path("wallet", WalletView.as_view(), name="wallet"),
]
