"""Billing events: the inbox of webhooks and the audit of what operators did. Never a ledger of purchases."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH, in_values, key, one_of


class EventType(StrEnum):
    """What kind of event it is."""

    WEBHOOK = "webhook"
    OPERATOR = "operator"
    SYSTEM = "system"


class EventStatus(StrEnum):
    """Where an event is on its way through the inbox."""

    RECEIVED = "received"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
    IGNORED = "ignored"


class BillingEvent(models.Model):
    """
    Something that was said or done about billing, with what became of it.

    A webhook's event is claimed under ``lease_token`` until ``lease_until``; a failed one waits until ``next_attempt_at``, and
    for an operator where that is NULL. ``redacted_at`` is when its payload was emptied.
    """

    event_type = one_of(EventType)
    event_name = models.CharField(max_length=CODE_LENGTH)
    billable_entity = models.ForeignKey(
        "billing.BillableEntity", on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    provider = models.CharField(max_length=PROVIDER_LENGTH, blank=True, default="")
    provider_event_id = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    operation_key = key(blank=True)
    actor = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    status = one_of(EventStatus, default=EventStatus.RECEIVED)
    provider_created_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    processing_started_at = models.DateTimeField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)
    last_failed_at = models.DateTimeField(null=True, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.CharField(max_length=36, null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    redacted_at = models.DateTimeField(null=True, blank=True, editable=False)
    payload_json = models.JSONField(default=dict, blank=True)
    error_text = models.TextField(blank=True, default="")
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "billing_events"
        permissions = [("replay_events", "Can process a stored event again")]
        indexes = [
            models.Index(name="billing_events_entity_idx", fields=["billable_entity", "occurred_at"]),
            models.Index(name="billing_events_status_idx", fields=["status", "received_at"]),
            models.Index(name="billing_events_name_idx", fields=["event_name", "received_at"]),
            # What waits to be processed, and what is old enough to lose its payload.
            models.Index(name="billing_events_next_attempt_idx", fields=["status", "next_attempt_at"]),
            models.Index(name="billing_events_redaction_idx", fields=["event_type", "redacted_at", "received_at"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_events_provider_uniq", fields=["provider", "provider_event_id"]),
            models.CheckConstraint(name="billing_events_type_valid", condition=in_values("event_type", EventType)),
            models.CheckConstraint(name="billing_events_status_valid", condition=in_values("status", EventStatus)),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} {self.provider_event_id or self.pk}"
