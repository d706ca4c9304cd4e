"""The plain fields of plans, products and definitions: one reader per field, and the rules between fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from billing.catalog import values
from billing.catalog.problems import Problems, RuleBroken, at_key, listed
from billing.engine.types import (
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    ScopeType,
    WindowAnchor,
    WindowInterval,
)
from billing.models.catalog import AppliesTo, PriceInterval, ProductKind
from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH

Reader = Callable[[object], Any]
Fields = Mapping[str, Any]

MAX_INTERVAL_COUNT = 1_000
#: The highest percent an alert may wait for.
MAX_PERCENT = 1_000

AGGREGATIONS = {
    EntitlementType.CAPACITY: (AggregationMode.SUM, AggregationMode.MAX),
    EntitlementType.METERED_QUOTA: (AggregationMode.SUM,),
    EntitlementType.BALANCE: (AggregationMode.SUM,),
    EntitlementType.STATE: (AggregationMode.BOOLEAN_ANY_TRUE, AggregationMode.MAX),
}


def _blank(read: Reader, *, empty: Any) -> Reader:
    """``read``, with ``empty`` for null and the empty text."""
    return lambda value: empty if value is None or value == "" else read(value)


def _metadata(value: object) -> dict[str, Any]:
    return {} if value is None else values.json_object(value)


def _plugin_tiers(value: object) -> dict[str, str]:
    tiers = values.json_object(value)
    for plugin, tier in tiers.items():
        if not plugin or not isinstance(tier, str) or not tier:
            raise RuleBroken("must give each plugin the name of a tier")
    return tiers


_CODE = partial(values.code, most=CODE_LENGTH)
_NAME = partial(values.text, least=1, most=160)
_DESCRIPTION = _blank(values.text, empty="")
_PROVIDER = _blank(partial(values.text, most=PROVIDER_LENGTH), empty="")
_PRICE_ID = _blank(partial(values.text, most=KEY_LENGTH), empty=None)
_PRODUCT_ID = _blank(partial(values.text, most=KEY_LENGTH), empty="")
_CURRENCY = _blank(values.currency, empty="")
_MINOR = _blank(partial(values.whole, least=0), empty=None)
_INTERVAL = _blank(partial(values.one_of, kind=PriceInterval), empty=None)

PLAN_FIELDS: Mapping[str, Reader] = {
    "code": _CODE,
    "name": _NAME,
    "description": _DESCRIPTION,
    "applies_to": partial(values.one_of, kind=AppliesTo),
    "checkout_provider": _PROVIDER,
    "checkout_provider_price_id": _PRICE_ID,
    "checkout_provider_product_id": _PRODUCT_ID,
    "checkout_interval": _INTERVAL,
    "checkout_interval_count": partial(values.whole, least=1, most=MAX_INTERVAL_COUNT),
    "checkout_currency": _CURRENCY,
    "checkout_unit_amount_minor": _MINOR,
    "plugins": partial(values.list_of, read=partial(values.text, least=1, most=KEY_LENGTH)),
    "plugin_tiers": _plugin_tiers,
    "is_active": values.flag,
    "is_default": values.flag,
    "trial_days": partial(values.whole, least=0, most=values.MAX_DAYS),
    "metadata_json": _metadata,
}

PRODUCT_FIELDS: Mapping[str, Reader] = {
    "code": _CODE,
    "name": _NAME,
    "description": _DESCRIPTION,
    "product_kind": partial(values.one_of, kind=ProductKind),
    "provider": _PROVIDER,
    "provider_price_id": _PRICE_ID,
    "provider_product_id": _PRODUCT_ID,
    "currency": _CURRENCY,
    "unit_amount_minor": _MINOR,
    "price_interval": _INTERVAL,
    "is_active": values.flag,
    "metadata_json": _metadata,
}

DEFINITION_FIELDS: Mapping[str, Reader] = {
    "code": _CODE,
    "name": partial(values.text, least=1, most=191),
    "description": _DESCRIPTION,
    "entitlement_type": partial(values.one_of, kind=EntitlementType),
    "unit": partial(values.text, least=1, most=64),
    "window_interval": _blank(partial(values.one_of, kind=WindowInterval), empty=None),
    "window_anchor": _blank(partial(values.one_of, kind=WindowAnchor), empty=None),
    "aggregation_mode": partial(values.one_of, kind=AggregationMode),
    "enforcement_mode": partial(values.one_of, kind=EnforcementMode),
    "lock_state_name": _blank(partial(values.code, most=64), empty=None),
    "scope_type": partial(values.one_of, kind=ScopeType),
    "alert_thresholds": partial(values.list_of, read=partial(values.whole, least=1, most=MAX_PERCENT)),
    "overage_unit_minor": _MINOR,
    "overage_units": _blank(partial(values.whole, least=1), empty=None),
    "is_active": values.flag,
    "metadata_json": _metadata,
}


def read_fields(given: Fields, known: Mapping[str, Reader], problems: Problems) -> dict[str, Any]:
    """The fields that are given and right; the rest is noted in ``problems`` under the field's name."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            problems.add(at_key("", name).lstrip("."), f"unknown field; known are {listed(list(known))}")
            continue
        before = len(problems)
        found = problems.attempt(name, partial(known[name], value), otherwise=None)
        if len(problems) == before:
            read[name] = found
    return read


def require(fields: Fields, names: tuple[str, ...], problems: Problems) -> None:
    """Note each of ``names`` that a new row must have and was not given."""
    for name in names:
        if name not in fields:
            problems.add(name, "is required")


def check_price(row: Fields, problems: Problems, *, prefix: str = "", interval: str | None = None) -> None:
    """
    Rules of a price in minor units. Free (0) needs nothing else; unpriced (null) is not for sale here.

    ``prefix`` begins the names of the columns; ``interval`` names the column a recurring price must fill.
    """
    amount = row[f"{prefix}unit_amount_minor"]
    provider, price_id = row[f"{prefix}provider"], row[f"{prefix}provider_price_id"]
    if price_id and not provider:
        problems.add(f"{prefix}provider", "is required where a provider's price is named")
    if not amount:
        return
    if not row[f"{prefix}currency"]:
        problems.add(f"{prefix}currency", "is required for a price above 0")
    if interval is not None and not row[interval]:
        problems.add(interval, "is required for a price above 0")
    if provider and not price_id:
        problems.add(f"{prefix}provider_price_id", "is required for a price above 0 that a provider collects")


def check_definition(row: Fields, problems: Problems) -> None:
    """Rules between the fields of a definition; sources: the CHECKs of its table."""
    kind = EntitlementType(row["entitlement_type"])
    metered = kind is EntitlementType.METERED_QUOTA
    for name in ("window_interval", "window_anchor"):
        if metered and row[name] is None:
            problems.add(name, "is required for a metered_quota")
        if not metered and row[name] is not None:
            problems.add(name, f"must be absent for a {kind.value}")
    if AggregationMode(row["aggregation_mode"]) not in AGGREGATIONS[kind]:
        allowed = listed([mode.value for mode in AGGREGATIONS[kind]])
        problems.add("aggregation_mode", f"must be {allowed} for a {kind.value}")
    if (row["overage_unit_minor"] is None) != (row["overage_units"] is None):
        problems.add("overage_units", "must be given together with overage_unit_minor, or neither")
