"""Every example of the catalog's page is one that is accepted."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from billing.catalog.authoring import parse_plan_entries, parse_product_entries
from billing.catalog.entries import DefinitionInfo
from billing.engine.types import EntitlementType
from tests.catalog.examples import known

PAGE = Path(__file__).resolve().parents[2] / "docs" / "catalog.md"
TYPES = {
    "projects.max": EntitlementType.CAPACITY,
    "annuity.calculations.monthly": EntitlementType.METERED_QUOTA,
    "workspace.access": EntitlementType.STATE,
    "ai.tokens.monthly": EntitlementType.METERED_QUOTA,
    "ai.tokens.lifetime": EntitlementType.BALANCE,
}
DEFINITIONS = known(
    *(
        DefinitionInfo(id=number, code=code, entitlement_type=kind, is_active=True)
        for number, (code, kind) in enumerate(TYPES.items(), start=1)
    )
)


def examples(what: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(rf"```json {what}\n(.*?)```", PAGE.read_text(), re.DOTALL)]


@pytest.mark.parametrize("raw", examples("plan"))
def test_of_a_plan(raw: list[Any]) -> None:
    assert len(parse_plan_entries(raw, DEFINITIONS, strict=True)) == len(raw)


@pytest.mark.parametrize("raw", examples("product"))
def test_of_a_product(raw: list[Any]) -> None:
    assert len(parse_product_entries(raw, DEFINITIONS)) == len(raw)


def test_there_are_some() -> None:
    assert len(examples("plan")) == 3
    assert len(examples("product")) == 1
