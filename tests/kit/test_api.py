"""One shape for every failure, whoever raised it."""

from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.test import Client
from rest_framework import exceptions, serializers
from rest_framework.test import APIClient

from mozaiks.kit import errors
from mozaiks.kit.api import exception_handler, failure_response


def answer(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = exception_handler(error, {})
    assert response is not None
    assert isinstance(response.data, dict)
    return response.status_code, response.data, dict(response.items())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.Invalid, 400),
        (errors.Unauthenticated, 401),
        (errors.PaymentRequired, 402),
        (errors.Denied, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.LengthRequired, 411),
        (errors.TooLarge, 413),
        (errors.Unprocessable, 422),
        (errors.LimitReached, 429),
        (errors.NotSupported, 501),
        (errors.Upstream, 502),
        (errors.Unavailable, 503),
    ],
)
def test_each_kind_has_its_status_and_repeats_its_code(kind: type[errors.Failure], status: int) -> None:
    got, body, _ = answer(kind("A sentence.", details={"used": 3}))

    assert got == status
    assert body == {
        "error": "A sentence.",
        "code": kind.default_code,
        "details": {"used": 3, "code": kind.default_code},
    }


def test_a_failure_brings_code_headers_and_field_errors() -> None:
    failure = errors.LimitReached(
        "Full.", code="FULL", headers={"Retry-After": "7"}, field_errors={"amount": ["Too much."]}
    )

    status, body, headers = answer(failure)

    assert (status, body["code"], headers["Retry-After"]) == (429, "FULL", "7")
    assert body["fieldErrors"] == body["details"]["fieldErrors"] == {"amount": ["Too much."]}


def test_a_serializers_errors_name_field_and_rule_with_a_path() -> None:
    class Item(serializers.Serializer[Any]):
        unitAmount = serializers.IntegerField(source="unit_amount")  # noqa: N815 - the name on the wire

    class Order(serializers.Serializer[Any]):
        items = Item(many=True)

    order = Order(data={"items": [{"unitAmount": 1}, {"unitAmount": "x"}]})
    order.is_valid()

    _, body, _ = answer(exceptions.ValidationError(order.errors))

    assert body["code"] == "INVALID_REQUEST"
    assert body["fieldErrors"] == {"items[1].unitAmount": ["A valid integer is required."]}
    assert body["error"] == "items[1].unitAmount: A valid integer is required."


def test_an_error_of_the_whole_input_is_the_sentence() -> None:
    _, body, _ = answer(exceptions.ValidationError({"non_field_errors": ["Start must precede end."]}))

    assert body["error"] == "Start must precede end."
    assert "fieldErrors" not in body


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "NOT_FOUND"),
        (PermissionDenied(), 403, "PERMISSION_DENIED"),
        (SuspiciousOperation(), 400, "INVALID_REQUEST"),
        (MultiPartParserError(), 400, "INVALID_REQUEST"),
        (RequestDataTooBig(), 413, "PAYLOAD_TOO_LARGE"),
        (DjangoValidationError({"name": ["Too long."]}), 400, "INVALID_REQUEST"),
        (exceptions.ParseError(), 400, "INVALID_REQUEST"),
        (exceptions.NotAuthenticated(), 401, "NOT_AUTHENTICATED"),
        (exceptions.AuthenticationFailed(), 401, "NOT_AUTHENTICATED"),
        (exceptions.MethodNotAllowed("PUT"), 405, "METHOD_NOT_ALLOWED"),
        (exceptions.UnsupportedMediaType("text/xml"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (exceptions.Throttled(wait=3), 429, "TOO_MANY_REQUESTS"),
        (OperationalError(2006, "gone"), 503, "UNAVAILABLE"),
    ],
)
def test_what_django_and_rest_framework_raise_has_the_same_shape(error: Exception, status: int, code: str) -> None:
    got, body, _ = answer(error)

    assert (got, body["code"], body["details"]["code"]) == (status, code, code)
    assert body["error"]


def test_a_throttle_says_when_to_return() -> None:
    assert answer(exceptions.Throttled(wait=2.1))[2]["Retry-After"] == "3"


def test_what_nobody_foresaw_is_left_to_django() -> None:
    assert exception_handler(RuntimeError("bug"), {}) is None


def test_plain_views_answer_the_same() -> None:
    response = failure_response(errors.Unauthenticated("Who are you?"))

    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_a_door_that_does_not_exist_answers_programs_in_the_envelope(api: APIClient, method: str) -> None:
    response = getattr(api, method)("/api/nothing/here", headers={"Cookie": "csrftoken=x"})

    assert response.status_code == 404
    assert response.json()["code"] == "NOT_FOUND"


def test_a_page_that_does_not_exist_is_a_page(client: Client) -> None:
    response = client.get("/nothing")

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
