"""Entitlement definitions: what is counted, over which window, and what happens at the limit."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from billing.engine.types import (
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    Rule,
    ScopeType,
    WindowAnchor,
    WindowInterval,
)
from billing.models.fields import CODE_LENGTH, in_values, metadata, one_of


class DefinitionQuerySet(models.QuerySet["Definition"]):
    """Definitions that may be granted and used."""

    def active(self) -> Self:
        return self.filter(is_active=True)


class Definition(models.Model):
    """
    One limit: projects a workspace may hold, calculations in a month, credits, access.

    Type, interval, anchor and aggregation cannot change once a fact points here; a definition is deactivated, not deleted.
    """

    code = models.CharField(max_length=CODE_LENGTH)
    name = models.CharField(max_length=191)
    description = models.TextField(blank=True, default="")
    entitlement_type = one_of(EntitlementType)
    unit = models.CharField(max_length=64)
    window_interval = one_of(WindowInterval, null=True, blank=True)
    window_anchor = one_of(WindowAnchor, null=True, blank=True)
    aggregation_mode = one_of(AggregationMode, default=AggregationMode.SUM)
    enforcement_mode = one_of(EnforcementMode, default=EnforcementMode.HARD_DENY)
    lock_state_name = models.CharField(max_length=64, null=True, blank=True)
    scope_type = one_of(ScopeType, default=ScopeType.BILLABLE_ENTITY)
    alert_thresholds = models.JSONField(default=list, blank=True, help_text="Percents of the limit, e.g. [80, 100].")
    overage_unit_minor = models.BigIntegerField(
        null=True, blank=True, help_text="Price of the units beyond the limit, in minor units of currency."
    )
    overage_units = models.BigIntegerField(null=True, blank=True, help_text="How many units that price buys.")
    is_active = models.BooleanField(default=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = DefinitionQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_definitions"
        verbose_name = "entitlement definition"
        indexes = [models.Index(name="billing_definitions_type_idx", fields=["entitlement_type", "is_active"])]
        constraints = [
            models.UniqueConstraint(name="billing_definitions_code_uniq", fields=["code"]),
            models.CheckConstraint(
                name="billing_definitions_type_valid",
                condition=in_values("entitlement_type", EntitlementType),
            ),
            models.CheckConstraint(
                name="billing_definitions_mode_valid",
                condition=in_values("enforcement_mode", EnforcementMode),
            ),
            models.CheckConstraint(
                name="billing_definitions_interval_valid",
                condition=in_values("window_interval", WindowInterval, or_null=True),
            ),
            models.CheckConstraint(
                name="billing_definitions_anchor_valid",
                condition=in_values("window_anchor", WindowAnchor, or_null=True),
            ),
            models.CheckConstraint(
                name="billing_definitions_window_iff_metered",
                condition=(
                    Q(
                        entitlement_type="metered_quota",
                        window_interval__isnull=False,
                        window_anchor__isnull=False,
                    )
                    | (
                        ~Q(entitlement_type="metered_quota")
                        & Q(window_interval__isnull=True, window_anchor__isnull=True)
                    )
                ),
            ),
            models.CheckConstraint(
                name="billing_definitions_aggregation_fits",
                condition=(
                    Q(entitlement_type__in=["metered_quota", "balance"], aggregation_mode="sum")
                    | Q(entitlement_type="state", aggregation_mode__in=["boolean_any_true", "max"])
                    | Q(entitlement_type="capacity", aggregation_mode__in=["sum", "max"])
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def rule(self) -> Rule:
        """The part of the definition the engine works with."""
        return Rule(
            type=EntitlementType(self.entitlement_type),
            aggregation=AggregationMode(self.aggregation_mode),
            enforcement=EnforcementMode(self.enforcement_mode),
            interval=WindowInterval(self.window_interval) if self.window_interval else None,
            anchor=WindowAnchor(self.window_anchor) if self.window_anchor else None,
            lock_state_name=self.lock_state_name or None,
        )
