"""``/api/console/billing/subscriptions``: what providers call subscriptions, and the plans that come of them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, PAGES, ConsoleView, page_of
from billing.api.console.entries import ConsoleSubscriptionPage, present_subscription
from billing.api.console.filters import BY_ENTITY, any_text, entity_of, text_of
from billing.models import AssignmentProviderDetail, ProviderSubscription
from billing.models.assignments import AssignmentStatus

TAGS = ["console: payments"]
VIEW = ("billing.view_providersubscription",)


class SubscriptionsView(ConsoleView):
    """All subscriptions of providers."""

    permissions = {"GET": VIEW, "HEAD": VIEW}

    @extend_schema(
        operation_id="list_console_subscriptions",
        tags=TAGS,
        summary="Subscriptions of providers, the newest first, each with the current plan that comes of it",
        parameters=[
            BY_ENTITY,
            any_text("provider", "Of this provider."),
            any_text("providerCustomerId", "Of this customer of the provider."),
            *PAGES,
        ],
        responses={200: ConsoleSubscriptionPage, **LIST_FAILURES},
    )
    def get(self, request: Request) -> Response:
        exactly: dict[str, Any] = {
            "billable_entity_id": entity_of(request),
            "provider": text_of(request, "provider"),
            "provider_customer_id": text_of(request, "providerCustomerId"),
        }
        chosen = {name: value for name, value in exactly.items() if value is not None}
        rows = ProviderSubscription.objects.filter(**chosen).order_by("-pk")
        return Response(page_of(request, rows, present_subscription, prepare=with_assignments))


def with_assignments(rows: list[Any]) -> None:
    """Give each row the ``assignment`` that is current by it, or None; all of them in one query."""
    named = Q(pk__in=[])
    for row in rows:
        named |= Q(provider=row.provider, provider_subscription_id=row.provider_subscription_id)
    details = AssignmentProviderDetail.objects.filter(named, assignment__status=AssignmentStatus.CURRENT)
    found = {
        (detail.provider, detail.provider_subscription_id): detail.assignment
        for detail in details.select_related("assignment__plan")
    }
    for row in rows:
        row.assignment = found.get((row.provider, row.provider_subscription_id))
