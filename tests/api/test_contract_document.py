"""``docs/contracts.md`` says what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from django.test import Client

from billing import errors as billing_errors
from billing.api.answers import LimitationAnswer, LimitationsAnswer
from billing.api.checks import DecisionAnswer, UnlockAnswer
from billing.api.explanations import ExplanationAnswer, LotAnswer, OperationAnswer
from billing.api.plan_state import PlanSettingsAnswer, PlanStateAnswer
from billing.payments.connectors import base as connectors
from mozaiks.kit import errors
from mozaiks.kit.api import CODE_BY_STATUS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
#: The answers of the doors; what follows them are events of the socket.
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[:2]]
#: Kinds that never leave the house under their own code.
INNER = {"FAILURE", "LIMIT_REACHED", "NOT_SUPPORTED", "PAYMENT_REQUIRED", "UPSTREAM_FAILED", "TOO_MANY_REQUESTS"}


def test_the_examples_have_the_fields_of_the_answers() -> None:
    limitations, decision = EXAMPLES

    assert list(limitations) == list(LimitationsAnswer().fields)
    assert list(limitations["limitations"][0]) == list(LimitationAnswer().fields)
    assert list(decision) == list(DecisionAnswer().fields)
    assert list(decision["unlock"][0]) == list(UnlockAnswer().fields)


def test_the_fields_of_explanations_and_plan_states_are_named_in_their_order() -> None:
    told = re.sub(r"[\s`]+", " ", DOCUMENT)

    for serializer in (ExplanationAnswer, LotAnswer, OperationAnswer, PlanStateAnswer, PlanSettingsAnswer):
        order = [rf"\b{name}\b" for name in serializer().fields]
        assert re.search(r"\{" + r"[^;]*?".join(order), told), serializer.__name__


def test_every_code_has_its_row_and_every_row_is_a_code() -> None:
    table = DOCUMENT.partition("## Errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .*? \| .*? \| `([A-Za-z_]+)` \|", table, re.MULTILINE)
    modules: list[Any] = [errors, billing_errors, connectors]
    codes = {
        kind.default_code
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, errors.Failure)
    }

    assert set(rows) == (codes | set(CODE_BY_STATUS.values()) | {"NOT_CONFIGURED", "INVALID_INTERNAL_KEY"}) - INNER


def test_every_door_it_names_is_there() -> None:
    paths = Client().get("/api/schema").json()["paths"]
    named = set(re.findall(r"`(GET|POST) (/api/(?:billing|wallet)[^`?]*)`", DOCUMENT))

    assert named
    assert {(method, path) for method, path in named if method.lower() not in paths.get(path, {})} == set()
