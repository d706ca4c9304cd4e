"""The doors of annuity: one calculation, and the history of them."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annuity import services
from annuity.fields import InstantField, NumberField, StrictBooleanField, WholeNumberField, WordField
from annuity.formula import Mode, Terms, Timing
from annuity.models import AnnuityCalculation
from annuity.parsers import ExactJSONParser
from billing import limits
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Invalid
from mozaiks.workspaces import access, roles
from mozaiks.workspaces.models import Workspace

WORKSPACE_HEADER = OpenApiParameter(
    "x-workspace-slug", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="Whose limits apply."
)
KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 191 visible ASCII characters: a repeat gets the first answer back and uses nothing.",
)


def failures(**sentences: str) -> dict[int, OpenApiResponse]:
    """The refusals of a door, in the envelope of every error; keys are ``s404``."""
    known = {
        400: "The request breaks a rule; `fieldErrors` names fields and rules.",
        401: "Nobody is signed in.",
        402: "The access of the workspace has run out, and the settings lock it then.",
        403: "The role in the workspace does not allow this.",
        404: "There is no such workspace.",
    } | {int(key[1:]): sentence for key, sentence in sentences.items()}
    return {status: OpenApiResponse(OpenApiTypes.OBJECT, sentence) for status, sentence in sorted(known.items())}


class CalculationQuestion(serializers.Serializer[Any]):
    """What to value. Numbers may be JSON numbers or strings; both are read exactly as written."""

    mode = WordField(choices=[mode.value for mode in Mode], help_text="Future or present value.")
    timing = WordField(choices=[timing.value for timing in Timing], help_text="End or start of each period.")
    payment = NumberField(help_text="The first payment, above 0.")
    annualRate = NumberField(source="annual_rate", help_text="Percent a year, nominal, above -100.")
    annualGrowthRate = NumberField(
        source="annual_growth_rate",
        required=False,
        allow_null=True,
        help_text="Percent a year by which payments grow, effective, above -100; 0 when absent.",
    )
    years = NumberField(
        required=False, allow_null=True, help_text="Above 0 and at most 10000; only a perpetuity goes without."
    )
    paymentsPerYear = WholeNumberField(source="payments_per_year", help_text="1 to 365.")
    isPerpetual = StrictBooleanField(
        source="is_perpetual", required=False, allow_null=True, help_text="Payments never end; mode pv only."
    )

    def terms(self) -> Terms:
        """
        The validated question as the formula takes it.

        :raises ValidationError: for what is no number, no known word, or missing.
        """
        self.is_valid(raise_exception=True)
        given = {name: value for name, value in self.validated_data.items() if value is not None}
        return Terms(**given | {"mode": Mode(given["mode"]), "timing": Timing(given["timing"])})


class CalculationAnswer(serializers.Serializer[AnnuityCalculation]):
    """A calculation as it is answered, stored under the request's key, and listed. Numbers are fixed-point text."""

    historyId = serializers.UUIDField(source="id")
    mode = serializers.CharField(source="inputs.mode")
    timing = serializers.CharField(source="inputs.timing")
    payment = serializers.CharField(source="inputs.payment")
    annualRate = serializers.CharField(source="inputs.annual_rate")
    annualGrowthRate = serializers.CharField(source="inputs.annual_growth_rate")
    years = serializers.CharField(source="inputs.years", allow_null=True)
    paymentsPerYear = serializers.IntegerField(source="inputs.payments_per_year")
    isPerpetual = serializers.BooleanField(source="inputs.is_perpetual")
    periodicRate = serializers.CharField(source="result.periodic_rate")
    periodicGrowthRate = serializers.CharField(source="result.periodic_growth_rate")
    totalPeriods = serializers.CharField(source="result.total_periods", allow_null=True)
    value = serializers.CharField(source="result.value")
    warnings = serializers.ListField(child=serializers.CharField(), source="result.warnings")
    assumptions = serializers.ListField(child=serializers.CharField(), source="result.assumptions")


class HistoryEntry(CalculationAnswer):
    """A calculation of the past, with when and by whom."""

    createdAt = InstantField(source="created_at", read_only=True)
    createdBy = serializers.IntegerField(source="created_by_id", allow_null=True)


class HistoryPage(serializers.Serializer[Any]):
    """One page of the history, newest first."""

    entries = HistoryEntry(many=True)
    page = serializers.IntegerField()
    pageSize = serializers.IntegerField(source="page_size")
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField(source="total_pages")


class PageQuery(serializers.Serializer[Any]):
    """Which page is asked for."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    pageSize = serializers.IntegerField(source="page_size", min_value=1, max_value=100, default=25)


class CalculatorView(APIView):
    """Value a series of payments."""

    parser_classes = [ExactJSONParser]

    @extend_schema(
        operation_id="calculate_annuity",
        tags=["annuity"],
        summary="Value a series of payments that may grow",
        description="Uses one calculation of the month when it succeeds, and nothing when it does not.",
        parameters=[WORKSPACE_HEADER, KEY_HEADER],
        request=CalculationQuestion,
        responses={
            200: CalculationAnswer,
            **failures(
                s402="The month's calculations are used up (platform mode), or the access of the workspace has run out.",
                s409="The key was used for another request, or the limit is not configured.",
                s415="The body is not JSON.",
                s422="The value has more digits than can be represented.",
                s429="The month's calculations are used up.",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        workspace = workspace_of(request, roles.ANNUITY_USE)
        execution = services.calculate(
            command=limits.command_of(request),
            terms=CalculationQuestion(data=request.data).terms(),
            workspace_id=workspace.pk,
            user_id=request.user.pk,
            now=now(),
            present=lambda calculation: CalculationAnswer(calculation).data,
        )
        return answer(execution)


class HistoryView(APIView):
    """The calculations of a workspace."""

    @extend_schema(
        operation_id="list_annuity_history",
        tags=["annuity"],
        summary="Past calculations of the workspace, newest first",
        parameters=[WORKSPACE_HEADER, PageQuery],
        responses={200: HistoryPage, **failures()},
    )
    def get(self, request: Request) -> Response:
        workspace = workspace_of(request, roles.ANNUITY_READ)
        query = PageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = services.history(workspace.pk, **query.validated_data)
        return Response(HistoryPage(page).data)


def workspace_of(request: Request, permission: str) -> Workspace:
    """
    The workspace of the ``x-workspace-slug`` header, in which the caller has ``permission``.

    :raises Invalid: without the header.
    :raises NotFound: for a workspace the caller may not know of.
    :raises Denied: when their role does not allow it. :raises Failure: when the gate of the workspace is shut.
    """
    slug = request.headers.get("x-workspace-slug", "")
    if not slug:
        sentence = "Send the slug of the workspace in this header."
        raise Invalid(f"x-workspace-slug: {sentence}", field_errors={"x-workspace-slug": [sentence]})
    return access.enter(request.user, slug, permission, now=now())


def answer(execution: limits.Execution[Any]) -> Response:
    """What was done, or what the first request under the same key was told."""
    response = Response(execution.answer, status=execution.status_code)
    limits.mark_replay(response, replayed=execution.replayed)
    return response
