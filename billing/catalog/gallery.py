"""One valid entry per definition, for authors to begin with: the right shape for each type, the numbers to be changed."""

from __future__ import annotations

from typing import Any

from billing.engine.types import EntitlementType
from billing.models.catalog import DurationPolicy, EffectivePolicy, ProductGrantKind

#: Round numbers to be changed, in units and days.
LEVEL = 10
UNITS = 100
DAYS = 30


def plan_example(code: str, kind: EntitlementType) -> dict[str, Any]:
    """An entry of a plan that grants something of the definition ``code``."""
    if kind is EntitlementType.STATE:
        return {"code": code, "valueJson": {"enabled": True}}
    if kind is EntitlementType.CAPACITY:
        return {"code": code, "valueJson": {"limit": LEVEL}}
    metered = {"code": code, "valueJson": {"amount": UNITS}}
    if kind is EntitlementType.METERED_QUOTA:
        return metered
    return {
        **metered,
        "effectivePolicy": EffectivePolicy.ON_PERIOD_PAID.value,
        "durationPolicy": DurationPolicy.PERIOD_WINDOW.value,
    }


def product_example(code: str, kind: EntitlementType) -> dict[str, Any]:
    """An entry of a product that grants something of the definition ``code``: levels for a time, units for good."""
    if kind in (EntitlementType.STATE, EntitlementType.CAPACITY):
        amount = 1 if kind is EntitlementType.STATE else LEVEL
        timeboxed = ProductGrantKind.TIMEBOXED_ADDON.value
        return {"code": code, "amount": amount, "grantKind": timeboxed, "durationDays": DAYS}
    return {"code": code, "amount": UNITS, "grantKind": ProductGrantKind.ONE_OFF_TOPUP.value}
