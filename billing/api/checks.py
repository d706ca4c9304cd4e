"""``POST /api/billing/limitations/check``: what would be decided about several requests, without consuming anything."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.answers import ENFORCEMENTS, INTERVALS
from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.subject import read_subject
from billing.entitlements.asking import Question, answer
from mozaiks.kit.clock import now
from mozaiks.kit.fields import InstantField, TextField, WholeNumberField, presenter

MOST_ITEMS = 50
CODE_LENGTH = 120
#: Above what the engine books in one piece.
MOST_UNITS = 2**62 - 1


class QuestionBody(serializers.Serializer[Any]):
    """A capability or a limitation, and how many units."""

    capability = TextField(max_length=CODE_LENGTH, required=False, help_text="An action, such as `projects.create`.")
    code = TextField(max_length=CODE_LENGTH, required=False, help_text="Or a limitation, such as `projects.max`.")
    amount = WholeNumberField(
        min_value=1, max_value=MOST_UNITS, required=False, help_text="Units; as the capability declares, else 1."
    )

    def to_internal_value(self, data: Any) -> Any:
        """:raises ValidationError: also for a field that is none of ours: a misspelt amount would be asked about as 1."""
        strangers = sorted(data.keys() - self.fields.keys()) if isinstance(data, dict) else []
        if strangers:
            raise serializers.ValidationError({name: ["There is no such field."] for name in strangers})
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """:raises ValidationError: neither or both are named."""
        if len(attrs.keys() & {"capability", "code"}) != 1:
            raise serializers.ValidationError("Give either a capability or a code.")
        return attrs


class CheckBody(serializers.Serializer[Any]):
    """What is asked."""

    items: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=QuestionBody(), allow_empty=False, max_length=MOST_ITEMS
    )


class UnlockAnswer(serializers.Serializer[Any]):
    """A plan or product after which the request would fit. Prices in minor units; null where it has none."""

    type = serializers.ChoiceField(choices=["plan", "product"])
    code = serializers.CharField()
    name = serializers.CharField()
    amountAfter = serializers.IntegerField(source="amount_after", allow_null=True)
    priceMinor = serializers.IntegerField(source="price_minor", allow_null=True)
    currency = serializers.CharField()


class DecisionAnswer(serializers.Serializer[Any]):
    """What would be decided. ``limit`` and ``remaining`` null: unlimited."""

    limitationCode = serializers.CharField(source="limitation", help_text="The limit that decided.")
    allowed = serializers.BooleanField()
    code = serializers.CharField(help_text="`OK`, or the code of the refusal; also where it is allowed all the same.")
    reason = serializers.CharField()
    requestedAmount = serializers.IntegerField(source="requested_amount")
    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    held = serializers.IntegerField()
    remaining = serializers.IntegerField(allow_null=True)
    overBy = serializers.IntegerField(source="over_by")
    enforcement = serializers.ChoiceField(choices=ENFORCEMENTS)
    interval = serializers.ChoiceField(choices=INTERVALS, allow_null=True)
    windowEndAt = InstantField(source="window_end_at", allow_null=True)
    retryAfterSeconds = serializers.IntegerField(source="retry_after_seconds", allow_null=True)
    lockState = serializers.CharField(source="lock_state")
    unlock = UnlockAnswer(many=True)


class CheckAnswer(serializers.Serializer[Any]):
    """A decision for each question, in their order."""

    items = DecisionAnswer(many=True)


present = presenter(DecisionAnswer)


class CheckView(BillingView):
    """Ask before acting."""

    @extend_schema(
        operation_id="check_limitations",
        tags=["limits"],
        summary="Would these requests fit?",
        description="Nothing is consumed, and questions do not add up. Between the answer and the act others may come first: "
        "only the act itself decides.",
        parameters=[*SELECTORS],
        request=CheckBody,
        responses={
            200: CheckAnswer,
            **FAILURES,
            409: OpenApiResponse(OpenApiTypes.OBJECT, "The limit of a capability is not configured here."),
        },
    )
    def post(self, request: Request) -> Response:
        at = now()
        subject = read_subject(request, now=at)
        body = CheckBody(data=request.data)
        body.is_valid(raise_exception=True)
        questions = [Question(**item) for item in body.validated_data["items"]]
        return Response({"items": [present(decision) for decision in answer(subject, questions, now=at)]})
