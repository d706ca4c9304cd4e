"""Holds: units set aside for a short time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from django.db import models
from django.db.models import F, Q

from billing.engine.types import HoldStatus
from billing.models.fields import (
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


class HoldEventKind(StrEnum):
    """What happened to a hold."""

    OPENED = "opened"
    EXTENDED = "extended"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class HoldQuerySet(models.QuerySet["Hold"]):
    """Holds by whether they count."""

    def live(self, *, now: datetime) -> Self:
        """Open, with a rest, and not past their end."""
        return self.filter(status=HoldStatus.OPEN, expires_at__gt=now, amount__gt=F("captured_amount"))

    def over(self, *, now: datetime) -> Self:
        """Past their end, and not noted as such."""
        return self.filter(status=HoldStatus.OPEN, expires_at__lte=now)


class Hold(models.Model):
    """A number that lowers what is free until it is captured, released, or its time is over."""

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    window_start_at = models.DateTimeField()
    amount = models.BigIntegerField()
    captured_amount = models.BigIntegerField(default=0)
    status = one_of(HoldStatus, default=HoldStatus.OPEN)
    expires_at = models.DateTimeField()
    dedupe_key = key()
    fingerprint = models.CharField(max_length=64)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = HoldQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_holds"
        indexes = [
            models.Index(
                name="billing_holds_subject_idx",
                fields=["subject_type", "subject", "definition", "status", "expires_at"],
            ),
            # Those whose time is over and that nobody has noted yet.
            models.Index(name="billing_holds_expiry_idx", fields=["status", "expires_at"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_holds_dedupe_uniq", fields=["dedupe_key"]),
            models.CheckConstraint(name="billing_holds_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(name="billing_holds_captured_not_negative", condition=Q(captured_amount__gte=0)),
            models.CheckConstraint(name="billing_holds_status_valid", condition=in_values("status", HoldStatus)),
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}: {self.amount}"


class HoldEventQuerySet(AppendOnlyQuerySet["HoldEvent"]):
    """Written once."""


class HoldEvent(AppendOnlyRow):
    """One step in the life of a hold: opened, extended, captured, released, expired."""

    hold = loose("billing.Hold")
    subject_type = subject_type()
    subject = subject()
    kind = one_of(HoldEventKind)
    amount = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()
    consumption = loose("billing.Consumption", null=True, blank=True)
    operation_key = key(blank=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    objects = HoldEventQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_hold_events"
        indexes = [models.Index(name="billing_hold_events_hold_idx", fields=["hold"])]
        constraints = [
            models.CheckConstraint(name="billing_hold_events_kind_valid", condition=in_values("kind", HoldEventKind))
        ]

    def __str__(self) -> str:
        return f"hold {self.hold_id} {self.kind}"
