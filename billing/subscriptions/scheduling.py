"""
Plan changes that begin later: scheduled, dropped, and applied as of their start by whoever touches the subject first.

At most one is scheduled per entity. Until it begins it is a row with status ``upcoming`` and grants nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from billing.engine.types import SourceType, WindowInterval
from billing.engine.windows import anniversary_window
from billing.entitlements.grants import grant_entitlements_for_plan_state, note_schedule
from billing.entitlements.scheduled import PlanChangeDue
from billing.models import BillableEntity, Grant, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.subscriptions.writing import (
    Terms,
    anchor_of,
    close,
    note,
    open_ones,
    require_assignable,
    says_what_it_grants,
)
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Invalid

PLAN_SCHEDULED = "plan.scheduled"
PLAN_UNSCHEDULED = "plan.unscheduled"
PLAN_PROMOTED = "plan.promoted"


def schedule(
    entity: BillableEntity,
    plan: Plan,
    *,
    source: AssignmentSource,
    now: datetime,
    starts_at: datetime | None = None,
    actor: str = "",
    reason: str = "",
) -> PlanAssignment:
    """
    Put ``entity`` on ``plan`` from ``starts_at`` on: by default the end of the current period, and where that is open the end
    of the month counted from the entity's anchor. A change that was scheduled before is dropped; the same again changes nothing.

    :raises Invalid: the plan is inactive or the current one, the start is not in the future, or nothing is current and no
    start is given.
    """
    terms = Terms(source=source, subscription_status=SubscriptionStatus.ACTIVE, actor=actor, reason=reason)
    try:
        return run_in_transaction(lambda: _schedule(entity, plan.pk, terms, starts_at, now=now))
    except PlanChangeDue:  # our clock is behind: balances have seen that instant already
        raise _not_in_the_future() from None


def cancel_scheduled(entity: BillableEntity, *, now: datetime, actor: str = "", reason: str = "") -> bool:
    """Drop the scheduled plan change; False where none is scheduled (one that has begun is applied instead)."""
    terms = Terms(
        source=AssignmentSource.INTERNAL, subscription_status=SubscriptionStatus.ACTIVE, actor=actor, reason=reason
    )
    return run_in_transaction(lambda: _cancel(entity, terms, now=now))


def promote_due(entity_id: int, now: datetime) -> None:
    """Apply the scheduled plan change that has begun, if there is one, in a transaction of its own."""
    run_in_transaction(lambda: promote_if_due(entity_id, now=now))


@requires_transaction
def promote_if_due(entity_id: int, *, now: datetime) -> None:
    """Apply a scheduled change that has begun, as of its start: the old plan's grants end there, the new ones begin."""
    entity = BillableEntity(pk=entity_id)
    rows = list(open_ones(entity).select_for_update().order_by("pk"))
    upcoming = next((row for row in rows if row.status == AssignmentStatus.UPCOMING), None)
    if upcoming is None or upcoming.period_start_at > now:
        return
    starts_at = upcoming.period_start_at
    current = next((row for row in rows if row.status == AssignmentStatus.CURRENT), None)
    touched = touched_definitions(
        upcoming, current
    )  # nothing is scheduled there any more, whether grants change or not
    if current is not None:
        close(current, AssignmentStatus.PAST, now=starts_at)
    upcoming.status = AssignmentStatus.CURRENT
    upcoming.projected_at = now if says_what_it_grants(upcoming.plan) else None
    upcoming.updated_at = now
    upcoming.save(update_fields=["status", "projected_at", "updated_at"])
    replaced = [] if current is None else [current.pk]
    grant_entitlements_for_plan_state(upcoming, now=starts_at, replaces=replaced, unscheduled=touched)
    terms = Terms(
        source=AssignmentSource(upcoming.source), subscription_status=SubscriptionStatus(upcoming.subscription_status)
    )
    note(PLAN_PROMOTED, upcoming, terms, now=now, replaces=current)


def touched_definitions(upcoming: PlanAssignment, current: PlanAssignment | None) -> list[int]:
    """The definitions a scheduled change will touch: those of its templates, and of the live grants it will end."""
    found = set(upcoming.plan.templates.values_list("definition_id", flat=True))
    if current is not None:
        live = Grant.objects.filter(
            subject_id=current.billable_entity_id,
            source_type=SourceType.PLAN_ASSIGNMENT,
            source_id=str(current.pk),
            endings__isnull=True,
        ).exclude(expires_at__lte=upcoming.period_start_at)
        found |= set(live.values_list("definition_id", flat=True))
    return sorted(found)


@requires_transaction
def _schedule(
    entity: BillableEntity, plan_id: int, terms: Terms, starts_at: datetime | None, *, now: datetime
) -> PlanAssignment:
    promote_if_due(entity.pk, now=now)
    rows = list(open_ones(entity).select_for_update().order_by("pk"))
    current = next((row for row in rows if row.status == AssignmentStatus.CURRENT), None)
    before = next((row for row in rows if row.status == AssignmentStatus.UPCOMING), None)
    plan = Plan.objects.get(pk=plan_id)
    _require_change(plan, current)
    start = _start(current, starts_at, now=now)
    if before is not None and before.plan_id == plan.pk and before.period_start_at == start:
        return before
    touched = _drop(before, current, now=now)
    upcoming = PlanAssignment.objects.create(
        billable_entity=entity,
        plan=plan,
        source=terms.source,
        status=AssignmentStatus.UPCOMING,
        subscription_status=terms.subscription_status,
        period_start_at=start,
        anchor_at=anchor_of(entity, current) or start,
        created_at=now,
        updated_at=now,
    )
    note_schedule(entity.pk, sorted({*touched, *touched_definitions(upcoming, current)}), now=now)
    note(PLAN_SCHEDULED, upcoming, terms, now=now, replaces=current)
    return upcoming


@requires_transaction
def _cancel(entity: BillableEntity, terms: Terms, *, now: datetime) -> bool:
    promote_if_due(entity.pk, now=now)
    rows = list(open_ones(entity).select_for_update().order_by("pk"))
    current = next((row for row in rows if row.status == AssignmentStatus.CURRENT), None)
    upcoming = next((row for row in rows if row.status == AssignmentStatus.UPCOMING), None)
    if upcoming is None:
        return False
    note_schedule(entity.pk, _drop(upcoming, current, now=now), now=now)
    note(PLAN_UNSCHEDULED, upcoming, terms, now=now, replaces=None)
    return True


def _drop(upcoming: PlanAssignment | None, current: PlanAssignment | None, *, now: datetime) -> Sequence[int]:
    """Cancel a scheduled change; returns the definitions it would have touched."""
    if upcoming is None:
        return []
    touched = touched_definitions(upcoming, current)
    close(upcoming, AssignmentStatus.CANCELED, now=now)
    return touched


def _require_change(plan: Plan, current: PlanAssignment | None) -> None:
    require_assignable(plan, None)
    if current is not None and current.plan_id == plan.pk:
        said = f"The plan {plan.code} is the current one."
        raise Invalid(said, field_errors={"plan": [said]})


def _start(current: PlanAssignment | None, starts_at: datetime | None, *, now: datetime) -> datetime:
    if starts_at is None and current is not None:
        month = anniversary_window(WindowInterval.MONTH, current.anchor_at, now)
        starts_at = current.period_end_at if current.period_end_at is not None else month.end
    if starts_at is None or starts_at <= now:
        raise _not_in_the_future()
    return starts_at


def _not_in_the_future() -> Invalid:
    said = "A scheduled change needs a start in the future."
    return Invalid(said, field_errors={"starts_at": [said]})
