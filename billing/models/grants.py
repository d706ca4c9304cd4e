"""Grants, their endings and their adjustments: the facts behind every limit."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q

from billing.engine.types import (
    AdjustmentKind,
    AdjustmentReason,
    EndingReason,
    EnforcementOverride,
    GrantKind,
    Replenish,
    SourceType,
)
from billing.models.fields import (
    KEY_LENGTH,
    PROVIDER_LENGTH,
    AppendOnlyQuerySet,
    AppendOnlyRow,
    definition,
    in_values,
    key,
    loose,
    metadata,
    one_of,
    subject,
    subject_type,
)


class GrantQuerySet(AppendOnlyQuerySet["Grant"]):
    """Grants by whom they are for and when they are in force."""

    def for_subject(self, subject_id: int) -> Self:
        return self.filter(subject_id=subject_id)

    def active_at(self, at: datetime) -> Self:
        """Begun, not expired and not ended, at ``at`` (half-open)."""
        ended = GrantEnding.objects.filter(grant_id=models.OuterRef("pk"), ended_at__lte=at)
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=at), ~models.Exists(ended), effective_at__lte=at
        )


class Grant(AppendOnlyRow):
    """Units given to a subject. ``amount`` NULL is unlimited; ``expires_at`` NULL is never."""

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    amount = models.BigIntegerField(null=True, blank=True)
    kind = one_of(GrantKind)
    replenish = one_of(Replenish)
    enforcement_override = one_of(EnforcementOverride, null=True, blank=True)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    source_type = one_of(SourceType)
    source_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    template_id = models.BigIntegerField(null=True, blank=True)
    operation_key = key(blank=True)
    provider = models.CharField(max_length=PROVIDER_LENGTH, blank=True, default="")
    provider_event_id = key(blank=True)
    dedupe_key = key()
    fingerprint = models.CharField(max_length=64)
    metadata_json = metadata()
    created_at = models.DateTimeField()

    objects = GrantQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_grants"
        indexes = [
            models.Index(
                name="billing_grants_subject_idx",
                fields=["subject_type", "subject", "definition", "effective_at"],
            ),
            models.Index(name="billing_grants_expiry_idx", fields=["subject_type", "subject", "expires_at"]),
            models.Index(name="billing_grants_source_idx", fields=["source_type", "source_id"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_grants_dedupe_uniq", fields=["dedupe_key"]),
            models.CheckConstraint(
                name="billing_grants_amount_positive", condition=Q(amount__isnull=True) | Q(amount__gt=0)
            ),
            models.CheckConstraint(
                name="billing_grants_period_valid",
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("effective_at")),
            ),
            models.CheckConstraint(name="billing_grants_kind_valid", condition=in_values("kind", GrantKind)),
            models.CheckConstraint(name="billing_grants_replenish_valid", condition=in_values("replenish", Replenish)),
            models.CheckConstraint(name="billing_grants_source_valid", condition=in_values("source_type", SourceType)),
        ]

    def __str__(self) -> str:
        return f"grant {self.pk}: {'unlimited' if self.amount is None else self.amount}"


class GrantEndingQuerySet(AppendOnlyQuerySet["GrantEnding"]):
    """Written once."""


class GrantEnding(AppendOnlyRow):
    """A grant ended before its expiry. A grant ends once."""

    subject_type = subject_type()
    subject = subject()
    grant = models.ForeignKey(
        Grant, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="endings"
    )
    ended_at = models.DateTimeField()
    reason = one_of(EndingReason)
    source_type = one_of(SourceType)
    source_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    dedupe_key = key()
    created_at = models.DateTimeField()

    objects = GrantEndingQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_grant_endings"
        indexes = [models.Index(name="billing_grant_endings_subject_idx", fields=["subject_type", "subject"])]
        constraints = [
            models.UniqueConstraint(name="billing_grant_endings_grant_uniq", fields=["grant"]),
            models.UniqueConstraint(name="billing_grant_endings_dedupe_uniq", fields=["dedupe_key"]),
            models.CheckConstraint(
                name="billing_grant_endings_reason_valid", condition=in_values("reason", EndingReason)
            ),
        ]

    def __str__(self) -> str:
        return f"ending of grant {self.grant_id}"


class GrantAdjustmentQuerySet(AppendOnlyQuerySet["GrantAdjustment"]):
    """Written once."""


class GrantAdjustment(AppendOnlyRow):
    """Units taken back from a grant, or a grant frozen and released."""

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    grant = loose("billing.Grant")
    kind = one_of(AdjustmentKind)
    amount = models.BigIntegerField(default=0, help_text="Units of a take; 0 for freeze and release.")
    reason = one_of(AdjustmentReason)
    source_type = one_of(SourceType)
    source_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    occurred_at = models.DateTimeField()
    dedupe_key = key()
    created_at = models.DateTimeField()

    objects = GrantAdjustmentQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_grant_adjustments"
        indexes = [
            models.Index(
                name="billing_grant_adjustments_subject_idx", fields=["subject_type", "subject", "definition"]
            ),
            models.Index(name="billing_grant_adjustments_grant_idx", fields=["grant"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_grant_adjustments_dedupe_uniq", fields=["dedupe_key"]),
            models.CheckConstraint(
                name="billing_grant_adjustments_kind_valid", condition=in_values("kind", AdjustmentKind)
            ),
            models.CheckConstraint(
                name="billing_grant_adjustments_amount_fits",
                condition=Q(kind="take", amount__gte=0) | Q(kind__in=["freeze", "release"], amount=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of grant {self.grant_id}"
