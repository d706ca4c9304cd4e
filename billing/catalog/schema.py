"""
The two shapes of ``entitlements`` as JSON Schema (Draft 2020-12), for editors and published documents.

A schema helps while typing. What it cannot say (a code that exists, states, balances, duplicates) the rules in
``authoring`` say, and they alone decide: whatever they accept is valid here, not the other way round.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from billing.catalog.authoring import AMOUNT_KEYS, MAX_ENTRIES, SCHEMA_VERSIONS
from billing.catalog.values import MAX_DAYS
from billing.engine.types import MAX_AMOUNT
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind
from billing.models.fields import CODE_LENGTH

DRAFT = "https://json-schema.org/draft/2020-12/schema"

AMOUNT: dict[str, Any] = {
    "type": ["integer", "null"],
    "minimum": 1,
    "maximum": MAX_AMOUNT,
    "description": "Units; null is unlimited.",
}
METADATA: dict[str, Any] = {"type": "object", "description": "Whatever else is worth keeping."}


def plan_entries_schema(codes: Collection[str] | None = None) -> dict[str, Any]:
    """The ``entitlements`` of a plan; ``codes`` are offered as the only ones when given."""
    properties = {
        "code": _code(codes),
        "schemaVersion": {"enum": [1, *SCHEMA_VERSIONS]},
        "valueJson": _value(),
        "grantKind": _one_of(PlanGrantKind, PlanGrantKind.PLAN_BASE),
        "effectivePolicy": _one_of(EffectivePolicy, EffectivePolicy.ON_ASSIGNMENT_CURRENT),
        "durationPolicy": _one_of(DurationPolicy, DurationPolicy.WHILE_CURRENT),
        "durationDays": _days(),
        "metadataJson": METADATA,
    }
    entry = _entry(properties, required=["code", "valueJson"])
    days = _days_only_for("durationPolicy", DurationPolicy.FIXED_DURATION)
    return _array("Entitlements of a plan", entry | days)


def product_entries_schema(codes: Collection[str] | None = None) -> dict[str, Any]:
    """The ``entitlements`` of a product; ``codes`` are offered as the only ones when given."""
    properties = {
        "code": _code(codes),
        "amount": AMOUNT,
        "grantKind": _one_of(ProductGrantKind),
        "durationDays": _days(),
        "metadataJson": METADATA,
    }
    entry = _entry(properties, required=["code", "amount", "grantKind"])
    days = _days_only_for("grantKind", ProductGrantKind.TIMEBOXED_ADDON)
    return _array("Entitlements of a product", entry | days)


def _array(title: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DRAFT, "title": title, "type": "array", "maxItems": MAX_ENTRIES, "items": entry}


def _entry(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _code(codes: Collection[str] | None) -> dict[str, Any]:
    if codes is None:
        return {"type": "string", "minLength": 1, "maxLength": CODE_LENGTH}
    return {"enum": sorted(codes)}


def _one_of(kind: type[StrEnum], default: StrEnum | None = None) -> dict[str, Any]:
    allowed: dict[str, Any] = {"enum": [member.value for member in kind]}
    return allowed if default is None else allowed | {"default": default.value}


def _days() -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_DAYS}


def _days_only_for(key: str, kind: StrEnum) -> dict[str, Any]:
    """``durationDays`` is a number exactly where ``key`` says ``kind``."""
    return {
        "if": {"properties": {key: {"const": kind.value}}, "required": [key]},
        "then": {"properties": {"durationDays": {"type": "integer"}}, "required": ["durationDays"]},
        "else": {"properties": {"durationDays": {"type": "null"}}},
    }


def _value() -> dict[str, Any]:
    """Any of the amount keys, or ``enabled`` for a state. Other keys are ignored, so they may hold anything."""
    return {
        "type": "object",
        "description": "amount, limit or max in units (null is unlimited); enabled: true for a state.",
        "anyOf": [{"required": [key]} for key in (*AMOUNT_KEYS, "enabled")],
    }
