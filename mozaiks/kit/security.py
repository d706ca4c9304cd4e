"""The content security policy: our own files only; looser under ``/admin/``, whose theme evaluates expressions."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"
COMMON = (
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; "
)
EVERYWHERE = COMMON + "script-src 'self'"
ADMIN = COMMON + "script-src 'self' 'unsafe-inline' 'unsafe-eval'"


def policy_for(path: str) -> str:
    return ADMIN if path.startswith("/admin/") else EVERYWHERE


@sync_and_async_middleware
def content_security_policy(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Set the policy on every answer that does not bring its own."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            response.headers.setdefault(HEADER, policy_for(request.path))
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        response.headers.setdefault(HEADER, policy_for(request.path))
        return response

    return answer
