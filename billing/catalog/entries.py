"""Typed, frozen entries of a plan or product: what the JSON of an author says, checked and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing.engine.types import EntitlementType
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionInfo:
    """As much of a definition as an author needs to know."""

    id: int
    code: str
    entitlement_type: EntitlementType
    is_active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanEntry:
    """What a plan grants of one definition, in units of the definition. ``amount`` None is unlimited."""

    definition_id: int
    code: str
    amount: int | None
    grant_kind: PlanGrantKind = PlanGrantKind.PLAN_BASE
    effective_policy: EffectivePolicy = EffectivePolicy.ON_ASSIGNMENT_CURRENT
    duration_policy: DurationPolicy = DurationPolicy.WHILE_CURRENT
    duration_days: int | None = None
    metadata_json: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as an author would write it; reading it again gives this entry."""
        written: dict[str, Any] = {
            "code": self.code,
            "schemaVersion": 1,
            "valueJson": {"amount": self.amount},
            "grantKind": self.grant_kind.value,
            "effectivePolicy": self.effective_policy.value,
            "durationPolicy": self.duration_policy.value,
        }
        return written | _optional(self.duration_days, self.metadata_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductEntry:
    """What one unit of a product grants of one definition. ``amount`` None is unlimited."""

    definition_id: int
    code: str
    amount: int | None
    grant_kind: ProductGrantKind
    duration_days: int | None = None
    metadata_json: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as an author would write it; reading it again gives this entry."""
        written: dict[str, Any] = {"code": self.code, "amount": self.amount, "grantKind": self.grant_kind.value}
        return written | _optional(self.duration_days, self.metadata_json)


def _optional(duration_days: int | None, metadata_json: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if duration_days is not None:
        written["durationDays"] = duration_days
    if metadata_json:
        written["metadataJson"] = dict(metadata_json)
    return written
