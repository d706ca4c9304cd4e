"""
Gives every request an id that its log lines, its decisions and its answer carry, and knows which one is served just now.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from structlog.contextvars import bound_contextvars

HEADER = "X-Request-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

_current: ContextVar[HttpRequest | None] = ContextVar("mozaiks_request", default=None)

Answer = HttpResponse | Awaitable[HttpResponse]


def request_id_of(request: HttpRequest) -> str:
    """The id this request was given, empty outside :func:`request_id`."""
    return str(getattr(request, "mozaiks_request_id", ""))


def current_request() -> HttpRequest | None:
    """The request that is served just now; None outside one, as in a command or a worker."""
    return _current.get()


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


@contextmanager
def _named(request: HttpRequest) -> Iterator[None]:
    given = request.headers.get(HEADER, "")
    name = given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
    request.mozaiks_request_id = name  # type: ignore[attr-defined]
    served = _current.set(request)
    try:
        with bound_contextvars(request_id=name):
            yield
    finally:
        _current.reset(served)
