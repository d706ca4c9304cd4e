"""
A provider reports how a subscription stands, and the entity's plan follows: the same whatever order reports come in.

Each report says everything (``reported``). Of one subscription the newest counts, by the provider's time and then the event's id;
of several that give access the one that began last. The report each said last is kept with an assignment of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from billing.entitlements.plan_state import move_period_end, note_schedule
from billing.models import AssignmentProviderDetail, BillingEvent, PlanAssignment, ProviderSubscription
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.models.events import EventStatus, EventType
from billing.subscriptions.course import Stretch, stretch_of
from billing.subscriptions.moving import Rows, because_of, catch_up, enter, expect, lock
from billing.subscriptions.reported import Course, Fact, Report, Standing, course_of, plan_of
from billing.subscriptions.writing import PLAN_ASSIGNED, PLAN_TERMS_CHANGED, Terms, note
from mozaiks.kit.db import requires_transaction

UNKNOWN_PRICE, SECOND_SUBSCRIPTION = "subscription.unknown_price", "subscription.second_one"


class Applied(StrEnum):
    """
    What became of a report. ``unknown_price``: nobody sells a plan at that price here; what was the case before stays until an
    operator looks. ``beside``: another subscription of the entity counts.
    """

    APPLIED = "applied"
    OLDER = "older"
    UNKNOWN_PRICE = "unknown_price"
    BESIDE = "beside"


@requires_transaction
def apply_report(
    fact: Fact, *, provider: str, entity_id: int, event_id: str, event_created_at: datetime, now: datetime
) -> Applied:
    """
    Bring the entity's plan to what a provider reports of its subscription, as of ``now``; an older report changes nothing.

    What is written depends on the newest report alone, and on time. A price nobody knows is noted for operators, and waits: it
    does not count as newer, so that it can be applied once somebody sells the price. Call it through ``scheduled.perform``.

    :raises ValueError: the report names no subscription.
    """
    report = Report.of(fact, provider=provider, event_id=event_id, said_at=event_created_at)
    subscription = _lock_subscription(report, entity_id, now=now)
    if not _is_newer(report, subscription):
        return Applied.OLDER
    rows = lock(entity_id)
    catch_up(rows, now=now)
    course = _course(report, rows)
    if course is None:
        _flag(UNKNOWN_PRICE, report, entity_id, now=now)
        return Applied.UNKNOWN_PRICE
    first = subscription.last_event_created_at is None
    subscription.last_event_created_at, subscription.last_event_id = report.order
    subscription.updated_at = now
    subscription.save(update_fields=["last_event_created_at", "last_event_id", "updated_at"])
    return _apply(rows, report, course.at(now), first=first, now=now)


def _apply(rows: Rows, report: Report, course: Course, *, first: bool, now: datetime) -> Applied:
    live = {other: known for other, known in _others(report, rows, now=now) if known.gives_access}
    if live and course.gives_access and first:
        _flag(SECOND_SUBSCRIPTION, report, rows.entity_id, now=now)
    if course.gives_access:
        live[report] = course
    winner = max(live, key=lambda each: each.precedence, default=report)
    if winner is not report:
        _steer(rows, live[winner], winner, now=now)
    elif _governs(rows, report, course):
        _steer(rows, course, report, now=now)
    _keep(rows, report, course, now=now)
    return Applied.APPLIED if winner is report else Applied.BESIDE


def _governs(rows: Rows, report: Report, course: Course) -> bool:
    """
    Whether the entity's plan is the subscription's to say. While it goes on, always. Once it is over, where it was the plan, or
    came after it, or the plan is what came by itself: what somebody gave since stays.
    """
    is_over = report.status in (Standing.ENDED, Standing.INACTIVE)
    if course.gives_access and not is_over:
        return True
    current = rows.current
    if current is None or because_of(current):
        return report.ever_began
    if _subscription_of(current) == report.subscription_id:
        return True
    return report.ever_began and current.period_start_at <= report.period_start_at


def _steer(rows: Rows, course: Course, report: Report, *, now: datetime) -> None:
    """Make the course the entity's: what is the case already stays."""
    stretch, current = course.now, rows.current
    terms = Terms(source=stretch.source, subscription_status=stretch.status)
    same = current is not None and (current.plan_id, current.period_start_at, current.source) == (
        stretch.plan.pk,
        stretch.start,
        stretch.source,
    )
    if same and current is not None:
        _note_standing(rows, current, course, terms, now=now)
        return
    if current is None and stretch.is_nothing:
        return
    columns: dict[str, object] = {}
    if course.gives_access:
        kept = current.metadata_json if current is not None and current.plan_id == stretch.plan.pk else {}
        columns = {"metadata_json": {**kept, **report.kept()}, "billing_cycle": stretch.plan.checkout_interval or ""}
    detail = _detail_of(report) if course.gives_access else None
    row = enter(rows, stretch, then=course.then, at=now, now=now, columns=columns, detail=detail)
    if row is not None:
        note(PLAN_ASSIGNED, row, terms, now=now, replaces=current)


def _note_standing(rows: Rows, current: PlanAssignment, course: Course, terms: Terms, *, now: datetime) -> None:
    """Plan and period go on; how it stands, when the period ends and what comes next may be news."""
    said = {**course.now.columns, "period_end_at": course.now.end}
    changed = {name: value for name, value in said.items() if getattr(current, name) != value}
    for name, value in changed.items():
        setattr(current, name, value)
    if changed:
        current.updated_at = now
        current.save(update_fields=[*changed, "updated_at"])
    expected = None if rows.upcoming is None else stretch_of(rows.upcoming)
    touched = expect(rows, course.then, now=now)
    if touched:
        is_told = _leaves(current, expected) or _leaves(current, course.then)
        note_schedule(rows.entity_id, touched, now=now, quietly=not is_told)
    if "period_end_at" in changed:
        move_period_end(current, now=now)
    if changed:
        note(PLAN_TERMS_CHANGED, current, terms, now=now, replaces=None)


