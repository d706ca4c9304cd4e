"""Stored results of keyed operations, refusals, and counts of resources."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from billing.models.fields import (
    CODE_LENGTH,
    REQUEST_ID_LENGTH,
    AppendOnlyQuerySet,
    AppendOnlyRow,
    definition,
    in_values,
    key,
    one_of,
    subject,
    subject_type,
)


class SnapshotSource(StrEnum):
    """How a resource count came to be."""

    EVENT_DRIVEN = "event_driven"
    REPAIR_RECOUNT = "repair_recount"


class OperationQuerySet(AppendOnlyQuerySet["Operation"]):
    """Written once."""


class Operation(AppendOnlyRow):
    """The first answer to a keyed operation, given again to every repeat."""

    subject_type = subject_type()
    subject = subject()
    key = key()
    fingerprint = models.CharField(max_length=64)
    capability = models.CharField(max_length=CODE_LENGTH)
    status_code = models.IntegerField(default=200)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField()

    objects = OperationQuerySet.as_manager()

    class Meta:
        db_table = "billing_operations"
        # Support finds a customer by the key of a request, without knowing whose it was.
        indexes = [models.Index(name="billing_operations_key_idx", fields=["key"])]
        constraints = [
            models.UniqueConstraint(name="billing_operations_key_uniq", fields=["subject_type", "subject", "key"])
        ]

    def __str__(self) -> str:
        return f"operation {self.key}"


class Decision(models.Model):
    """A refusal, or one that would have been a refusal. Not a fact: pruned after a time."""

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    capability = models.CharField(max_length=CODE_LENGTH)
    code = models.CharField(max_length=CODE_LENGTH)
    reason = models.CharField(max_length=CODE_LENGTH)
    requested = models.BigIntegerField()
    limit = models.BigIntegerField(null=True)
    used = models.BigIntegerField()
    advisory = models.BooleanField(default=False)
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="")
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "billing_decisions"
        indexes = [
            models.Index(name="billing_decisions_subject_idx", fields=["subject_type", "subject", "occurred_at"]),
            models.Index(name="billing_decisions_time_idx", fields=["occurred_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.requested}"


class ResourceSnapshot(models.Model):
    """How many of a resource a subject holds, for capacities whose counter is not in this process."""

    subject_type = subject_type()
    subject = subject()
    resource_code = models.CharField(max_length=CODE_LENGTH)
    resource_count = models.BigIntegerField()
    snapshot_at = models.DateTimeField()
    source = one_of(SnapshotSource)

    class Meta:
        db_table = "billing_resource_snapshots"
        constraints = [
            models.UniqueConstraint(
                name="billing_resource_snapshots_uniq", fields=["subject_type", "subject", "resource_code"]
            ),
            models.CheckConstraint(
                name="billing_resource_snapshots_count_valid", condition=models.Q(resource_count__gte=0)
            ),
            models.CheckConstraint(
                name="billing_resource_snapshots_source_valid", condition=in_values("source", SnapshotSource)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource_code}: {self.resource_count}"
