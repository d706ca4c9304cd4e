"""
How far a changed plan reaches: its current subscribers, and what becomes of each when today's templates are applied to them.

A preview is the real change, run for one subscriber and rolled back, so that it cannot tell anything else than what will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing.engine.types import EndingReason, SourceType
from billing.entitlements.grants import record
from billing.entitlements.limitations import Limitation, resolve_effective_limitations
from billing.entitlements.regrants import regrants_of
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentQuerySet, AssignmentStatus
from mozaiks.kit.db import requires_transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """One limit of a subscriber before and after, in its units; None is unlimited. ``used`` is before, ``over_limit`` after."""

    code: str
    unit: str
    before: int | None
    after: int | None
    used: int
    over_limit: bool

    @property
    def gains(self) -> bool:
        return self.before is not None and (self.after is None or self.after > self.before)

    @property
    def loses(self) -> bool:
        return self.after is not None and (self.before is None or self.after < self.before)


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What becomes of one subscriber: grants recorded and ended, and the limits that move."""

    entity_id: int
    assignment_id: int
    granted: tuple[int, ...]
    ended: tuple[int, ...]
    shifts: tuple[Shift, ...]

    @property
    def gains(self) -> bool:
        return any(shift.gains for shift in self.shifts)

    @property
    def loses(self) -> bool:
        return any(shift.loses for shift in self.shifts)

    @property
    def over_limit(self) -> bool:
        return any(shift.over_limit for shift in self.shifts)


def current_subscribers(plan: Plan) -> AssignmentQuerySet:
    """The assignments that are current on ``plan``, in the order of their entities' ids."""
    return PlanAssignment.objects.filter(plan=plan, current_key__isnull=False).order_by("current_key")


def differing(
    plan: Plan, *, after: int, most: int, revision: int, now: datetime
) -> tuple[list[PlanAssignment], set[int]]:
    """
    The next ``most`` current subscribers beyond the entity ``after``, and the entities among them whose grants differ from
    today's templates. Five queries.
    """
    rows = list(current_subscribers(plan).filter(current_key__gt=after)[:most])
    found = regrants_of(rows, revision=revision, now=now)
    return rows, {row.billable_entity_id for row in rows if row.pk in found}


def foresee(plan: Plan, entity_id: int, *, revision: int, now: datetime) -> Effect | None:
    """What :func:`reach` would do: the same, done and rolled back."""

    def rehearse() -> Effect | None:
        effect = reach(plan, entity_id, revision=revision, now=now)
        transaction.set_rollback(True)
        return effect

    return perform(rehearse, now=now)


@requires_transaction
def reach(plan: Plan, entity_id: int, *, revision: int, now: datetime) -> Effect | None:
    """
    Bring one current subscriber to today's templates of ``plan``: grants that say something else end, new ones begin now.

    None where nothing is to be done: it was done, or the entity is not on the plan (any more). A change of plan that is due
    goes first, so whoever waits for one is left out.
    """
    assignment = _lock(plan, entity_id, now=now)
    if assignment is None:
        return None
    regrant = regrants_of([assignment], revision=revision, now=now).get(assignment.pk)
    if regrant is None:
        return None
    entity = BillableEntity.objects.get(pk=entity_id)
    before = _limits(entity, now=now)
    recorded = record(
        entity_id,
        new=regrant.new,
        ending=regrant.ending,
        reason=EndingReason.REPLACED,
        source=(SourceType.PLAN_ASSIGNMENT, str(assignment.pk)),
        now=now,
    )
    if assignment.projected_at is None:
        assignment.projected_at = now
        assignment.save(update_fields=["projected_at"])
    return Effect(
        entity_id=entity_id,
        assignment_id=assignment.pk,
        granted=recorded.inserted,
        ended=recorded.ended,
        shifts=_shifts(before, _limits(entity, now=now)),
    )


def _lock(plan: Plan, entity_id: int, *, now: datetime) -> PlanAssignment | None:
    """The current assignment, locked together with an upcoming one; None where another plan is or should be current."""
    open_ones = PlanAssignment.objects.for_entity(entity_id).filter(
        status__in=[AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]
    )
    current = None
    for row in open_ones.select_for_update().order_by("pk"):
        if row.status == AssignmentStatus.UPCOMING and row.period_start_at <= now:
            return None
        if row.status == AssignmentStatus.CURRENT and row.plan_id == plan.pk:
            current = row
    return current


def _limits(entity: BillableEntity, *, now: datetime) -> dict[str, Limitation]:
    return {limit.code: limit for limit in resolve_effective_limitations(entity, now=now).limitations}


def _shifts(before: Mapping[str, Limitation], after: Mapping[str, Limitation]) -> tuple[Shift, ...]:
    """The limits whose granted amount moved, by code."""
    return tuple(
        Shift(
            code=code,
            unit=limit.unit,
            before=before[code].granted_amount,
            after=limit.granted_amount,
            used=before[code].consumed_amount,
            over_limit=limit.over_limit,
        )
        for code, limit in sorted(after.items())
        if code in before and before[code].granted_amount != limit.granted_amount
    )
