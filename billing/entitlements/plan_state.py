"""
What a plan grants to who is on it: its templates become grants, and those of the plan before end, in one transaction.

Templates that grant when a period is paid are granted when it is known to be (``paid_periods``), be that before the assignment
is there or after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from billing.engine import keys
from billing.engine.types import EndingReason, Replenish, SourceType
from billing.entitlements.announcements import ChangeSource, announce
from billing.entitlements.grants import NewGrant, Recorded, record
from billing.entitlements.paid_periods import Paid, paid_templates
from billing.entitlements.resolvers import definition_by_id
from billing.models import Grant, PlanAssignment, PlanTemplate
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind
from mozaiks.kit.db import requires_transaction

FIXED_PREFIX = "g1:fixed:"


@requires_transaction
def grant_entitlements_for_plan_state(
    assignment: PlanAssignment,
    *,
    now: datetime,
    replaces: Sequence[int] = (),
    unscheduled: Sequence[int] = (),
    renews: bool = False,
    paid: bool = True,
) -> Recorded:
    """
    Turn the templates of the assignment's plan into grants, and end the live plan grants of the assignments it ``replaces``.

    ``unscheduled`` are definitions whose next boundary moves beside: a scheduled change touched them, or will. ``renews``: it is
    the plan it was, so that nobody is told where no number changes. ``paid`` False leaves out what a paid period grants.

    Grants of fixed duration live their days whatever the plan does. Idempotent by (assignment, template, period).
    """
    templates = list(assignment.plan.templates.order_by("id"))
    known = paid_templates(assignment, templates) if paid else {}
    new = [of_template(assignment, template) for template in templates if is_unconditional(template)]
    new += [of_paid(assignment, template, known[template.pk]) for template in templates if template.pk in known]
    recorded = record(
        assignment.billable_entity_id,
        new=new,
        ending=_running(assignment.billable_entity_id, replaces, now=now),
        reason=EndingReason.REPLACED,
        source=(SourceType.PLAN_ASSIGNMENT, str(assignment.pk)),
        touching=[definition_by_id(definition_id) for definition_id in unscheduled],
        now=now,
    )
    if not renews and (recorded.inserted or recorded.ended or replaces):  # the plan has changed, whatever it grants
        announce(assignment.billable_entity_id, (), ChangeSource.PLAN_GRANT, now=now)
    return recorded


@requires_transaction
def end_plan_state(
    subject_id: int, *, replaces: Sequence[int], unscheduled: Sequence[int] = (), now: datetime
) -> Recorded:
    """End the live plan grants of the assignments ``replaces``, after which there is no plan at all."""
    recorded = record(
        subject_id,
        ending=_running(subject_id, replaces, now=now),
        reason=EndingReason.CANCELED,
        source=(SourceType.PLAN_ASSIGNMENT, str(replaces[0]) if replaces else ""),
        touching=[definition_by_id(definition_id) for definition_id in unscheduled],
        now=now,
    )
    announce(subject_id, (), ChangeSource.PLAN_GRANT, now=now)
    return recorded


@requires_transaction
def grant_paid_period(assignment: PlanAssignment, *, now: datetime) -> Recorded:
    """Grant what is known to be paid of the assignment's period, and end what was left on trust until then. Once."""
    templates = list(assignment.plan.templates.filter(effective_policy=EffectivePolicy.ON_PERIOD_PAID).order_by("id"))
    known = paid_templates(assignment, templates)
    new = {
        template.pk: of_paid(assignment, template, known[template.pk]) for template in templates if template.pk in known
    }
    live = _running(assignment.billable_entity_id, [assignment.pk], now=now) if new else []
    trusted = [
        grant for grant in live if grant.template_id in new and grant.dedupe_key != new[grant.template_id].dedupe_key
    ]
    return _exchange(assignment, new=list(new.values()), ending=trusted, now=now)


