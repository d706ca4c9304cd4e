"""Plan assignments: the only truth of which plan an entity is on, whatever said so."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from django.db import models
from django.db.models import F, Q

from billing.models.fields import KEY_LENGTH, PROVIDER_LENGTH, in_values, metadata, one_of


class AssignmentSource(StrEnum):
    """Who said so."""

    INTERNAL = "internal"
    PROMO = "promo"
    MANUAL = "manual"
    PROVIDER = "provider"
    SYNC = "sync"


class AssignmentStatus(StrEnum):
    """Where an assignment is in its life."""

    CURRENT = "current"
    UPCOMING = "upcoming"
    PAST = "past"
    CANCELED = "canceled"


class SubscriptionStatus(StrEnum):
    """How the subscription behind an assignment stands."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    INACTIVE = "inactive"


class AssignmentQuerySet(models.QuerySet["PlanAssignment"]):
    """Assignments by entity and status."""

    def current(self) -> Self:
        return self.filter(status=AssignmentStatus.CURRENT)

    def for_entity(self, entity_id: int) -> Self:
        return self.filter(billable_entity_id=entity_id)

    def begun(self, *, now: datetime) -> Self:
        """Scheduled ones whose start has come."""
        return self.filter(status=AssignmentStatus.UPCOMING, period_start_at__lte=now)

    def after_entity(self, entity_id: int) -> models.QuerySet[PlanAssignment, int]:
        """The ids of entities beyond ``entity_id``, in their order."""
        later = self.filter(billable_entity_id__gt=entity_id).order_by("billable_entity_id")
        return later.values_list("billable_entity_id", flat=True)


def _only_while(status: AssignmentStatus) -> models.GeneratedField:
    """The entity's id while the assignment has ``status``: a conditional unique key that MySQL honours too."""
    return models.GeneratedField(
        expression=models.Case(models.When(status=status.value, then=F("billable_entity_id")), default=None),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )


class PlanAssignment(models.Model):
    """
    An entity is on a plan for a period ``[period_start_at, period_end_at)``; an open end is NULL.

    ``anchor_at`` is where anniversary windows count from: the start of the entity's first assignment, kept by every later one.
    ``billing_anchor_at`` is where its own periods count from, so that one that begins on the 31st comes back to it after
    February; NULL: from its start.
    ``projected_at`` is when its plan's templates were turned into grants, also where that gave none; NULL is never.
    """

    billable_entity = models.ForeignKey("billing.BillableEntity", on_delete=models.PROTECT, related_name="assignments")
    plan = models.ForeignKey("billing.Plan", on_delete=models.PROTECT, related_name="assignments")
    source = one_of(AssignmentSource)
    period_start_at = models.DateTimeField()
    period_end_at = models.DateTimeField(null=True, blank=True)
    status = one_of(AssignmentStatus)
    subscription_status = one_of(SubscriptionStatus, default=SubscriptionStatus.ACTIVE)
    billing_cycle = models.CharField(max_length=32, blank=True, default="")
    next_billing_at = models.DateTimeField(null=True, blank=True)
    trial_end_at = models.DateTimeField(null=True, blank=True)
    past_due_since_at = models.DateTimeField(null=True, blank=True)
    anchor_at = models.DateTimeField()
    billing_anchor_at = models.DateTimeField(null=True, blank=True)
    projected_at = models.DateTimeField(null=True, blank=True, editable=False)
    plugin_tiers = models.JSONField(default=dict, blank=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    current_key = _only_while(AssignmentStatus.CURRENT)
    upcoming_key = _only_while(AssignmentStatus.UPCOMING)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        db_table = "billing_plan_assignments"
        indexes = [
            models.Index(name="billing_assignments_plan_current_idx", fields=["plan", "current_key"]),
            # Scheduled changes by their start.
            models.Index(name="billing_assignments_status_idx", fields=["status", "period_start_at"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_assignments_one_current", fields=["current_key"]),
            models.UniqueConstraint(name="billing_assignments_one_upcoming", fields=["upcoming_key"]),
            models.CheckConstraint(
                name="billing_assignments_period_valid",
                condition=Q(period_end_at__isnull=True) | Q(period_end_at__gte=F("period_start_at")),
            ),
            models.CheckConstraint(
                name="billing_assignments_status_valid", condition=in_values("status", AssignmentStatus)
            ),
            models.CheckConstraint(
                name="billing_assignments_subscription_valid",
                condition=in_values("subscription_status", SubscriptionStatus),
            ),
            models.CheckConstraint(
                name="billing_assignments_source_valid", condition=in_values("source", AssignmentSource)
            ),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk}"


class AssignmentProviderDetail(models.Model):
    """What the payment provider calls an assignment, and the order of its events. Never subscription state of our own."""

    assignment = models.OneToOneField(
        PlanAssignment, on_delete=models.PROTECT, primary_key=True, related_name="provider_detail"
    )
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    provider_subscription_id = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    provider_customer_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    provider_status = models.CharField(max_length=64, blank=True, default="")
    current_period_end = models.DateTimeField(null=True, blank=True)
    trial_end = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    cancel_at_period_end = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    last_provider_event_created_at = models.DateTimeField(null=True, blank=True)
    last_provider_event_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")

    class Meta:
        db_table = "billing_plan_assignment_provider_details"
        indexes = [
            models.Index(
                name="billing_assignment_details_subscription",
                fields=["provider", "provider_subscription_id"],
            ),
            models.Index(name="billing_assignment_details_customer", fields=["provider", "provider_customer_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_subscription_id}"
