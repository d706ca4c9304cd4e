"""The OpenAPI description is valid, complete and without warnings, and its page works from our own files alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from mozaiks.kit.schema import ENVELOPE, REFERENCE
from tests.api.routes import doors

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    answer: dict[str, Any] = Client().get("/api/schema").json()
    return answer


def operations(schema: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_it_is_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_it_is_openapi_31_and_valid(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)


def test_every_door_is_described_once(schema: dict[str, Any]) -> None:
    left_out = re.compile(r"api/(schema|docs|gadgets/.*|<path:anything>|v1/((console/)?billing/.*|wallet))")
    described = {(method.upper(), path.strip("/")) for method, path in operations(schema)}

    expected = {
        (method, re.sub(r"<\w+:(\w+)>", r"{\1}", route)) for method, route in doors() if not left_out.fullmatch(route)
    }

    assert described == expected


def test_every_failure_has_the_envelope(schema: dict[str, Any]) -> None:
    envelope = schema["components"]["schemas"][ENVELOPE]
    assert envelope["required"] == ["error", "code", "details"]

    for operation in ours(schema):
        for status, response in operation["responses"].items():
            if status == "default" or status.startswith(("4", "5")):
                assert response["content"]["application/json"]["schema"] == REFERENCE


def ours(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Operations whose contract is ours; those tagged ``runtime`` speak the language of existing clients."""
    return [operation for operation in operations(schema).values() if "runtime" not in operation["tags"]]


def test_every_operation_says_what_it_does_and_how_to_come_in(schema: dict[str, Any]) -> None:
    for operation in operations(schema).values():
        assert operation["summary"]
        assert operation["tags"]
        if operation["tags"] == ["webhooks"]:  # who signs what it sends does not sign in
            assert "security" not in operation
            continue
        assert {"bearerToken": []} in operation["security"]
        assert {"cookieAuth": []} in operation["security"]


def test_operations_have_names_of_their_own(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(schema).values()]

    assert sorted(set(names)) == sorted(names)


def test_names_on_the_wire_are_in_camel_case(schema: dict[str, Any]) -> None:
    names = {name for component in components_of(ours(schema), schema) for name in component.get("properties", {})}

    assert "limitations" in names
    assert [name for name in sorted(names) if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", name)] == []


def components_of(wanted: Any, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """All components that ``wanted`` refers to, over however many steps."""
    known: dict[str, dict[str, Any]] = {}
    waiting = [wanted]
    while waiting:
        for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(waiting.pop())):
            if name not in known:
                known[name] = schema["components"]["schemas"][name]
                waiting.append(known[name])
    return list(known.values())


class TestPage:
    def test_it_loads_nothing_from_elsewhere_and_nothing_inline(self) -> None:
        response = Client().get("/api/docs")
        page = response.content.decode()

        assert "unsafe-inline" not in re.search(r"script-src [^;]*", response["Content-Security-Policy"])[0]  # type: ignore[index]
        assert re.findall(r'(?:src|href)="(?!/static/|/api/docs)[^"]*"', page) == []
        assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []

    def test_its_script_brings_the_token_against_forgery(self) -> None:
        client = Client()
        script = client.get("/api/docs?script=").content.decode()

        assert 'request.headers["X-CSRFTOKEN"] = "' in script
        assert "csrftoken" in client.cookies

    def test_there_are_fields_for_a_token_and_for_a_key(self, schema: dict[str, Any]) -> None:
        schemes = schema["components"]["securitySchemes"]

        assert (schemes["bearerToken"]["type"], schemes["bearerToken"]["scheme"]) == ("http", "bearer")
        assert (schemes["internalKey"]["type"], schemes["internalKey"]["name"]) == ("apiKey", "X-Internal-API-Key")
