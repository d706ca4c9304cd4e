"""``/api/console/billing/purchases``: what was paid, for staff."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, PAGES, ConsoleView, page_of
from billing.api.console.entries import ConsolePurchasePage, present_purchase
from billing.api.console.filters import BY_ENTITY, YesOrNo, among, any_text, entity_of, text_of, word_of
from billing.models import Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseKind, PurchaseStatus

TAGS = ["console: payments"]
LOOK = {"GET": ("billing.view_purchase",), "HEAD": ("billing.view_purchase",)}
FLAGGED = OpenApiParameter(
    "flagged",
    {"type": "boolean"},
    OpenApiParameter.QUERY,
    description="`true`: those that somebody has to look at; `false`: the others.",
)


def whole(rows: QuerySet[Purchase]) -> QuerySet[Purchase]:
    """With what is told of each, in one more query."""
    oldest_first = PurchaseAdjustment.objects.order_by("pk")
    return rows.select_related("product", "plan").prefetch_related(Prefetch("adjustments", queryset=oldest_first))


class PurchasesView(ConsoleView):
    """All purchases."""

    permissions = LOOK

    @extend_schema(
        operation_id="list_console_purchases",
        tags=TAGS,
        summary="Confirmed payments, the newest first, with their refunds, voids, corrections and disputes",
        parameters=[
            BY_ENTITY,
            among("status", PurchaseStatus, "Where it stands."),
            among("purchaseKind", PurchaseKind, "What was paid for."),
            FLAGGED,
            any_text("provider", "Of this provider."),
            any_text("providerSubscriptionId", "Invoices of this subscription."),
            *PAGES,
        ],
        responses={200: ConsolePurchasePage, **LIST_FAILURES},
    )
    def get(self, request: Request) -> Response:
        return Response(page_of(request, whole(_chosen(request)).order_by("-pk"), present_purchase))


def _chosen(request: Request) -> QuerySet[Purchase]:
    """:raises Invalid: a filter that is none."""
    exactly: dict[str, Any] = {
        "billable_entity_id": entity_of(request),
        "status": word_of(request, "status", PurchaseStatus),
        "purchase_kind": word_of(request, "purchaseKind", PurchaseKind),
        "provider": text_of(request, "provider"),
        "provider_subscription_id": text_of(request, "providerSubscriptionId"),
    }
    rows = Purchase.objects.filter(**{name: value for name, value in exactly.items() if value is not None})
    flagged = word_of(request, "flagged", YesOrNo)
    if flagged is None:
        return rows
    return rows.exclude(flag="") if flagged == YesOrNo.YES else rows.filter(flag="")
