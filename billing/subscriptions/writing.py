"""The rows of assignments: what is said about one, how it is opened, closed and noted in the customer's timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import BillableEntity, BillingEvent, Plan, PlanAssignment
from billing.models.assignments import AssignmentQuerySet, AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.models.events import EventStatus, EventType
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import utc_z


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


def open_ones(entity: BillableEntity) -> AssignmentQuerySet:
    """The current and the upcoming assignment."""
    return PlanAssignment.objects.for_entity(entity.pk).filter(
        status__in=[AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]
    )


def close(row: PlanAssignment, status: AssignmentStatus, *, now: datetime) -> None:
    """End an assignment: a past one at ``now``, a canceled one before it began."""
    row.status = status
    if status is AssignmentStatus.PAST:
        row.period_end_at = max(now, row.period_start_at)
    row.updated_at = now
    row.save(update_fields=["status", "period_end_at", "updated_at"])


def open_assignment(
    entity: BillableEntity, plan: Plan, terms: Terms, before: PlanAssignment | None, *, now: datetime
) -> PlanAssignment:
    """Write the assignment that is current from now on."""
    start = terms.period_start_at or now
    columns = _kept_on_renewal(plan, before) | terms.said()
    return PlanAssignment.objects.create(
        billable_entity=entity,
        plan=plan,
        source=terms.source,
        status=AssignmentStatus.CURRENT,
        period_start_at=start,
        period_end_at=terms.period_end_at,
        past_due_since_at=past_due_since(terms.subscription_status, before, now=now),
        anchor_at=anchor_of(entity, before) or start,
        projected_at=now if says_what_it_grants(plan) else None,
        created_at=now,
        updated_at=now,
        **columns,
    )


def says_what_it_grants(plan: Plan) -> bool:
    """A plan from before there were templates says nothing; who is on it is left to the backfill."""
    return plan.grants_nothing or plan.templates.exists()


def _kept_on_renewal(plan: Plan, before: PlanAssignment | None) -> dict[str, Any]:
    """What belongs to the subscription rather than to one period of it."""
    if before is None or before.plan_id != plan.pk:
        return {}
    return {name: getattr(before, name) for name in ("billing_cycle", "plugin_tiers", "metadata_json")}


def anchor_of(entity: BillableEntity, before: PlanAssignment | None) -> datetime | None:
    """Where the entity's windows count from; None before its first assignment."""
    if before is not None:
        return before.anchor_at
    return PlanAssignment.objects.for_entity(entity.pk).order_by("-pk").values_list("anchor_at", flat=True).first()


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
