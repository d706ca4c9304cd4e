"""Serializers that several resources share: an entity, a limitation, and all limitations of an entity."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.engine.types import EnforcementMode, EntitlementType, WindowAnchor, WindowInterval
from billing.entitlements.limitations import Limitations
from billing.models.entities import EntityStatus, EntityType
from mozaiks.kit.fields import InstantField, presenter

INTERVALS = [interval.value for interval in WindowInterval]
ENFORCEMENTS = [mode.value for mode in EnforcementMode]


class BillableEntityAnswer(serializers.Serializer[Any]):
    """Whose limits they are."""

    id = serializers.IntegerField()
    entityType = serializers.ChoiceField(source="entity_type", choices=[kind.value for kind in EntityType])
    entityRef = serializers.CharField(source="entity_ref", allow_null=True)
    workspaceId = serializers.IntegerField(source="workspace_id", allow_null=True)
    ownerUserId = serializers.IntegerField(source="owner_user_id", allow_null=True)
    status = serializers.ChoiceField(choices=[status.value for status in EntityStatus])
    createdAt = InstantField(source="created_at")
    updatedAt = InstantField(source="updated_at")


class LimitationAnswer(serializers.Serializer[Any]):
    """One limit, in units. Unlimited: granted, effective and hard limit are null."""

    code = serializers.CharField()
    name = serializers.CharField()
    entitlementType = serializers.ChoiceField(
        source="entitlement_type", choices=[kind.value for kind in EntitlementType]
    )
    enforcementMode = serializers.ChoiceField(source="enforcement_mode", choices=ENFORCEMENTS)
    unit = serializers.CharField()
    windowInterval = serializers.ChoiceField(source="window_interval", choices=INTERVALS, allow_null=True)
    windowAnchor = serializers.ChoiceField(
        source="window_anchor", choices=[anchor.value for anchor in WindowAnchor], allow_null=True
    )
    grantedAmount = serializers.IntegerField(source="granted_amount", allow_null=True)
    consumedAmount = serializers.IntegerField(source="consumed_amount")
    heldAmount = serializers.IntegerField(source="held_amount")
    effectiveAmount = serializers.IntegerField(
        source="effective_amount", allow_null=True, help_text="What is left; below zero while over the limit."
    )
    hardLimitAmount = serializers.IntegerField(source="hard_limit_amount", allow_null=True)
    unlimited = serializers.BooleanField()
    overLimit = serializers.BooleanField(source="over_limit")
    lockState = serializers.CharField(source="lock_state", help_text="`none`, or why something is locked.")
    nextChangeAt = InstantField(source="next_change_at", allow_null=True)
    windowStartAt = InstantField(source="window_start_at")
    windowEndAt = InstantField(source="window_end_at", allow_null=True)
    lastRecomputedAt = InstantField(source="last_recomputed_at", allow_null=True)
    version = serializers.IntegerField(help_text="Rises with every write; 0 where nothing was written yet.")
    alertThresholds = serializers.ListField(
        source="alert_thresholds", child=serializers.IntegerField(), help_text="Percents of what is granted."
    )
    alertLevel = serializers.IntegerField(
        source="alert_level", allow_null=True, help_text="The highest of them that use has reached."
    )


class LimitationsAnswer(serializers.Serializer[Any]):
    """All limits of an entity, sorted by code, as they are at ``generatedAt``."""

    billableEntity = BillableEntityAnswer(source="entity")
    generatedAt = InstantField(source="generated_at")
    stale = serializers.BooleanField(help_text="Always false: a limit is brought forward before it is shown.")
    limitations = LimitationAnswer(many=True)


present_entity = presenter(BillableEntityAnswer)
present_limitation = presenter(LimitationAnswer)


def present_limitations(found: Limitations) -> dict[str, Any]:
    """The answer, as ``LimitationsAnswer`` describes it."""
    return {
        "billableEntity": present_entity(found.entity),
        "generatedAt": InstantField().to_representation(found.generated_at),
        "stale": False,
        "limitations": [present_limitation(each) for each in found.limitations],
    }
