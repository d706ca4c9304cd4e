"""
JSON Schema (Draft 2020-12) of the catalog document and of its items, made from the same limits the rules use.

Published as ``docs/catalog.schema.json`` and, item by item, in the OpenAPI document.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from billing.catalog import definitions as definition_rules
from billing.catalog import exchange, fields, publishing, values
from billing.catalog.schema import DRAFT, plan_entries_schema, product_entries_schema
from billing.catalog.wire import DEFINITION, ENTITLEMENTS, PLAN, PRODUCT, Wire, camel
from billing.engine.types import (
    MAX_AMOUNT,
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    ScopeType,
    WindowAnchor,
    WindowInterval,
)
from billing.models.catalog import AppliesTo, PriceInterval, ProductKind
from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH

Schema = dict[str, Any]

FLAG: Schema = {"type": "boolean"}
FREE: Schema = {"type": ["object", "null"], "description": "Whatever else is worth keeping."}


def document_schema() -> Schema:
    """The whole document."""
    sections = {
        "definitions": ("What can be granted at all.", definition_schema()),
        "plans": ("What somebody is on.", plan_schema()),
        "products": ("What can be bought beside a plan.", product_schema()),
    }
    lists = {
        key: {"type": "array", "maxItems": exchange.MAX_ITEMS, "description": said, "items": item}
        for key, (said, item) in sections.items()
    }
    return {
        "$schema": DRAFT,
        "title": "Catalog of mozaiks",
        "description": "What a document does not name stays as it is, rows and fields alike.",
        "type": "object",
        "properties": {"$schema": {"type": "string"}, "format": {"const": exchange.FORMAT}, **lists},
        "required": ["format"],
        "additionalProperties": False,
    }


def definition_schema(*, required: tuple[str, ...] = ("code",)) -> Schema:
    """A definition; a new one needs more than its code (``definitions.REQUIRED``)."""
    return _item(DEFINITION, _definition_properties(), required)


def plan_schema(*, required: tuple[str, ...] = ("code",)) -> Schema:
    """A plan; a new one needs more than its code (``publishing.REQUIRED``)."""
    return _item(PLAN, _plan_properties(), required)


def product_schema(*, required: tuple[str, ...] = ("code",)) -> Schema:
    """A product; a new one needs more than its code (``publishing.REQUIRED``)."""
    return _item(PRODUCT, _product_properties(), required)


def required_of_new(wire: Wire) -> tuple[str, ...]:
    """What a row that is not there yet must say."""
    names = definition_rules.REQUIRED if wire is DEFINITION else publishing.REQUIRED
    return tuple(camel(name) for name in names)


def _item(wire: Wire, properties: Schema, required: tuple[str, ...]) -> Schema:
    ordered = {name: properties[name] for name in wire.known}
    item: Schema = {"type": "object", "properties": ordered, "additionalProperties": False}
    return item | {"required": list(required)} if required else item


def _definition_properties() -> Schema:
    return {
        "code": _code(CODE_LENGTH),
        "name": _text(191, least=1),
        "description": _text(nullable=True),
        "entitlementType": _one_of(EntitlementType),
        "unit": _text(64, least=1),
        "windowInterval": _one_of(WindowInterval, nullable=True, said="For a metered_quota and nothing else."),
        "windowAnchor": _one_of(WindowAnchor, nullable=True, said="For a metered_quota and nothing else."),
        "aggregationMode": _one_of(AggregationMode),
        "enforcementMode": _one_of(EnforcementMode),
        "lockStateName": _text(64, nullable=True),
        "scopeType": _one_of(ScopeType),
        "alertThresholds": {
            "type": "array",
            "uniqueItems": True,
            "items": _whole(1, fields.MAX_PERCENT),
            "description": "Percents of the limit.",
        },
        "overageUnitMinor": _whole(0, nullable=True, said="Price of the units beyond the limit, in minor units."),
        "overageUnits": _whole(1, nullable=True, said="How many units that price buys."),
        "isActive": FLAG,
        "metadataJson": FREE,
    }


def _plan_properties() -> Schema:
    return {
        "code": _code(CODE_LENGTH),
        "name": _text(160, least=1),
        "description": _text(nullable=True),
        "appliesTo": _one_of(AppliesTo),
        "checkoutProvider": _text(PROVIDER_LENGTH, nullable=True),
        "checkoutProviderPriceId": _text(KEY_LENGTH, nullable=True),
        "checkoutProviderProductId": _text(KEY_LENGTH, nullable=True),
        "checkoutInterval": _one_of(PriceInterval, nullable=True),
        "checkoutIntervalCount": _whole(1, fields.MAX_INTERVAL_COUNT),
        "checkoutCurrency": _currency(),
        "checkoutUnitAmountMinor": _whole(0, nullable=True, said="In minor units; 0 is free, null is not for sale."),
        "plugins": {
            "type": "array",
            "uniqueItems": True,
            "items": _text(KEY_LENGTH, least=1),
            "description": "Names or globs; * is all.",
        },
        "pluginTiers": {"type": "object", "additionalProperties": _text(least=1)},
        "isActive": FLAG,
        "isDefault": FLAG | {"description": "The plan new workspaces start on; one plan is it."},
        "trialDays": _whole(0, values.MAX_DAYS),
        "metadataJson": FREE,
        ENTITLEMENTS: _entries(plan_entries_schema()),
    }


def _product_properties() -> Schema:
    return {
        "code": _code(CODE_LENGTH),
        "name": _text(160, least=1),
        "description": _text(nullable=True),
        "productKind": _one_of(ProductKind),
        "provider": _text(PROVIDER_LENGTH, nullable=True),
        "providerPriceId": _text(KEY_LENGTH, nullable=True),
        "providerProductId": _text(KEY_LENGTH, nullable=True),
        "currency": _currency(),
        "unitAmountMinor": _whole(0, nullable=True, said="In minor units; 0 is free, null is not for sale."),
        "priceInterval": _one_of(PriceInterval, nullable=True),
        "isActive": FLAG,
        "metadataJson": FREE,
        ENTITLEMENTS: _entries(product_entries_schema()),
    }


def _entries(schema: Schema) -> Schema:
    said = "Replaces all there are; [] clears them; left out, they stay."
    return {key: value for key, value in schema.items() if key not in ("$schema", "title")} | {"description": said}


def _code(most: int) -> Schema:
    return {"type": "string", "pattern": f"^{values.CODE.pattern}$", "maxLength": most}


def _currency() -> Schema:
    return {"type": ["string", "null"], "pattern": f"^({values.CURRENCY.pattern})?$"}


def _text(most: int | None = None, *, least: int = 0, nullable: bool = False) -> Schema:
    schema: Schema = {"type": ["string", "null"] if nullable else "string"}
    if least:
        schema["minLength"] = least
    return schema if most is None else schema | {"maxLength": most}


def _whole(least: int, most: int = MAX_AMOUNT, *, nullable: bool = False, said: str = "") -> Schema:
    schema: Schema = {"type": ["integer", "null"] if nullable else "integer", "minimum": least, "maximum": most}
    return schema | {"description": said} if said else schema


def _one_of(kind: type[StrEnum], *, nullable: bool = False, said: str = "") -> Schema:
    allowed: list[str | None] = [member.value for member in kind]
    schema: Schema = {"enum": [*allowed, None] if nullable else allowed}
    return schema | {"description": said} if said else schema
