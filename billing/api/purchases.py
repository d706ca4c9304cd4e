"""``GET /api/billing/purchases``: what was paid, and what was given back of it."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.paging import PAGES, page_of
from billing.api.subject import read_subject
from billing.models import Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseKind, PurchaseStatus
from mozaiks.kit.clock import now
from mozaiks.kit.fields import InstantField

#: What is still under way, or came to nothing, is between operators and the provider.
TOLD = (PurchaseActionStatus.SUCCEEDED,)


class PurchaseChangeAnswer(serializers.Serializer[Any]):
    """Something given back, or disputed, in minor units of the currency."""

    action = serializers.ChoiceField(choices=[action.value for action in PurchaseAction])
    amountMinor = serializers.IntegerField(source="amount_minor")
    currency = serializers.CharField()
    occurredAt = InstantField(source="created_at")


class PurchaseAnswer(serializers.Serializer[Any]):
    """A confirmed payment, in minor units of its currency; an invoice says which period it pays for."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(source="purchase_kind", choices=[kind.value for kind in PurchaseKind])
    status = serializers.ChoiceField(choices=[status.value for status in PurchaseStatus])
    amountMinor = serializers.IntegerField(source="amount_minor")
    currency = serializers.CharField()
    quantity = serializers.IntegerField()
    displayName = serializers.CharField(source="display_name")
    productCode = serializers.CharField(source="product.code", allow_null=True, default=None)
    planCode = serializers.CharField(source="plan.code", allow_null=True, default=None)
    periodStartAt = InstantField(source="period_start_at", allow_null=True)
    periodEndAt = InstantField(source="period_end_at", allow_null=True)
    purchasedAt = InstantField(source="purchased_at")
    adjustments = PurchaseChangeAnswer(source="told_adjustments", many=True)


class PurchasePageAnswer(serializers.Serializer[Any]):
    """One page, the latest first."""

    entries = PurchaseAnswer(many=True)
    page = serializers.IntegerField()
    pageSize = serializers.IntegerField()
    hasMore = serializers.BooleanField()


def present(row: Purchase) -> dict[str, Any]:
    return dict(PurchaseAnswer(row).data)


class PurchasesView(BillingView):
    """The billing history of an entity."""

    @extend_schema(
        operation_id="list_purchases",
        tags=["payments"],
        summary="What was paid, the latest first",
        parameters=[*SELECTORS, *PAGES],
        responses={200: PurchasePageAnswer, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        entity = read_subject(request, now=now())
        told = PurchaseAdjustment.objects.filter(status__in=[status.value for status in TOLD]).order_by("pk")
        rows = (
            Purchase.objects.filter(billable_entity=entity)
            .select_related("product", "plan")
            .prefetch_related(Prefetch("adjustments", queryset=told, to_attr="told_adjustments"))
            .order_by("-purchased_at", "-pk")
        )
        return Response(page_of(request, rows, present))
