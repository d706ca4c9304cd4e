"""
The one HTTP shape of failure: ``{"error", "code", "details": {"code", …}, "fieldErrors"?}``.

Kinds of ``kit.errors`` and what Django and REST framework raise by themselves all leave through here.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from mozaiks.kit import errors
from mozaiks.kit.db import is_transient

STATUS_BY_KIND: dict[str, int] = {
    errors.Invalid.kind: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated.kind: HTTPStatus.UNAUTHORIZED,
    errors.PaymentRequired.kind: HTTPStatus.PAYMENT_REQUIRED,
    errors.Denied.kind: HTTPStatus.FORBIDDEN,
    errors.NotFound.kind: HTTPStatus.NOT_FOUND,
    errors.Conflict.kind: HTTPStatus.CONFLICT,
    errors.LengthRequired.kind: HTTPStatus.LENGTH_REQUIRED,
    errors.TooLarge.kind: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Unprocessable.kind: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitReached.kind: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotSupported.kind: HTTPStatus.NOT_IMPLEMENTED,
    errors.Upstream.kind: HTTPStatus.BAD_GATEWAY,
    errors.Unavailable.kind: HTTPStatus.SERVICE_UNAVAILABLE,
}
CODE_BY_STATUS: dict[int, str] = {
    400: errors.Invalid.default_code,
    401: errors.Unauthenticated.default_code,
    403: errors.Denied.default_code,
    404: errors.NotFound.default_code,
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
}
# What REST framework calls errors that belong to no single field.
WHOLE_INPUT = {"non_field_errors", "detail"}


def envelope(
    message: str,
    *,
    code: str,
    details: Mapping[str, Any] | None = None,
    field_errors: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """The body of every failure. ``details`` repeats the code, and the field errors where there are any."""
    body: dict[str, Any] = {"error": message, "code": code, "details": {**(details or {}), "code": code}}
    if field_errors:
        body["fieldErrors"] = body["details"]["fieldErrors"] = dict(field_errors)
    return body


def status_of(failure: errors.Failure) -> int:
    return STATUS_BY_KIND.get(failure.kind, HTTPStatus.INTERNAL_SERVER_ERROR)


def failure_body(failure: errors.Failure) -> dict[str, Any]:
    return envelope(failure.message, code=failure.code, details=failure.details, field_errors=failure.field_errors)


def failure_headers(failure: errors.Failure) -> dict[str, str]:
    if status_of(failure) == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer", **failure.headers}
    return failure.headers


def failure_response(failure: errors.Failure) -> JsonResponse:
    """The same answer for views that are not REST framework's."""
    return JsonResponse(failure_body(failure), status=status_of(failure), headers=failure_headers(failure))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's hook. ``None`` leaves what nobody foresaw to Django, which logs it and answers 500."""
    known = _as_known(error)
    if isinstance(known, errors.Failure):
        return Response(failure_body(known), status=status_of(known), headers=failure_headers(known))
    if isinstance(known, exceptions.APIException):
        return Response(_api_body(known), status=known.status_code, headers=_api_headers(known))
    return None


def _as_known(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return errors.NotFound("There is nothing here.")
    if isinstance(error, PermissionDenied):
        return errors.Denied(str(error) or "You may not do this.")
    if isinstance(error, ValidationError):
        return exceptions.ValidationError(_django_errors(error))
    if isinstance(error, RequestDataTooBig):
        return errors.TooLarge("The body is too long.")
    if isinstance(error, BadRequest | SuspiciousOperation | MultiPartParserError):
        return errors.Invalid("The request is malformed.")
    if isinstance(error, Error) and is_transient(error):
        return errors.Unavailable("The database does not answer now; try again.", headers={"Retry-After": "1"})
    return error


def _django_errors(error: ValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _api_body(error: exceptions.APIException) -> dict[str, Any]:
    code = CODE_BY_STATUS.get(error.status_code, "ERROR")
    if not isinstance(error, exceptions.ValidationError):
        return envelope(str(error.detail), code=code)
    field_errors: dict[str, list[str]] = {}
    whole: list[str] = []
    for path, message in _flat(error.detail):
        if path:
            field_errors.setdefault(path, []).append(message)
        else:
            whole.append(message)
    named = [f"{path}: {message}" for path, messages in field_errors.items() for message in messages]
    return envelope(" ".join([*whole, *named]), code=code, field_errors=field_errors)


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested errors as pairs of a path such as ``items[0].amount`` and a sentence."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name in WHOLE_INPUT else _below(path, name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flat(inner, _below(path, index) if nested else path)
    else:
        yield path, str(detail)


def _below(path: str, part: str | int) -> str:
    """The path of an element (by its number) or of a field (by its name) of what is at ``path``."""
    return f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}".lstrip(".")


def _api_headers(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(ceil(wait))
    return headers


@csrf_exempt
def no_such_door(request: HttpRequest, anything: str = "") -> HttpResponse:
    """Under ``/api/`` nothing else answers, and a program gets the envelope, with DEBUG too."""
    return failure_response(errors.NotFound("There is nothing here."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 404: the envelope under ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return no_such_door(request)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 400, for what no view got to see: the envelope under ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return failure_response(errors.Invalid("The request is malformed."))
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500: the envelope under ``/api/``, a page elsewhere; what went wrong is in the log alone."""
    if request.path.startswith("/api/"):
        body = envelope("Something went wrong on our side.", code=CODE_BY_STATUS[500])
        return JsonResponse(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)
