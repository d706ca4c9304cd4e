"""
How a plan ends, goes on after all, lasts longer, or is tried: for plans we keep ourselves.

How a provider's subscription goes on is the provider's to say: whoever wants something else tells the provider, whose report
changes the plan. Only access can be taken at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from billing.engine.periods import anchor_of
from billing.entitlements.plan_state import move_period_end, note_schedule
from billing.entitlements.scheduled import perform
from billing.errors import BillingDependencyConflict
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.course import ENDS, TRIAL_ENDS, fallback, following, interval_of, stretch_of
from billing.subscriptions.moving import Rows, because_of, catch_up, enter, expect, lock
from billing.subscriptions.reported import CANCELED
from billing.subscriptions.scheduling import end_of_period
from billing.subscriptions.writing import (
    PLAN_ASSIGNED,
    PLAN_ENDED,
    PLAN_SCHEDULED,
    PLAN_TERMS_CHANGED,
    PLAN_UNSCHEDULED,
    Terms,
    note,
)
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import Invalid


def cancel_at_period_end(entity: BillableEntity, *, now: datetime, actor: str = "", reason: str = "") -> PlanAssignment:
    """
    Let the current plan end with its period, or with the month where it has none: the default plan follows, or nothing.

    Returns the assignment that will follow. Doing it again changes nothing.
    :raises BillingDependencyConflict: a provider keeps the subscription, or no plan but the default one is current.
    """
    terms = _terms(actor, reason)

    def work() -> PlanAssignment:
        rows, current = _ours(entity, now=now)
        if rows.upcoming is not None and because_of(rows.upcoming) == CANCELED:
            return rows.upcoming
        then = fallback(stretch_of(current), at=end_of_period(current, now=now), because=CANCELED)
        note_schedule(entity.pk, expect(rows, then, now=now), now=now)
        if rows.upcoming is None:
            raise ValueError("an end is upcoming")
        note(PLAN_SCHEDULED, rows.upcoming, terms, now=now, replaces=current)
        return rows.upcoming

    return perform(work, now=now)


def resume(entity: BillableEntity, *, now: datetime, actor: str = "", reason: str = "") -> PlanAssignment:
    """
    Take a booked end, or any other booked change, back: the current plan goes on. Returns it.

    :raises BillingDependencyConflict: a provider keeps the subscription, or nothing was booked.
    """
    terms = _terms(actor, reason)

    def work() -> PlanAssignment:
        rows, current = _ours(entity, now=now)
        booked = rows.upcoming
        if booked is None or (booked.plan_id == current.plan_id and because_of(booked) != CANCELED):
            raise BillingDependencyConflict("Nothing is booked that could be taken back.")
        note_schedule(entity.pk, expect(rows, following(stretch_of(current)), now=now), now=now)
        note(PLAN_UNSCHEDULED, booked, terms, now=now, replaces=None)
        return current

    return perform(work, now=now)


def cancel_now(entity: BillableEntity, *, now: datetime, actor: str = "", reason: str = "") -> PlanAssignment:
    """
    End the current plan at this moment; the default plan follows, or nothing. A provider has to be told beside.

    Returns the assignment that follows; where there is no default plan, the one that says that nothing does.
    :raises BillingDependencyConflict: no plan but the default one is current.
    """
    terms = _terms(actor, reason)

    def work() -> PlanAssignment:
        rows = lock(entity.pk)
        catch_up(rows, now=now)
        current = _endable(rows)
        then = fallback(stretch_of(current), at=now, because="")
        row = enter(rows, then, then=following(then), at=now, now=now)
        if row is None:
            raise ValueError("an end is written down")
        note(PLAN_ENDED if then.is_nothing else PLAN_ASSIGNED, row, terms, now=now, replaces=current)
        return row

    return perform(work, now=now)


def extend(
    entity: BillableEntity, *, until: datetime, now: datetime, actor: str = "", reason: str = ""
) -> PlanAssignment:
    """
    Let the running period, or the trial, end at ``until``; what follows begins then. Later periods count from there.

    :raises Invalid: ``until`` is not in the future, or the plan has no end.
    :raises BillingDependencyConflict: a provider keeps it.
    """
    terms = _terms(actor, reason)

    def work() -> PlanAssignment:
        rows, current = _ours(entity, now=now)
        if until <= max(now, current.period_start_at):
            raise _refused("until", "The new end must be in the future.")
        if current.period_end_at is None:
            raise _refused("until", "The plan has no end that could be moved.")
        current.period_end_at = until
        current.billing_anchor_at = anchor_of(*interval_of(current.plan), current.period_start_at, until)
        if current.subscription_status == SubscriptionStatus.TRIALING:
            current.trial_end_at = until
        current.updated_at = now
        current.save(update_fields=["period_end_at", "billing_anchor_at", "trial_end_at", "updated_at"])
        note_schedule(entity.pk, _moved(rows, current, now=now), now=now)
        move_period_end(current, now=now)
        note(PLAN_TERMS_CHANGED, current, terms, now=now, replaces=None)
        return current

    return perform(work, now=now)


def start_trial(
    entity: BillableEntity, plan: Plan, *, now: datetime, actor: str = "", reason: str = ""
) -> PlanAssignment:
    """
    Put ``entity`` on ``plan`` for its ``trial_days``, once; then, unless it is bought, the default plan follows by itself.

    :raises Invalid: the plan has no trial, or was tried before.
    :raises BillingDependencyConflict: a provider keeps a subscription.
    """

    def work() -> PlanAssignment:
        rows = lock(entity.pk)
        catch_up(rows, now=now)
        if plan.trial_days == 0:
            raise _refused("plan", f"The plan {plan.code} cannot be tried.")
        if PlanAssignment.objects.for_entity(entity.pk).filter(plan=plan, trial_end_at__isnull=False).exists():
            raise _refused("plan", f"The plan {plan.code} was tried before.")
        if rows.current is not None and rows.current.source == AssignmentSource.PROVIDER:
            raise BillingDependencyConflict("A provider keeps a subscription of this customer.")
        return assign(
            entity,
            plan,
            source=AssignmentSource.INTERNAL,
            now=now,
            subscription_status=SubscriptionStatus.TRIALING,
            trial_end_at=now + timedelta(days=plan.trial_days),
            actor=actor,
            reason=reason,
        )

    return perform(work, now=now)


@requires_transaction
def _ours(entity: BillableEntity, *, now: datetime) -> tuple[Rows, PlanAssignment]:
    """The open assignments, locked and brought to ``now``, of a plan no provider keeps."""
    rows = lock(entity.pk)
    catch_up(rows, now=now)
    current = _endable(rows)
    if current.source == AssignmentSource.PROVIDER and current.subscription_status != SubscriptionStatus.CANCELED:
        raise BillingDependencyConflict("A provider keeps this subscription: what is to become of it is said there.")
    return rows, current


def _endable(rows: Rows) -> PlanAssignment:
    if rows.current is None or rows.current.plan.is_default:
        raise BillingDependencyConflict(
            "There is no plan but the one everybody has: nothing can be ended or taken back."
        )
    return rows.current


def _moved(rows: Rows, current: PlanAssignment, *, now: datetime) -> set[int]:
    """What follows begins at the new end, whatever it is: what was booked goes along."""
    waiting, stretch = rows.upcoming, stretch_of(current)
    because = "" if waiting is None else because_of(waiting)
    if because == CANCELED:
        return expect(rows, fallback(stretch, at=end_of_period(current, now=now), because=CANCELED), now=now)
    if waiting is None or waiting.plan_id == current.plan_id or because in (TRIAL_ENDS, ENDS):
        return expect(rows, following(stretch), now=now)
    return set()


def _terms(actor: str, reason: str) -> Terms:
    return Terms(
        source=AssignmentSource.INTERNAL, subscription_status=SubscriptionStatus.ACTIVE, actor=actor, reason=reason
    )


def _refused(field: str, said: str) -> Invalid:
    return Invalid(said, field_errors={field: [said]})
