"""Gives every request an id that its log lines, its decisions and its answer carry."""

import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from structlog.contextvars import bound_contextvars

HEADER = "X-Request-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

Answer = HttpResponse | Awaitable[HttpResponse]


def request_id_of(request: HttpRequest) -> str:
    """The id this request was given, empty outside :func:`request_id`."""
    return str(getattr(request, "mozaiks_request_id", ""))


@sync_and_async_middleware
def request_id(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Answer]:
    """Keep the caller's ``X-Request-Id`` where it is harmless, else make one up; send it back."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with _named(request):
                response: HttpResponse = await get_response(request)
            response[HEADER] = request_id_of(request)
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        with _named(request):
            response: HttpResponse = get_response(request)
        response[HEADER] = request_id_of(request)
        return response

    return answer


def _named(request: HttpRequest) -> AbstractContextManager[Any]:
    given = request.headers.get(HEADER, "")
    name = given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
    request.mozaiks_request_id = name  # type: ignore[attr-defined]
    return bound_contextvars(request_id=name)
