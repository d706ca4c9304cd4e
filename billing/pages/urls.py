"""The pages of billing below ``/w/{slug}/``."""

from django.urls import path

from billing.pages.buying import buy, choose
from billing.pages.workspace import billing_page

urlpatterns = [
    path("billing", billing_page, name="workspace-billing"),
    path("billing/plan", choose, name="workspace-plan"),
    path("billing/buy", buy, name="workspace-buy"),
]
