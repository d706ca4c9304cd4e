"""The rows of assignments: what is said about one, how it is opened, closed and noted in the customer's timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import BillingEvent, Plan, PlanAssignment
from billing.models.assignments import AssignmentQuerySet, AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.models.events import EventStatus, EventType
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import utc_z

PLAN_ASSIGNED = "plan.assigned"
PLAN_TERMS_CHANGED = "plan.terms_changed"
PLAN_SCHEDULED = "plan.scheduled"
PLAN_UNSCHEDULED = "plan.unscheduled"
PLAN_PROMOTED = "plan.promoted"
PLAN_RENEWED = "plan.renewed"
PLAN_ENDED = "plan.ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What is said about an assignment beside entity and plan. None, or an empty cycle, means that it is not said."""

    source: AssignmentSource
    subscription_status: SubscriptionStatus
    period_start_at: datetime | None = None
    period_end_at: datetime | None = None
    billing_cycle: str = ""
    next_billing_at: datetime | None = None
    trial_end_at: datetime | None = None
    metadata: Mapping[str, Any] | None = None
    actor: str = ""
    reason: str = ""

    @property
    def says_no_period(self) -> bool:
        return self.period_start_at is None and self.period_end_at is None

    def said(self) -> dict[str, Any]:
        """The columns these terms speak about, periods apart."""
        columns = {
            "subscription_status": self.subscription_status,
            "billing_cycle": self.billing_cycle or None,
            "next_billing_at": self.next_billing_at,
            "trial_end_at": self.trial_end_at,
            "metadata_json": None if self.metadata is None else dict(self.metadata),
        }
        return {name: value for name, value in columns.items() if value is not None}


def open_ones(entity_id: int) -> AssignmentQuerySet:
    """The current and the upcoming assignment."""
    return PlanAssignment.objects.for_entity(entity_id).filter(
        status__in=[AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]
    )


def close(row: PlanAssignment, status: AssignmentStatus, *, now: datetime) -> None:
    """End an assignment: a past one at ``now``, a canceled one before it began."""
    row.status = status
    if status is AssignmentStatus.PAST:
        row.period_end_at = max(now, row.period_start_at)
    row.updated_at = now
    row.save(update_fields=["status", "period_end_at", "updated_at"])


def says_what_it_grants(plan: Plan) -> bool:
    """A plan from before there were templates says nothing; who is on it is left to the backfill."""
    return plan.grants_nothing or plan.templates.exists()


def anchor_of(entity_id: int, before: PlanAssignment | None) -> datetime | None:
    """Where the entity's windows count from; None before its first assignment."""
    if before is not None:
        return before.anchor_at
    return PlanAssignment.objects.for_entity(entity_id).order_by("-pk").values_list("anchor_at", flat=True).first()


def past_due_since(status: SubscriptionStatus, before: PlanAssignment | None, *, now: datetime) -> datetime | None:
    """Since when payment is late; a later report of the same lateness does not move it."""
    if status != SubscriptionStatus.PAST_DUE:
        return None
    return (before.past_due_since_at if before is not None else None) or now


def note(
    name: str, assignment: PlanAssignment, terms: Terms, *, now: datetime, replaces: PlanAssignment | None
) -> None:
    """What happened, for the customer's timeline. A named actor makes it an operator's deed."""
    BillingEvent.objects.create(
        event_type=EventType.OPERATOR if terms.actor else EventType.SYSTEM,
        event_name=name,
        billable_entity_id=assignment.billable_entity_id,
        actor=terms.actor,
        reason=terms.reason,
        status=EventStatus.PROCESSED,
        received_at=now,
        processed_at=now,
        occurred_at=now,
        payload_json={
            "assignmentId": assignment.pk,
            "planCode": assignment.plan.code,
            "source": terms.source,
            "subscriptionStatus": assignment.subscription_status,
            "periodStartAt": utc_z(assignment.period_start_at),
            "periodEndAt": utc_z(assignment.period_end_at) if assignment.period_end_at else None,
            "replacedAssignmentId": replaces.pk if replaces else None,
        },
    )


def require_assignable(plan: Plan, current: PlanAssignment | None) -> None:
    """An inactive plan takes nobody new, and goes on for those who are on it."""
    if plan.is_active or (current is not None and current.plan_id == plan.pk):
        return
    said = f"The plan {plan.code} is inactive: it can be chosen no more."
    raise Invalid(said, field_errors={"plan": [said]})
