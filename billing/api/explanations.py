"""``GET /api/billing/limitations/{code}/explain``: why a limit's number is what it is."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.answers import BillableEntityAnswer, LimitationAnswer
from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.subject import read_subject
from billing.engine.types import GrantKind, Replenish, SourceType
from billing.entitlements.explain import explain
from billing.entitlements.explained import LotState
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Invalid, NotFound
from mozaiks.kit.fields import InstantField, presenter


class SourceAnswer(serializers.Serializer[Any]):
    """What a grant was made for."""

    type = serializers.ChoiceField(choices=[kind.value for kind in SourceType])
    id = serializers.CharField(allow_null=True, help_text="Of the assignment, the purchase or the event.")
    title = serializers.CharField()


class LotAnswer(serializers.Serializer[Any]):
    """
    A grant in the running window, in units; null is unlimited.

    ``granted`` is what of ``amount`` came into this window. Of open lots granted - used = remaining.
    """

    grantId = serializers.IntegerField(source="grant_id")
    kind = serializers.ChoiceField(choices=[kind.value for kind in GrantKind])
    state = serializers.ChoiceField(choices=[state.value for state in LotState], help_text="Only open ones count.")
    replenish = serializers.ChoiceField(choices=[way.value for way in Replenish])
    amount = serializers.IntegerField(allow_null=True)
    granted = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    remaining = serializers.IntegerField(allow_null=True)
    effectiveAt = InstantField(source="effective_at")
    expiresAt = InstantField(source="expires_at", allow_null=True)
    source = SourceAnswer()  # type: ignore[assignment]


class ShareAnswer(serializers.Serializer[Any]):
    """Units that one grant paid."""

    grantId = serializers.IntegerField(source="grant_id")
    amount = serializers.IntegerField()


class OperationAnswer(serializers.Serializer[Any]):
    """A use, or one that was taken back (negative), in units."""

    id = serializers.IntegerField()
    amount = serializers.IntegerField()
    overageAmount = serializers.IntegerField(source="overage_amount")
    reasonCode = serializers.CharField(source="reason_code")
    occurredAt = InstantField(source="occurred_at")
    advisory = serializers.BooleanField(help_text="Would have been refused if quotas were enforced.")
    reversesId = serializers.IntegerField(source="reverses_id", allow_null=True)
    operationKey = serializers.CharField(source="operation_key")
    requestId = serializers.CharField(source="request_id")
    paidBy = ShareAnswer(source="paid_by", many=True)


class ExplanationAnswer(serializers.Serializer[Any]):
    """Everything about one limit. Open lots come first, in the order they burn; operations the latest first."""

    billableEntity = BillableEntityAnswer(source="entity")
    generatedAt = InstantField(source="generated_at")
    limitation = LimitationAnswer()
    lots = LotAnswer(many=True)
    operations = OperationAnswer(many=True)
    steps = serializers.ListField(child=serializers.CharField())


present = presenter(ExplanationAnswer)


class ExplainView(BillingView):
    """Why one limit is what it is."""

    @extend_schema(
        operation_id="explain_limitation",
        tags=["limits"],
        summary="Why the number is what it is, in one sentence per step",
        parameters=[
            OpenApiParameter("code", OpenApiTypes.STR, OpenApiParameter.PATH, description="Code of the limit."),
            *SELECTORS,
        ],
        responses={200: ExplanationAnswer, **FAILURES},
    )
    def get(self, request: Request, code: str) -> Response:
        at = now()
        subject = read_subject(request, now=at)
        try:
            found = explain(subject, code, now=at)
        except Invalid as unknown:
            raise NotFound("There is no such limit.") from unknown
        return Response(present(found))
