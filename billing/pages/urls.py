"""The pages of billing below ``/w/{slug}/``."""

from django.urls import path

from billing.pages.buying import buy, choose, stay
from billing.pages.workspace import billing_page, timeline_page

urlpatterns = [
    path("billing", billing_page, name="workspace-billing"),
    path("billing/timeline", timeline_page, name="workspace-timeline"),
    path("billing/plan", choose, name="workspace-plan"),
    path("billing/plan/stay", stay, name="workspace-plan-stay"),
    path("billing/buy", buy, name="workspace-buy"),
]
