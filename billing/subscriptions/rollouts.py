"""
A changed plan on its way to its current subscribers: first everybody is looked at, then, after a word, everybody is changed.

Each subscriber is a transaction of their own, which also moves the rollout on, so that it may be interrupted at any instant and
taken up again, also by somebody else at the same time: nobody is changed or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db.models import F, QuerySet

from billing.catalog import revisions
from billing.entitlements.manual import ByHand, note
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, Plan, Rollout
from billing.models.revisions import OPEN_ROLLOUTS, RolloutStatus
from billing.subscriptions.reach import Effect, current_subscribers, differing, foresee, reach
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Conflict, Invalid

#: How many subscribers are read at once.
BATCH: Final = 100
PLAN_ROLLED_OUT: Final = "plan.rolled_out"
COUNTS: Final = ("subscribers", "seen", "changed", "gained", "lost", "over_limit")


class _Overtaken(Exception):
    """Somebody else moved the rollout on meanwhile, or it was dropped. Never leaves this module."""


def begin(plan: Plan, *, actor: str, now: datetime) -> Rollout:
    """
    Begin to look at whom the plan, as it is now, would change. A look nobody acted upon is dropped.

    :raises Conflict: the plan is being applied already.
    """

    def work() -> Rollout:
        row = Plan.objects.select_for_update().get(pk=plan.pk)
        for other in Rollout.objects.open().filter(plan=row).select_for_update():
            if other.status == RolloutStatus.APPLYING and not is_outdated(other):
                raise Conflict(f"{row.code} is being applied to its subscribers already.", code="ROLLOUT_RUNNING")
            _close(other, now=now)
        return Rollout.objects.create(
            plan=row,
            revision=revisions.begin(row, now=now),
            actor=actor,
            subscribers=current_subscribers(row).count(),
            created_at=now,
            updated_at=now,
        )

    return run_in_transaction(work)


def confirm(rollout: Rollout, *, by: ByHand, now: datetime) -> Rollout:
    """
    Let what was looked at happen.

    :raises Invalid: without a reason. :raises Conflict: it is not ready, or the plan was changed since it was looked at.
    """
    if not by.reason.strip():
        raise Invalid("Say why.", field_errors={"reason": ["Is required."]})

    def work() -> Rollout:
        row = Rollout.objects.select_for_update().get(pk=rollout.pk)
        if row.status != RolloutStatus.READY:
            raise Conflict("This is not waiting for a word: look again.", code="ROLLOUT_NOT_READY")
        if is_outdated(row):
            raise Conflict("The plan was changed since: look again.", code="ROLLOUT_OUTDATED")
        row.foreseen_json = {name: getattr(row, name) for name in COUNTS}
        for name in ("last_entity_id", *COUNTS[1:]):
            setattr(row, name, 0)
        row.status = RolloutStatus.APPLYING
        row.actor, row.reason, row.updated_at = by.actor, by.reason.strip(), now
        row.subscribers = current_subscribers(row.plan).count()
        row.save()
        return row

    return run_in_transaction(work)


def drop(rollout: Rollout, *, now: datetime) -> Rollout:
    """Go no further. Who was changed stays changed."""

    def work() -> Rollout:
        row = Rollout.objects.select_for_update().get(pk=rollout.pk)
        if row.status in OPEN_ROLLOUTS:
            _close(row, now=now)
        return row

    return run_in_transaction(work)


def is_outdated(rollout: Rollout) -> bool:
    """Whether the plan says something else by now than what is being applied."""
    return revisions.number_of(rollout.plan) != rollout.revision


def advance(rollout: Rollout, *, now: datetime, most: int = BATCH) -> Rollout:
    """
    Look at, or change, the next ``most`` subscribers; returns the rollout as it is then.

    A rollout whose plan was changed meanwhile is dropped: what is applied is what was looked at.
    """
    row = Rollout.objects.select_related("plan").get(pk=rollout.pk)
    if row.status not in (RolloutStatus.LOOKING, RolloutStatus.APPLYING):
        return row
    if is_outdated(row):
        return drop(row, now=now)
    subscribers, differ = differing(row.plan, after=row.last_entity_id, most=most, revision=row.revision, now=now)
    passed = 0
    try:
        for entity_id in (each.billable_entity_id for each in subscribers):
            passed += 1
            if entity_id in differ:
                _take(row, entity_id, passed=passed, now=now)
                passed = 0
        if passed:
            run_in_transaction(lambda: _move(row, subscribers[-1].billable_entity_id, None, passed=passed, now=now))
        if len(subscribers) < most:
            _finish(row, now=now)
    except _Overtaken:
        pass
    return Rollout.objects.select_related("plan").get(pk=row.pk)


def effects(rollout: Rollout, *, after: int, most: int, now: datetime) -> tuple[list[Effect], int | None]:
    """
    What would become of the next ``most`` subscribers beyond the entity ``after`` who would see a change; and the entity to go
    on after, None at the end. Each is the real change, rolled back.
    """
    found: list[Effect] = []
    for entity_id in _those_who_differ(rollout, after=after, now=now):
        if len(found) == most:
            return found, found[-1].entity_id
        effect = foresee(rollout.plan, entity_id, revision=rollout.revision, now=now)
        if effect is not None:
            found.append(effect)
    return found, None


def _those_who_differ(rollout: Rollout, *, after: int, now: datetime) -> Iterator[int]:
    while True:
        rows, differ = differing(rollout.plan, after=after, most=BATCH, revision=rollout.revision, now=now)
        for row in rows:
            if row.billable_entity_id in differ:
                yield row.billable_entity_id
        if len(rows) < BATCH:
            return
        after = rows[-1].billable_entity_id


def _take(row: Rollout, entity_id: int, *, passed: int, now: datetime) -> None:
    """One subscriber, and the rollout with them."""
    if row.status == RolloutStatus.LOOKING:
        effect = foresee(row.plan, entity_id, revision=row.revision, now=now)
        run_in_transaction(lambda: _move(row, entity_id, effect, passed=passed, now=now))
    else:
        perform(lambda: _apply(row, entity_id, passed=passed, now=now), now=now)
    row.last_entity_id = entity_id


@requires_transaction
def _apply(row: Rollout, entity_id: int, *, passed: int, now: datetime) -> None:
    effect = reach(row.plan, entity_id, revision=row.revision, now=now)
    if effect is not None:
        note(
            BillableEntity.objects.get(pk=entity_id),
            PLAN_ROLLED_OUT,
            by=ByHand(actor=row.actor, reason=row.reason),
            now=now,
            payload={
                "planCode": row.plan.code,
                "revision": row.revision,
                "rolloutId": row.pk,
                "assignmentId": effect.assignment_id,
                "granted": list(effect.granted),
                "ended": list(effect.ended),
            },
        )
    _move(row, entity_id, effect, passed=passed, now=now)
    if is_outdated(row):  # asked last: templates that were read before it belong to the revision
        raise _Overtaken


@requires_transaction
def _move(row: Rollout, entity_id: int, effect: Effect | None, *, passed: int, now: datetime) -> None:
    """Count, and go on after ``entity_id``. :raises _Overtaken: the rollout is not where this runner left it."""
    moved = _as_left(row).update(
        last_entity_id=entity_id,
        seen=F("seen") + passed,
        changed=F("changed") + int(effect is not None),
        gained=F("gained") + int(effect is not None and effect.gains),
        lost=F("lost") + int(effect is not None and effect.loses),
        over_limit=F("over_limit") + int(effect is not None and effect.over_limit),
        updated_at=now,
    )
    if not moved:
        raise _Overtaken


def _finish(row: Rollout, *, now: datetime) -> None:
    looking = row.status == RolloutStatus.LOOKING
    done = RolloutStatus.READY if looking else RolloutStatus.DONE
    current = Rollout.objects.filter(pk=row.pk, status=row.status)
    current.update(status=done, updated_at=now, finished_at=None if looking else now)


def _as_left(row: Rollout) -> QuerySet[Rollout]:
    return Rollout.objects.filter(pk=row.pk, status=row.status, last_entity_id=row.last_entity_id)


def _close(row: Rollout, *, now: datetime) -> None:
    row.status, row.updated_at, row.finished_at = RolloutStatus.DROPPED, now, now
    row.save(update_fields=["status", "updated_at", "finished_at"])