def _leaves(current: PlanAssignment, then: Stretch | None) -> bool:
    """Whether what follows is no renewal."""
    return then is not None and (then.is_nothing or then.plan.pk != current.plan_id)


def _keep(rows: Rows, report: Report, course: Course, *, now: datetime) -> None:
    """
    Keep what the subscription said last with its assignment; one that never counted gets one that is canceled from the start.
    """
    details = AssignmentProviderDetail.objects.filter(
        provider=report.provider,
        provider_subscription_id=report.subscription_id,
        assignment__billable_entity_id=rows.entity_id,
    )
    latest = details.select_related("assignment").order_by("-assignment_id").first()
    if latest is None and not course.gives_access:
        return
    row = latest.assignment if latest is not None else _beside(rows, course, now=now)
    row.metadata_json = {**row.metadata_json, **report.kept()}
    row.save(update_fields=["metadata_json"])
    AssignmentProviderDetail.objects.update_or_create(assignment=row, defaults=_detail_of(report))


def _beside(rows: Rows, course: Course, *, now: datetime) -> PlanAssignment:
    """The assignment of a subscription that gives access and does not count."""
    stretch = course.now
    return PlanAssignment.objects.create(
        billable_entity_id=rows.entity_id,
        plan=stretch.plan,
        source=stretch.source,
        status=AssignmentStatus.CANCELED,
        period_start_at=stretch.start,
        period_end_at=stretch.end,
        anchor_at=rows.current.anchor_at if rows.current is not None else stretch.start,
        created_at=now,
        updated_at=now,
        **stretch.columns,
    )


def _detail_of(report: Report) -> dict[str, object]:
    return {
        "provider": report.provider,
        "provider_subscription_id": report.subscription_id,
        "provider_customer_id": report.customer_id,
        "provider_status": report.provider_status,
        "current_period_end": report.period_end_at,
        "trial_end": report.trial_end_at,
        "canceled_at": report.canceled_at,
        "cancel_at_period_end": report.cancel_at_period_end,
        "ended_at": report.ended_at,
        "last_provider_event_created_at": report.said_at,
        "last_provider_event_id": report.event_id,
    }


def _others(report: Report, rows: Rows, *, now: datetime) -> Iterator[tuple[Report, Course]]:
    """The entity's other subscriptions, with what each said last."""
    names = ProviderSubscription.objects.filter(billable_entity_id=rows.entity_id).exclude(
        provider=report.provider, provider_subscription_id=report.subscription_id
    )
    for name in names.exclude(last_event_created_at=None):
        details = AssignmentProviderDetail.objects.filter(
            provider=name.provider,
            provider_subscription_id=name.provider_subscription_id,
            assignment__billable_entity_id=rows.entity_id,
        )
        detail = details.select_related("assignment").order_by("-assignment_id").first()
        kept = None if detail is None else Report.kept_in(detail.assignment.metadata_json)
        course = None if kept is None else _course(kept, rows)
        if kept is not None and course is not None:
            yield kept, course.at(now)


def _course(report: Report, rows: Rows) -> Course | None:
    """The course of a report; None where nobody knows its price, and it matters."""
    plan = plan_of(report.provider, report.running_price_id)
    is_over = report.status in (Standing.ENDED, Standing.INACTIVE)
    if plan is None and is_over and rows.current is not None:
        plan = rows.current.plan if _subscription_of(rows.current) == report.subscription_id else None
    if plan is None:
        return None
    booked = plan_of(report.provider, report.price_id) if report.running_price_id != report.price_id else None
    return course_of(report, plan, booked)


def _subscription_of(row: PlanAssignment) -> str | None:
    """The provider's subscription an assignment is of."""
    if row.source != AssignmentSource.PROVIDER:
        return None
    detail = AssignmentProviderDetail.objects.filter(assignment_id=row.pk).first()
    return None if detail is None else detail.provider_subscription_id


def _lock_subscription(report: Report, entity_id: int, *, now: datetime) -> ProviderSubscription:
    """The subscription's row, locked, made if it is missing."""
    named = ProviderSubscription.objects.filter(
        provider=report.provider, provider_subscription_id=report.subscription_id
    )
    row = named.select_for_update().first()
    if row is None:
        return ProviderSubscription.objects.create(
            billable_entity_id=entity_id,
            provider=report.provider,
            provider_subscription_id=report.subscription_id,
            provider_customer_id=report.customer_id,
            created_at=now,
            updated_at=now,
        )
    missing = {
        name: value
        for name, value in (("billable_entity_id", entity_id), ("provider_customer_id", report.customer_id))
        if value and not getattr(row, name)
    }
    for name, value in missing.items():
        setattr(row, name, value)
    if missing:
        row.save(update_fields=list(missing))
    return row


def _is_newer(report: Report, subscription: ProviderSubscription) -> bool:
    if subscription.last_event_created_at is None:
        return True
    return report.order > (subscription.last_event_created_at, subscription.last_event_id)


def _flag(name: str, report: Report, entity_id: int, *, now: datetime) -> None:
    """A note for operators, in the customer's timeline."""
    BillingEvent.objects.create(
        event_type=EventType.SYSTEM,
        event_name=name,
        billable_entity_id=entity_id,
        provider=report.provider,
        status=EventStatus.PROCESSED,
        received_at=now,
        processed_at=now,
        occurred_at=now,
        payload_json={"subscriptionId": report.subscription_id, **report.kept()},
    )
