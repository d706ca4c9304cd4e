"""Definitions and entries that tests of authoring start from."""

from typing import Any

from billing.catalog.entries import DefinitionInfo
from billing.engine.types import EntitlementType


def known(*infos: DefinitionInfo) -> dict[str, DefinitionInfo]:
    return {info.code: info for info in infos}


DEFINITIONS = known(
    DefinitionInfo(id=1, code="projects.max", entitlement_type=EntitlementType.CAPACITY, is_active=True),
    DefinitionInfo(id=2, code="calculations.monthly", entitlement_type=EntitlementType.METERED_QUOTA, is_active=True),
    DefinitionInfo(id=3, code="credits", entitlement_type=EntitlementType.BALANCE, is_active=True),
    DefinitionInfo(id=4, code="workspace.access", entitlement_type=EntitlementType.STATE, is_active=True),
    DefinitionInfo(id=5, code="projects.legacy", entitlement_type=EntitlementType.CAPACITY, is_active=False),
)


def plan_entry(**changes: Any) -> dict[str, Any]:
    """Five projects; ``changes`` replace keys, and a key that is ... is left out."""
    return _with({"code": "projects.max", "valueJson": {"limit": 5}}, changes)


def product_entry(**changes: Any) -> dict[str, Any]:
    """Five projects once; ``changes`` replace keys, and a key that is ... is left out."""
    return _with({"code": "projects.max", "amount": 5, "grantKind": "one_off_topup"}, changes)


def _with(entry: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}
