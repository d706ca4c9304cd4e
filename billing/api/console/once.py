"""What staff do over HTTP is done once: the key is that of the request, the first answer is kept with its effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES
from billing.api.doors import FAILURES
from billing.api.keyed import keyed_command_of
from billing.entitlements.deeds import once
from billing.entitlements.manual import ByHand
from billing.models import BillableEntity
from billing.payments.idempotency import Answer
from mozaiks.kit.commands import HEADERS, mark_replay
from mozaiks.kit.fields import TextField

LONGEST_REASON = 2000

KEY = OpenApiParameter(
    HEADERS[0],
    {"type": "string", "minLength": 1, "maxLength": 191, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 191 visible ASCII characters: a repeat gets the first answer back and changes nothing.",
)
DEED_FAILURES = LIST_FAILURES | {
    404: FAILURES[404],
    409: OpenApiResponse(
        OpenApiTypes.OBJECT, "The key came with other content, or the state of things contradicts it."
    ),
}


PROVIDER_FAILURES = DEED_FAILURES | {
    501: OpenApiResponse(OpenApiTypes.OBJECT, "The provider, or what speaks to it here, cannot do this."),
    502: OpenApiResponse(OpenApiTypes.OBJECT, "The provider refused, or did not answer: the same key again tells."),
}


class Reasoned(serializers.Serializer[Any]):
    """Whatever staff do is done for a reason, which the customer's timeline keeps."""

    reason = TextField(max_length=LONGEST_REASON, help_text="Why. Kept with your name.")


def by_of(request: Request, said: dict[str, Any]) -> ByHand:
    """Who does it, and why."""
    return ByHand(actor=request.user.get_username(), reason=said["reason"])


def said_in(request: Request, body: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """:raises ValidationError: the body breaks a rule."""
    read = body(data=request.data)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def answer_once(
    request: Request,
    entity: BillableEntity,
    name: str,
    work: Callable[[], dict[str, Any]],
    *,
    now: datetime,
    made: bool = False,
) -> Response:
    """
    Do ``work`` in one transaction with the request's key and answer what it returns; a repeat gets the first answer.

    :raises IdempotencyKeyRequired: there is no key. :raises IdempotencyConflict: it came with other content.
    """
    command = keyed_command_of(request)
    deed = once(
        entity,
        name,
        operation_key=command.operation_key or "",
        content={"request": command.fingerprint},
        work=work,
        now=now,
    )
    response = Response(deed.answer, status=status.HTTP_201_CREATED if made else status.HTTP_200_OK)
    mark_replay(response, replayed=deed.replayed)
    return response


def replied(answer: Answer) -> Response:
    """What was answered, now or before."""
    response = Response(answer.body, status=answer.status_code)
    mark_replay(response, replayed=answer.replayed)
    return response
