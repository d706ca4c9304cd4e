"""``GET /api/billing/limitations`` and ``POST /api/billing/limits/refresh``: every limit, right at this instant."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.answers import LimitationsAnswer, present_limitations
from billing.api.doors import FAILURES, SELECTORS, WRITE_FAILURES, BillingView
from billing.api.subject import read_subject, write_subject
from billing.entitlements.balances import recompute
from billing.entitlements.limitations import resolve_effective_limitations
from mozaiks.kit.caching import answer_unless_known, etag_of
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Invalid

CODES = OpenApiParameter(
    "codes", OpenApiTypes.STR, OpenApiParameter.QUERY, description="Only these limits, separated by commas."
)
KNOWN = OpenApiParameter(
    "If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The `ETag` of an earlier answer."
)
TAG = OpenApiParameter(
    "ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 304], description="For `If-None-Match`."
)
MOST_CODES = 200


class LimitationsView(BillingView):
    """All limits of an entity."""

    @extend_schema(
        operation_id="list_limitations",
        tags=["limits"],
        summary="Every limit, with what is granted, used, held and left",
        description="Right at the instant of the question. Active limits that something here uses, with zeros where nothing "
        "was ever granted, sorted by code. Nothing is written.",
        parameters=[*SELECTORS, CODES, KNOWN, TAG],
        responses={
            200: LimitationsAnswer,
            304: OpenApiResponse(description="Nothing a client can see has changed."),
            **FAILURES,
        },
    )
    def get(self, request: Request) -> Response:
        at = now()
        subject = read_subject(request, now=at)
        body = present_limitations(resolve_effective_limitations(subject, now=at, codes=wanted_codes(request)))
        return answer_unless_known(request, body, etag=etag_of(lasting(body)))


class RefreshView(BillingView):
    """Rebuild what is known of an entity's limits."""

    @extend_schema(
        operation_id="refresh_limitations",
        tags=["limits"],
        summary="Rebuild the balances from the ledger, and answer the limits",
        description="Needs the permission `workspace.billing.manage` where the entity is a workspace's.",
        parameters=[*SELECTORS],
        request=None,
        responses={200: LimitationsAnswer, **WRITE_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        subject = write_subject(request, now=at)
        recompute(subject, now=at)
        return Response(present_limitations(resolve_effective_limitations(subject, now=at)))


def wanted_codes(request: Request) -> list[str] | None:
    """
    The codes of ``?codes=a,b``; None is all of them.

    :raises Invalid: the parameter is there and names nothing, or more than anybody has.
    """
    given = request.query_params.getlist("codes")
    if not given:
        return None
    codes = [code.strip() for text in given for code in text.split(",") if code.strip()]
    if not 1 <= len(codes) <= MOST_CODES:
        rule = f"Name 1 to {MOST_CODES} limits, separated by commas."
        raise Invalid(f"codes: {rule}", field_errors={"codes": [rule]})
    return codes


def lasting(body: dict[str, Any]) -> dict[str, Any]:
    """
    The answer without what moves by itself: when it was made, and where the span of a rolling limit begins.

    When a limit was last computed is left out too: whatever is written raises its version.
    """
    limitations = [
        {
            name: value
            for name, value in each.items()
            if name != "lastRecomputedAt" and not (name == "windowStartAt" and each["windowAnchor"] == "rolling")
        }
        for each in body["limitations"]
    ]
    return {**body, "generatedAt": None, "limitations": limitations}
