"""``GET /api/billing/timeline``: what happened to plan, purchases and limits, told to the customer."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.paging import MOST_ON_A_PAGE, PAGE_SIZE, number_of
from billing.api.subject import read_subject
from billing.payments.timeline import Topic, read_timeline
from mozaiks.kit.clock import now
from mozaiks.kit.fields import InstantField, presenter

SIZE = OpenApiParameter(
    "pageSize",
    {"type": "integer", "minimum": 1, "maximum": MOST_ON_A_PAGE, "default": PAGE_SIZE},
    OpenApiParameter.QUERY,
    description="How many entries at most.",
)
CURSOR = OpenApiParameter(
    "cursor", OpenApiTypes.STR, OpenApiParameter.QUERY, description="The `nextCursor` of the answer before."
)


class GivenAnswer(serializers.Serializer[Any]):
    """Units of a limit; null is unlimited."""

    limitationCode = serializers.CharField(source="limitation_code")
    name = serializers.CharField()
    amount = serializers.IntegerField(allow_null=True)


class TimelineEntryAnswer(serializers.Serializer[Any]):
    """Something that happened; ``type`` is for programs, ``title`` for people. Money in minor units of the currency."""

    id = serializers.CharField()
    topic = serializers.ChoiceField(choices=[topic.value for topic in Topic])
    type = serializers.CharField()
    occurredAt = InstantField(source="occurred_at")
    title = serializers.CharField()
    planCode = serializers.CharField(source="plan_code", allow_null=True)
    productCode = serializers.CharField(source="product_code", allow_null=True)
    amountMinor = serializers.IntegerField(source="amount_minor", allow_null=True)
    currency = serializers.CharField(allow_null=True)
    gives = GivenAnswer(many=True)


class TimelineAnswer(serializers.Serializer[Any]):
    """The latest first; ``nextCursor`` null: there is nothing before."""

    entries = TimelineEntryAnswer(many=True)
    nextCursor = serializers.CharField(source="next_cursor", allow_null=True)


present = presenter(TimelineAnswer)


class TimelineView(BillingView):
    """What happened to an entity."""

    @extend_schema(
        operation_id="read_timeline",
        tags=["payments"],
        summary="What happened to plan, purchases and limits, the latest first",
        description="In pages: what comes in meanwhile moves none of them.",
        parameters=[*SELECTORS, SIZE, CURSOR],
        responses={200: TimelineAnswer, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        entity = read_subject(request, now=now())
        size = number_of(request, "pageSize", default=PAGE_SIZE, most=MOST_ON_A_PAGE)
        return Response(present(read_timeline(entity, size=size, cursor=request.query_params.get("cursor"))))
