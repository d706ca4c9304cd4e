"""``POST /api/billing/webhooks/{provider}``: what payment providers tell. The signature is who they are; nobody signs in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.payments import telemetry, webhooks
from billing.payments.connectors.base import BadSignature
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Failure, LimitReached, TooLarge
from mozaiks.kit.parsers import MOST_BYTES
from mozaiks.kit.rates import Rate

log = structlog.get_logger(__name__)

#: Digits of a length that anybody means.
LONGEST_LENGTH = 12

#: Forged events a minute after which they are only told to stop. Verified ones are not counted and never refused, so that
#: nobody keeps a provider out.
FORGERIES = Rate(most=120, seconds=60)


class TooManyForgeries(LimitReached):
    """Too many requests with a bad signature lately."""

    default_code = "TOO_MANY_REQUESTS"


class AnyAnswerWill(BaseContentNegotiation):
    """A provider reads the status; whatever it says it accepts is no reason to lose an event."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        """Nothing here reads but the view itself."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class WebhookAnswer(serializers.Serializer[Any]):
    """``fresh`` is false for an event that was known already."""

    received = serializers.BooleanField()
    fresh = serializers.BooleanField()


class WebhookView(APIView):
    """The door of payment providers: the event is stored before it is answered, and handled then or later."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = ()
    content_negotiation_class = AnyAnswerWill

    @extend_schema(
        operation_id="receive_webhook",
        tags=["webhooks"],
        summary="What a payment provider tells",
        auth=[],
        parameters=[
            OpenApiParameter("provider", OpenApiTypes.STR, OpenApiParameter.PATH, enum=["mock", "managed", "stripe"]),
            OpenApiParameter(
                "Stripe-Signature", OpenApiTypes.STR, OpenApiParameter.HEADER, description="Of stripe: `t=…,v1=…`."
            ),
            OpenApiParameter(
                "webhook-signature",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="Of the others, with `webhook-id` and `webhook-timestamp`: the Standard Webhooks scheme.",
            ),
        ],
        request={"application/json": OpenApiTypes.OBJECT},
        responses={
            200: OpenApiResponse(WebhookAnswer, "The event was known already."),
            202: OpenApiResponse(WebhookAnswer, "The event is stored."),
            400: OpenApiResponse(OpenApiTypes.OBJECT, "The signature fits no secret, or what was signed is no event."),
            404: OpenApiResponse(OpenApiTypes.OBJECT, "There is no such provider."),
            411: OpenApiResponse(OpenApiTypes.OBJECT, "The body came without its length."),
            413: OpenApiResponse(OpenApiTypes.OBJECT, "The body is longer than a mebibyte."),
            429: OpenApiResponse(OpenApiTypes.OBJECT, "The signature is bad, as that of too many others lately."),
            503: OpenApiResponse(OpenApiTypes.OBJECT, "No secret of this provider is configured."),
        },
    )
    def post(self, request: Request, provider: str) -> Response:
        at = now()
        try:
            received = webhooks.receive(provider, body_of(request), request.headers, now=at)
        except Failure as failure:
            telemetry.REFUSED.labels(provider=_known(failure, provider), code=failure.code).inc()
            if isinstance(failure, BadSignature) and not FORGERIES.take():
                raise TooManyForgeries(failure.message, headers={"Retry-After": "60"}) from failure
            raise
        if received.fresh:
            _process(received.event_id, at)
        return Response({"received": True, "fresh": received.fresh}, status=202 if received.fresh else 200)


def body_of(request: Request) -> bytes:
    """
    The bytes that were signed, read no further than a mebibyte whatever their announced length.

    :raises TooLarge: there are more, or more are announced.
    """
    announced = str(request.META.get("CONTENT_LENGTH") or "")
    if announced.isdecimal() and (len(announced) > LONGEST_LENGTH or int(announced) > MOST_BYTES):
        raise TooLarge(f"The body is longer than {MOST_BYTES} bytes.")
    body: bytes = request._request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise TooLarge(f"The body is longer than {MOST_BYTES} bytes.")
    return body


def _process(event_id: int, at: datetime) -> None:
    """At once, since most events can be. The event is kept: whatever goes wrong here is the worker's to mend."""
    try:
        webhooks.process(event_id, now=at)
    except Exception:
        log.exception("webhook_left_to_worker", event_id=event_id)


def _known(failure: Failure, provider: str) -> str:
    """The label of a provider that does not exist would be anybody's to choose."""
    return "unknown" if failure.kind == "not_found" else provider
