"""The published JSON Schema says what the rules say."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from billing.catalog import exchange, wire
from billing.catalog.document_schema import document_schema, required_of_new
from billing.management.files import written
from tests.factories import DefinitionFactory, PlanTemplateFactory, ProductTemplateFactory

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "catalog.schema.json"
VALIDATOR = Draft202012Validator(document_schema())


def paths(given: dict[str, Any]) -> set[str]:
    return {error.json_path for error in VALIDATOR.iter_errors(given)}


def test_the_published_file_is_the_generated_one() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == written(document_schema()), "manage.py catalog schema writes it"


def test_it_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(json.loads(PUBLISHED.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("section", "names"),
    [("definitions", wire.DEFINITION), ("plans", wire.PLAN), ("products", wire.PRODUCT)],
)
def test_it_knows_every_field_and_no_other(section: str, names: wire.Wire) -> None:
    item = document_schema()["properties"][section]["items"]

    assert list(item["properties"]) == names.known
    assert set(required_of_new(names)) <= set(names.known)


@pytest.mark.django_db
def test_what_is_exported_is_valid() -> None:
    for traits in ({}, {"capacity": True}, {"balance": True}, {"state": True}):
        DefinitionFactory(**traits)
    PlanTemplateFactory(amount=None)
    ProductTemplateFactory()

    assert paths(exchange.export()) == set()


@pytest.mark.parametrize(
    ("plan", "path"),
    [
        ({"code": "with blank"}, "$.plans[0].code"),
        ({"code": "a", "name": ""}, "$.plans[0].name"),
        ({"code": "a", "checkoutCurrency": "eur"}, "$.plans[0].checkoutCurrency"),
        ({"code": "a", "trialDays": -1}, "$.plans[0].trialDays"),
        ({"code": "a", "entitlements": [{"code": "b"}]}, "$.plans[0].entitlements[0]"),
        ({"name": "no code"}, "$.plans[0]"),
        ({"code": "a", "colour": "red"}, "$.plans[0]"),
    ],
)
def test_it_marks_what_the_rules_refuse(plan: dict[str, Any], path: str) -> None:
    assert paths({"format": 1, "plans": [plan]}) == {path}
