"""Consumptions and allocations: what was used, and which lots paid for it."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from billing.engine.types import AllocationKind
from billing.models.fields import (
    CODE_LENGTH,
    REQUEST_ID_LENGTH,
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


class ConsumptionQuerySet(AppendOnlyQuerySet["Consumption"]):
    """Uses of a subject, newest last."""

    def for_subject(self, subject_id: int) -> Self:
        return self.filter(subject_id=subject_id)


class Consumption(AppendOnlyRow):
    """
    Units used (``amount`` > 0) or given back (< 0, with ``reverses``).

    ``grant`` is the one lot that paid it all; when several paid, or some of it is overage, the shares are allocations.
    ``overage_amount`` is the part no lot could pay when it was booked.
    """

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    amount = models.BigIntegerField()
    overage_amount = models.BigIntegerField(default=0)
    grant = loose("billing.Grant", null=True, blank=True)
    reverses = loose("billing.Consumption", null=True, blank=True)
    advisory = models.BooleanField(default=False, help_text="Would have been refused if quotas were enforced.")
    occurred_at = models.DateTimeField()
    window_start_at = models.DateTimeField()
    reason_code = models.CharField(max_length=CODE_LENGTH)
    operation_key = key(blank=True)
    usage_event_key = key(blank=True)
    provider_event_id = key(blank=True)
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="")
    dedupe_key = key()
    fingerprint = models.CharField(max_length=64)
    metadata_json = metadata()
    created_at = models.DateTimeField()

    objects = ConsumptionQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_consumptions"
        indexes = [
            models.Index(
                name="billing_consumptions_subject_idx",
                fields=["subject_type", "subject", "definition", "occurred_at", "amount"],
            ),
            models.Index(name="billing_consumptions_reverses_idx", fields=["reverses"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_consumptions_dedupe_uniq", fields=["dedupe_key"]),
            models.CheckConstraint(
                name="billing_consumptions_sign_fits",
                condition=(
                    Q(amount__gt=0, overage_amount__gte=0, reverses__isnull=True)
                    | Q(amount__lt=0, overage_amount__lte=0, reverses__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"consumption {self.pk}: {self.amount}"


class AllocationQuerySet(AppendOnlyQuerySet["Allocation"]):
    """Written once."""


class Allocation(AppendOnlyRow):
    """
    Units one lot paid: a share of a consumption, or a settlement of the window's overage.

    A consumption's shares plus its overage equal its amount. Settlements carry no consumption.
    """

    kind = one_of(AllocationKind)
    consumption = loose("billing.Consumption", null=True, blank=True)
    subject_type = subject_type()
    subject = subject()
    definition = definition()
    window_start_at = models.DateTimeField()
    grant = loose("billing.Grant")
    amount = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    objects = AllocationQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_allocations"
        indexes = [
            models.Index(
                name="billing_allocations_subject_idx",
                fields=["subject_type", "subject", "definition", "window_start_at"],
            ),
            models.Index(name="billing_allocations_consumption_idx", fields=["consumption"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="billing_allocations_kind_fits",
                condition=(
                    Q(kind="share", consumption__isnull=False) | Q(kind="overage_settlement", consumption__isnull=True)
                ),
            ),
            models.CheckConstraint(name="billing_allocations_kind_valid", condition=in_values("kind", AllocationKind)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.amount} by grant {self.grant_id}"
