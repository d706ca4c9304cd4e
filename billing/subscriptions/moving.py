"""
From one stretch of a plan's course to the next: rows and grants change together, and what comes by itself is always written.

Whatever will happen without anybody asking is the entity's one upcoming assignment: a renewal, a plan booked for later, the
default plan after a trial, a cancellation or patience. Whoever touches the subject after its start applies it as of its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from billing.engine.types import SourceType
from billing.entitlements.plan_state import end_plan_state, grant_entitlements_for_plan_state, note_schedule
from billing.models import AssignmentProviderDetail, Grant, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.course import BY_ITSELF, Stretch, following, stretch_of
from billing.subscriptions.reported import KEPT_AS
from billing.subscriptions.writing import (
    PLAN_ENDED,
    PLAN_PROMOTED,
    PLAN_RENEWED,
    Terms,
    anchor_of,
    close,
    note,
    open_ones,
    says_what_it_grants,
)
from mozaiks.kit.db import requires_transaction

#: Why an upcoming assignment is there, in its metadata.
BECAUSE = "because"


@dataclass(kw_only=True, slots=True)
class Rows:
    """The open assignments of an entity, locked."""

    entity_id: int
    current: PlanAssignment | None
    upcoming: PlanAssignment | None


@requires_transaction
def lock(entity_id: int) -> Rows:
    """Lock the open assignments in the order of their ids."""
    rows = Rows(entity_id=entity_id, current=None, upcoming=None)
    for row in open_ones(entity_id).select_for_update().order_by("pk"):
        if row.status == AssignmentStatus.CURRENT:
            rows.current = row
        else:
            rows.upcoming = row
    return rows


@requires_transaction
def catch_up(rows: Rows, *, now: datetime) -> None:
    """Apply what has begun, stretch by stretch, each as of its start, however many there are."""
    due = rows.upcoming
    if due is not None and due.period_start_at <= now:
        go(rows, waiting_stretch(due), now=now)


@requires_transaction
def go(rows: Rows, stretch: Stretch | None, *, now: datetime, balances_at: datetime | None = None) -> None:
    """
    Enter ``stretch`` and all that follow it by themselves until ``now``, each as of its start; ``balances_at`` says that balances
    have seen that later instant already.
    """
    while stretch is not None and stretch.start <= now:
        then, before = following(stretch), rows.current
        row = enter(rows, stretch, then=then, at=stretch.start, now=now, balances_at=balances_at)
        name = PLAN_ENDED if stretch.is_nothing else PLAN_RENEWED if _renews(before, stretch) else PLAN_PROMOTED
        terms = Terms(source=stretch.source, subscription_status=stretch.status)
        if row is not None:
            note(name, row, terms, now=now, replaces=before)
        stretch = then


@requires_transaction
def enter(
    rows: Rows,
    stretch: Stretch,
    *,
    then: Stretch | None,
    at: datetime,
    now: datetime,
    columns: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    balances_at: datetime | None = None,
) -> PlanAssignment | None:
    """
    Make ``stretch`` what is current: what was before ends at ``at``, and its grants with it; ``then`` is what comes next.

    A next one that has begun already is not written: whoever calls enters it too. ``detail`` is what the provider calls it; where
    none is given, that of a subscription goes on with it. Returns the assignment; of a stretch that is no plan, the one that
    says so.
    """
    before, waiting = rows.current, rows.upcoming
    touched: set[int] = set()
    promoted = waiting if waiting is not None and says(waiting, stretch) else None
    if waiting is not None and (promoted is not None or not _stays(waiting, then)):
        touched |= set(touched_definitions(waiting, before))
        rows.upcoming = None
        if promoted is None:
            _drop(waiting, before, now=now)
    if before is not None:
        close(before, AssignmentStatus.PAST, now=at)
    row = _write(rows.entity_id, stretch, promoted, before, now=now, columns=columns or {})
    rows.current = None if stretch.is_nothing else row
    replaced = [] if before is None else [before.pk]
    if rows.current is None:
        end_plan_state(rows.entity_id, replaces=replaced, unscheduled=sorted(touched), now=balances_at or at)
        return row
    _write_detail(before, rows.current, stretch, detail)
    if then is not None and then.start > now:
        touched |= expect(rows, then, now=now)
    grant_entitlements_for_plan_state(
        rows.current,
        now=balances_at or at,
        replaces=replaced,
        unscheduled=sorted(touched),
        renews=_renews(before, stretch),
    )
    return row


@requires_transaction
def expect(rows: Rows, then: Stretch | None, *, now: datetime) -> set[int]:
    """
    Make ``then`` what is upcoming (None: nothing). Returns the definitions whose next boundary moves by that: grants that are
    recorded next bring them along, or ``note_schedule``.
    """
    waiting = rows.upcoming
    if waiting is not None and _stays(waiting, then):
        if then is not None and because_of(waiting) != then.because:
            waiting.metadata_json = _metadata(rows.current, then)
            waiting.save(update_fields=["metadata_json"])
        return set()
    touched: set[int] = set()
    if waiting is not None:
        touched |= set(touched_definitions(waiting, rows.current))
        _drop(waiting, rows.current, now=now)
        rows.upcoming = None
    if then is None:
        return touched
    rows.upcoming = PlanAssignment.objects.create(
        billable_entity_id=rows.entity_id,
        status=AssignmentStatus.UPCOMING,
        anchor_at=anchor_of(rows.entity_id, rows.current) or then.start,
        created_at=now,
        updated_at=now,
        **_said(then, rows.current),
    )
    return touched | set(touched_definitions(rows.upcoming, rows.current))


def says(row: PlanAssignment, stretch: Stretch) -> bool:
    """Whether a row is this stretch of this plan from this source."""
    said = stretch_of(row)
    return (said.plan.pk, said.source, said.start, said.end, said.is_nothing) == (
        stretch.plan.pk,
        stretch.source,
        stretch.start,
        stretch.end,
        stretch.is_nothing,
    )


def waiting_stretch(row: PlanAssignment) -> Stretch:
    """An upcoming row as a stretch, with why it is there."""
    return replace(stretch_of(row), because=because_of(row))


def is_natural(waiting: PlanAssignment, current: PlanAssignment) -> bool:
    """Whether an upcoming row is what comes by itself, and not what somebody asked for."""
    return waiting.plan_id == current.plan_id or because_of(waiting) in BY_ITSELF


@requires_transaction
def follow_up(rows: Rows, *, now: datetime) -> None:
    """Expect what follows from the current assignment by itself; a change somebody scheduled stays if it begins before."""
    if rows.current is None:
        return
    then, waiting = following(stretch_of(rows.current)), rows.upcoming
    is_asked_for = waiting is not None and not is_natural(waiting, rows.current)
    if is_asked_for and waiting is not None and (then is None or waiting.period_start_at <= then.start):
        return
    if then is not None and then.start <= now:
        dropped = expect(rows, None, now=now)
        note_schedule(rows.entity_id, dropped, now=now, quietly=True)
        go(rows, then, now=now)
        return
    note_schedule(rows.entity_id, expect(rows, then, now=now), now=now, quietly=True)


def because_of(row: PlanAssignment) -> str:
    """Why an upcoming assignment is there; empty where somebody scheduled it, and for renewals."""
    said = row.metadata_json.get(BECAUSE, "") if isinstance(row.metadata_json, dict) else ""
    return said if isinstance(said, str) else ""


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


def _drop(waiting: PlanAssignment, current: PlanAssignment | None, *, now: datetime) -> None:
    """What somebody asked for stays on record as canceled; what would have come by itself was never more than expected."""
    if current is not None and is_natural(waiting, current):
        waiting.delete()
        return
    close(waiting, AssignmentStatus.CANCELED, now=now)


def _stays(waiting: PlanAssignment, then: Stretch | None) -> bool:
    return then is not None and says(waiting, then)


def _renews(before: PlanAssignment | None, stretch: Stretch) -> bool:
    return before is not None and before.plan_id == stretch.plan.pk and not stretch.is_nothing


def _write(
    entity_id: int,
    stretch: Stretch,
    promoted: PlanAssignment | None,
    before: PlanAssignment | None,
    *,
    now: datetime,
    columns: Mapping[str, Any],
) -> PlanAssignment:
    """The row of a stretch that begins: the one that waited for it, or a new one."""
    status = AssignmentStatus.CANCELED if stretch.is_nothing else AssignmentStatus.CURRENT
    begun = {
        "status": status,
        "projected_at": now if not stretch.is_nothing and says_what_it_grants(stretch.plan) else None,
        "updated_at": now,
    }
    if promoted is not None:
        for name, value in begun.items():
            setattr(promoted, name, value)
        promoted.save(update_fields=list(begun))
        return promoted
    # The first assignment may be of a later period than the first: its provider says where they count from.
    anchor = anchor_of(entity_id, before) or min(stretch.billing_anchor_at or stretch.start, stretch.start)
    said = {"anchor_at": anchor, **_said(stretch, before), **columns}
    return PlanAssignment.objects.create(billable_entity_id=entity_id, created_at=now, **begun, **said)


def _said(stretch: Stretch, before: PlanAssignment | None) -> dict[str, Any]:
    """The columns of a stretch; of a renewal with what belongs to the subscription rather than to one period of it."""
    kept: dict[str, Any] = {}
    if _renews(before, stretch) and before is not None:
        kept = {"billing_cycle": before.billing_cycle, "plugin_tiers": before.plugin_tiers}
    return {
        "plan": stretch.plan,
        "source": stretch.source,
        "period_start_at": stretch.start,
        "period_end_at": stretch.end,
        "metadata_json": _metadata(before, stretch),
        **stretch.columns,
        **kept,
    }


def _metadata(before: PlanAssignment | None, stretch: Stretch) -> dict[str, Any]:
    """A renewal keeps what is noted of the subscription; a plan booked with the provider keeps its report."""
    known = before.metadata_json if before is not None and isinstance(before.metadata_json, dict) else {}
    if not _renews(before, stretch):
        is_same = stretch.source is AssignmentSource.PROVIDER
        known = {KEPT_AS: known[KEPT_AS]} if is_same and KEPT_AS in known else {}
    known = {name: value for name, value in known.items() if name != BECAUSE}
    return known | ({BECAUSE: stretch.because} if stretch.because else {})


def _write_detail(
    before: PlanAssignment | None, row: PlanAssignment, stretch: Stretch, detail: Mapping[str, Any] | None
) -> None:
    """Before anything is granted: invoices are found by it."""
    if detail is not None:
        AssignmentProviderDetail.objects.update_or_create(assignment=row, defaults=detail)
        return
    if before is None or stretch.source is not AssignmentSource.PROVIDER:
        return
    known = AssignmentProviderDetail.objects.filter(assignment_id=before.pk).values().first()
    if known is not None:
        AssignmentProviderDetail.objects.create(
            **known | {"assignment_id": row.pk, "current_period_end": row.period_end_at}
        )
