"""
Asks for the length of a body before anybody reads it.

Neither WSGI nor REST framework reads a body that comes in chunks: it would be taken for an empty one, and a question with
defaults would be answered as if nothing had been said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from mozaiks.kit.api import failure_response
from mozaiks.kit.errors import LengthRequired

Answer = HttpResponse | Awaitable[HttpResponse]


@sync_and_async_middleware
def length_required(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Answer]:
    """411 for a body without ``Content-Length``."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            if _is_without_length(request):
                return _refusal()
            response: HttpResponse = await get_response(request)
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        if _is_without_length(request):
            return _refusal()
        response: HttpResponse = get_response(request)
        return response

    return answer


def _is_without_length(request: HttpRequest) -> bool:
    return "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH")


def _refusal() -> HttpResponse:
    return failure_response(LengthRequired("Send the body with a Content-Length, not in chunks."))