@requires_transaction
def move_period_end(assignment: PlanAssignment, *, now: datetime) -> Recorded:
    """
    Bring grants that last for the period to another end of it. What was paid for keeps the end it has: it is there once.
    """
    by_period = assignment.plan.templates.filter(
        effective_policy=EffectivePolicy.ON_ASSIGNMENT_CURRENT, duration_policy=DurationPolicy.PERIOD_WINDOW
    )
    templates = {template.pk: template for template in by_period.order_by("id")}
    live = _running(assignment.billable_entity_id, [assignment.pk], now=now) if templates else []
    moving = [
        grant for grant in live if grant.template_id in templates and grant.expires_at != assignment.period_end_at
    ]
    end = assignment.period_end_at
    revision = int(end.timestamp()) if end is not None else 1
    new = [of_template(assignment, templates[grant.template_id or 0], revision=revision) for grant in moving]
    return _exchange(assignment, new=new, ending=moving, now=now)


@requires_transaction
def note_schedule(subject_id: int, definition_ids: Iterable[int], *, now: datetime, quietly: bool = False) -> None:
    """
    A plan change was scheduled or dropped: the balances it touches get their next boundary anew. ``quietly``: nobody is told,
    because it is a renewal.
    """
    touched = [definition_by_id(definition_id) for definition_id in sorted(set(definition_ids))]
    record(subject_id, touching=touched, now=now)
    if not quietly:
        announce(subject_id, [info.code for info in touched], ChangeSource.PLAN_GRANT, now=now)


def is_unconditional(template: PlanTemplate) -> bool:
    """Whether the template grants by the plan alone, paid or not."""
    return bool(template.effective_policy == EffectivePolicy.ON_ASSIGNMENT_CURRENT)


def of_template(assignment: PlanAssignment, template: PlanTemplate, *, revision: int = 0) -> NewGrant:
    """What a template grants in the assignment's period. ``revision`` > 0: in place of what it granted before."""
    start = assignment.period_start_at
    key = keys.assignment_grant_key(assignment.pk, template.pk, start, revision=revision)
    expires_at = assignment.period_end_at if template.duration_policy == DurationPolicy.PERIOD_WINDOW else None
    if template.duration_policy == DurationPolicy.FIXED_DURATION and template.duration_days is not None:
        key = keys.fixed_grant_key(assignment.billable_entity_id, template.pk)
        expires_at = start + timedelta(days=template.duration_days)
    return NewGrant(
        info=definition_by_id(template.definition_id),
        amount=template.amount,
        kind=PlanGrantKind(template.grant_kind).grant_kind,
        replenish=Replenish.PER_WINDOW,
        effective_at=start,
        expires_at=expires_at,
        source_type=SourceType.PLAN_ASSIGNMENT,
        source_id=str(assignment.pk),
        template_id=template.pk,
        dedupe_key=key,
    )


def of_paid(assignment: PlanAssignment, template: PlanTemplate, paid: Paid) -> NewGrant:
    """What a template grants because a period was paid: its own, or on trust the one before."""
    grant = of_template(assignment, template)
    if paid.period_start_at != assignment.period_start_at and not grant.dedupe_key.startswith(FIXED_PREFIX):
        key = keys.assignment_grant_key(assignment.pk, template.pk, paid.period_start_at)
        grant = replace(grant, dedupe_key=key)
    if paid.purchase_id is None:
        return grant
    return replace(grant, metadata={"purchase": paid.purchase_id})


def _exchange(
    assignment: PlanAssignment, *, new: Sequence[NewGrant], ending: Sequence[Grant], now: datetime
) -> Recorded:
    return record(
        assignment.billable_entity_id,
        new=new,
        ending=ending,
        reason=EndingReason.REPLACED,
        source=(SourceType.PLAN_ASSIGNMENT, str(assignment.pk)),
        now=now,
    )


def _running(subject_id: int, assignment_ids: Sequence[int], *, now: datetime) -> list[Grant]:
    """The plan grants of these assignments that neither ended nor expired; those of fixed duration apart."""
    if not assignment_ids:
        return []
    live = Grant.objects.filter(
        subject_id=subject_id,
        source_type=SourceType.PLAN_ASSIGNMENT,
        source_id__in=[str(assignment_id) for assignment_id in assignment_ids],
        endings__isnull=True,
    ).exclude(dedupe_key__startswith=FIXED_PREFIX)
    return [grant for grant in live if grant.expires_at is None or grant.expires_at > now]
