"""
What nobody would ask: requests made up from the OpenAPI description, good ones and bad ones, at every door.

No answer may be a 5xx, and every answer must be one the description knows. ``MOZAIKS_FUZZ=5000`` sends about that many,
``MOZAIKS_FUZZ_SEED`` chooses others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.payments import by_hand
from billing.payments.connectors import choosing
from mozaiks.kit.errors import NotFound
from mozaiks.workspaces import tokens
from tests import NOON
from tests.api.routes import rows
from tests.api.world import INTERNAL_KEY, World
from tests.payments.scripted import Scripted
from tests.payments.support import Refunding

SEED = int(os.environ.get("MOZAIKS_FUZZ_SEED", "20260221"))
REQUESTS = int(os.environ.get("MOZAIKS_FUZZ", "300"))

schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
OPERATIONS = sum(1 for _ in schema.get_all_operations())
# Two tests for every operation; those of the console have a third.
EXAMPLES = max(1, REQUESTS // OPERATIONS // 2)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)
lightly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture(autouse=True)
def _connection_of_the_test() -> Iterator[None]:
    """Requests come one after the other in the test's own transaction: nobody closes its connection between them."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The owner of a workspace that has lived, with something behind every door, and a provider that can do everything."""
    harmless = Scripted(name="mock")
    monkeypatch.setattr(choosing, "connector", lambda: harmless)
    settings.INTERNAL_API_KEY = [INTERNAL_KEY]
    for provider in ("STRIPE", "MOCK", "MOZAIKS_GATEWAY"):
        setattr(settings, f"{provider}_WEBHOOK_SECRET", ["a-secret-of-some-length"])
    monkeypatch.setattr(choosing, "connector_named", lambda provider: _named(harmless, provider))
    for prepare in dict.fromkeys(row.prepare for row in rows()):
        prepare(world)
    return tokens.issue(world.people["owner"], name="fuzz", now=NOON)[1]


def _named(harmless: Scripted, provider: str) -> Scripted:
    if provider not in {"mock", "stripe", "managed"}:
        raise NotFound("There is no such payment provider.")
    return harmless


@schema.parametrize()
@seed(SEED)
@lightly
def test_in_a_workspace_nothing_breaks(case: Any, token: str) -> None:
    case.headers = only(case.headers, "Idempotency-Key", "If-None-Match")
    case.headers |= {"Authorization": f"Bearer {token}", "x-workspace-slug": "acme"}
    case.query = {name: value for name, value in (case.query or {}).items() if name != "billableEntityId"}
    case.cookies = {}

    case.validate_response(case.call(), checks=CHECKS)


@schema.parametrize()
@seed(SEED)
@lightly
def test_with_any_header_nothing_breaks(case: Any, token: str) -> None:
    case.headers = {"Authorization": f"Bearer {token}", **(case.headers or {})}

    case.validate_response(case.call(), checks=CHECKS)


@schema.include(path_regex="^/api/console/").parametrize()
@seed(SEED)
@lightly
def test_to_an_operator_nothing_breaks(case: Any, token: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else asks stands outside: these doors answer others with one sentence."""
    harmless = Refunding(name="mock")
    monkeypatch.setattr(by_hand, "connector_named", lambda provider: harmless)
    operators = tokens.issue(world.people["operator"], name="fuzz", now=NOON)[1]
    case.headers = only(case.headers, "Idempotency-Key") | {"Authorization": f"Bearer {operators}"}
    case.cookies = {}

    case.validate_response(case.call(), checks=CHECKS)


def only(headers: Any, *names: str) -> dict[str, Any]:
    return {name: value for name, value in (headers or {}).items() if name in names}
