"""
Plan changes that begin later: scheduled, dropped, and applied as of their start by whoever touches the subject first.

At most one is scheduled per entity, in the place of what would come by itself (see ``course``). Until it begins it is a row with
status ``upcoming`` and grants nothing.
"""

from __future__ import annotations

from datetime import datetime

from billing.engine.types import WindowInterval
from billing.engine.windows import anniversary_window
from billing.entitlements.plan_state import note_schedule
from billing.entitlements.scheduled import PlanChangeDue
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.course import beginning, following, stretch_of
from billing.subscriptions.moving import because_of, catch_up, expect, is_natural, lock
from billing.subscriptions.writing import (
    PLAN_SCHEDULED,
    PLAN_UNSCHEDULED,
    Terms,
    note,
    require_assignable,
)
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Invalid


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
    """Apply what has begun by itself (a scheduled change, renewals, ends of trials and patience) in a transaction of its own."""
    run_in_transaction(lambda: promote_if_due(entity_id, now=now))


@requires_transaction
def promote_if_due(entity_id: int, *, now: datetime) -> None:
    """
    Apply what has begun, as of its start: the old plan's grants end there, the new ones begin; period by period, where several
    have passed.
    """
    catch_up(lock(entity_id), now=now)


@requires_transaction
def _schedule(
    entity: BillableEntity, plan_id: int, terms: Terms, starts_at: datetime | None, *, now: datetime
) -> PlanAssignment:
    rows = lock(entity.pk)
    catch_up(rows, now=now)
    plan = Plan.objects.get(pk=plan_id)
    _require_change(plan, rows.current)
    start = _start(rows.current, starts_at, now=now)
    before = rows.upcoming
    if before is not None and before.plan_id == plan.pk and before.period_start_at == start and not because_of(before):
        return before
    anchor = None if rows.current is None or rows.current.period_end_at is None else rows.current.billing_anchor_at
    wanted = beginning(plan, source=terms.source, start=start, anchor=anchor)
    note_schedule(entity.pk, expect(rows, wanted, now=now), now=now)
    if rows.upcoming is None:
        raise ValueError("what is scheduled is upcoming")
    note(PLAN_SCHEDULED, rows.upcoming, terms, now=now, replaces=rows.current)
    return rows.upcoming


@requires_transaction
def _cancel(entity: BillableEntity, terms: Terms, *, now: datetime) -> bool:
    rows = lock(entity.pk)
    catch_up(rows, now=now)
    upcoming = rows.upcoming
    if upcoming is None or (rows.current is not None and is_natural(upcoming, rows.current)):
        return False
    then = None if rows.current is None else following(stretch_of(rows.current))
    note_schedule(entity.pk, expect(rows, then, now=now), now=now)
    note(PLAN_UNSCHEDULED, upcoming, terms, now=now, replaces=None)
    return True


def _require_change(plan: Plan, current: PlanAssignment | None) -> None:
    require_assignable(plan, None)
    if current is not None and current.plan_id == plan.pk:
        said = f"The plan {plan.code} is the current one."
        raise Invalid(said, field_errors={"plan": [said]})


def end_of_period(current: PlanAssignment, *, now: datetime) -> datetime:
    """When the running period ends, or patience or a trial before that; where it is open, the month from the entity's anchor."""
    next_one = following(stretch_of(current))
    if next_one is not None:
        return next_one.start
    if current.period_end_at is not None and current.period_end_at > now:
        return current.period_end_at
    return anniversary_window(WindowInterval.MONTH, current.anchor_at, now).end


def _start(current: PlanAssignment | None, starts_at: datetime | None, *, now: datetime) -> datetime:
    if starts_at is None and current is not None:
        starts_at = end_of_period(current, now=now)
    if starts_at is None or starts_at <= now:
        raise _not_in_the_future()
    next_one = None if current is None else following(stretch_of(current))
    if next_one is not None and starts_at > next_one.start:
        said = "The current plan ends or renews before that: a change begins then at the latest."
        raise Invalid(said, field_errors={"starts_at": [said]})
    return starts_at


def _not_in_the_future() -> Invalid:
    said = "A scheduled change needs a start in the future."
    return Invalid(said, field_errors={"starts_at": [said]})
