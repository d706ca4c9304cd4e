"""Checkouts on their way, and the stored answers of doors that call a provider."""

from __future__ import annotations

from enum import StrEnum

from django.db import models
from django.db.models import F, Q

from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH, in_values, key, metadata, one_of


class CheckoutStatus(StrEnum):
    """
    Where a checkout is. ``creating``: the provider is being asked; ``open``: the customer may pay; ``paid``: the provider says
    that it is paid, and the confirmed fact is still on its way; the others are ends.
    """

    CREATING = "creating"
    OPEN = "open"
    PAID = "paid"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"


#: While a checkout is in one of these the entity begins no other.
BLOCKING = (CheckoutStatus.CREATING, CheckoutStatus.OPEN, CheckoutStatus.PAID)


class CheckoutPurpose(StrEnum):
    """What is being bought."""

    SUBSCRIPTION = "subscription"
    ONE_OFF = "one_off"


class CheckoutSession(models.Model):
    """
    A customer sent to a provider's page. Nothing is granted by it: only the confirmed payment grants.

    ``operation_key`` is our idempotency key towards the provider: a crash after the call is mended by calling again with it.
    """

    billable_entity = models.ForeignKey("billing.BillableEntity", on_delete=models.PROTECT, related_name="checkouts")
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    purpose = one_of(CheckoutPurpose)
    status = one_of(CheckoutStatus, default=CheckoutStatus.CREATING)
    plan = models.ForeignKey("billing.Plan", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    product = models.ForeignKey("billing.Product", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    quantity = models.PositiveIntegerField(default=1)
    operation_key = key()
    provider_session_id = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    checkout_url = models.TextField(blank=True, default="")
    success_path = models.CharField(max_length=2000, blank=True, default="")
    cancel_path = models.CharField(max_length=2000, blank=True, default="")
    requested_by = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    error_text = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    # MySQL ignores conditional unique constraints, so the condition lives in a generated column.
    blocking_key = models.GeneratedField(
        expression=models.Case(
            models.When(status__in=[status.value for status in BLOCKING], then=F("billable_entity_id")), default=None
        ),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "billing_checkout_sessions"
        indexes = [
            models.Index(name="billing_checkout_sessions_entity", fields=["billable_entity", "created_at"]),
            models.Index(name="billing_checkout_sessions_status", fields=["status", "updated_at"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_checkout_sessions_one_blocking", fields=["blocking_key"]),
            models.UniqueConstraint(name="billing_checkout_sessions_operation", fields=["operation_key"]),
            models.UniqueConstraint(
                name="billing_checkout_sessions_provider", fields=["provider", "provider_session_id"]
            ),
            models.CheckConstraint(
                name="billing_checkout_sessions_status_valid", condition=in_values("status", CheckoutStatus)
            ),
            models.CheckConstraint(
                name="billing_checkout_sessions_purpose_valid", condition=in_values("purpose", CheckoutPurpose)
            ),
            models.CheckConstraint(name="billing_checkout_sessions_quantity", condition=Q(quantity__gt=0)),
        ]

    def __str__(self) -> str:
        return f"checkout {self.pk}"


class RequestStatus(StrEnum):
    """Whether the first request with a key is under way or answered."""

    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"


class RequestIdempotency(models.Model):
    """
    The first answer of a door that calls a provider. Its row is committed before the call, so that a second request with the
    same key sees that the first is under way; ``locked_until`` frees the key of a request that died.
    """

    billable_entity = models.ForeignKey("billing.BillableEntity", on_delete=models.PROTECT, related_name="+")
    key = key()
    door = models.CharField(max_length=CODE_LENGTH)
    fingerprint = models.CharField(max_length=64)
    status = one_of(RequestStatus, default=RequestStatus.IN_PROGRESS)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_json = models.JSONField(null=True, blank=True)
    locked_until = models.DateTimeField()
    created_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "billing_request_idempotency"
        verbose_name = "stored answer"
        indexes = [models.Index(name="billing_request_idempotency_age", fields=["created_at"])]
        constraints = [
            models.UniqueConstraint(name="billing_request_idempotency_uniq", fields=["billable_entity", "key"]),
            models.CheckConstraint(
                name="billing_request_idempotency_status_valid", condition=in_values("status", RequestStatus)
            ),
        ]

    def __str__(self) -> str:
        return f"request {self.key}"
