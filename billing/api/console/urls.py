"""Where the catalog's doors for staff are, below ``console/billing/``."""

from django.urls import path

from billing.api.console.definitions import DefinitionsView
from billing.api.console.plans import PlansView, PlanView
from billing.api.console.products import ProductsView, ProductView

urlpatterns = [
    path("entitlement-definitions", DefinitionsView.as_view(), name="console-definitions"),
    path("plans", PlansView.as_view(), name="console-plans"),
    path("plans/<str:code>", PlanView.as_view(), name="console-plan"),
    path("products", ProductsView.as_view(), name="console-products"),
    path("products/<str:code>", ProductView.as_view(), name="console-product"),
]
