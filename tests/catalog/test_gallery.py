"""Every entry of the gallery is valid as it is."""

import pytest
from jsonschema import Draft202012Validator

from billing.catalog.authoring import parse_plan_entries, parse_product_entries
from billing.catalog.entries import DefinitionInfo
from billing.catalog.gallery import plan_example, product_example
from billing.catalog.schema import plan_entries_schema, product_entries_schema
from billing.engine.types import EntitlementType

KINDS = pytest.mark.parametrize("kind", list(EntitlementType))


def known(kind: EntitlementType) -> dict[str, DefinitionInfo]:
    return {"limit": DefinitionInfo(id=1, code="limit", entitlement_type=kind, is_active=True)}


@KINDS
def test_an_entry_for_a_plan_can_be_saved_at_once(kind: EntitlementType) -> None:
    example = [plan_example("limit", kind)]

    assert len(parse_plan_entries(example, known(kind), strict=True)) == 1
    assert list(Draft202012Validator(plan_entries_schema(["limit"])).iter_errors(example)) == []


@KINDS
def test_an_entry_for_a_product_can_be_saved_at_once(kind: EntitlementType) -> None:
    example = [product_example("limit", kind)]

    assert len(parse_product_entries(example, known(kind))) == 1
    assert list(Draft202012Validator(product_entries_schema(["limit"])).iter_errors(example)) == []
