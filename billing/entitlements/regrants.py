"""
What it takes to bring present subscribers to today's templates of their plan.

A grant that says something else than its template is replaced by one that begins now, under the key of a revision. Pools keep
what was used: their account is of the window, not of the grants. What would give units twice is left alone: credits, which are
granted per paid period, and grants of fixed duration, which live their days. So is what a dispute froze or took from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from billing.engine import keys
from billing.engine.types import EntitlementType, Replenish, SourceType
from billing.entitlements.grants import NewGrant
from billing.entitlements.plan_state import FIXED_PREFIX
from billing.entitlements.resolvers import definition_by_id
from billing.models import Grant, GrantAdjustment, GrantEnding, PlanAssignment, PlanTemplate
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Regrant:
    """Grants of one subject to record, and live ones to end in their place."""

    new: tuple[NewGrant, ...]
    ending: tuple[Grant, ...]


def regrants_of(assignments: Sequence[PlanAssignment], *, revision: int, now: datetime) -> dict[int, Regrant]:
    """
    What brings each of the ``assignments``, all of one plan, to its templates; nothing for those that are there already.

    ``revision`` (> 0) is part of the new grants' keys: what was done once under it is not done again. Four queries, whatever
    the number of assignments.
    """
    if not assignments:
        return {}
    templates = list(PlanTemplate.objects.filter(plan_id=assignments[0].plan_id).order_by("pk"))
    live = _live_grants(assignments, now=now)
    wanted = {row.pk: _wanted(row, templates, revision=revision, now=now) for row in assignments}
    known = _known_keys(wanted)
    kept = _adjusted([grant for by_template in live.values() for mine in by_template.values() for grant in mine])
    found = {}
    for row in assignments:
        regrant = _regrant(live.get(row.pk, {}), wanted[row.pk], known=known, kept=kept, now=now)
        if regrant.new or regrant.ending:
            found[row.pk] = regrant
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What one template would grant; ``paid``: only to those who have it already, since a payment grants it."""

    template: PlanTemplate
    grant: NewGrant
    paid: bool
    fixed: bool


def _wanted(
    assignment: PlanAssignment, templates: Sequence[PlanTemplate], *, revision: int, now: datetime
) -> list[_Wanted]:
    start = max(now, assignment.period_start_at)
    return [
        _Wanted(
            template=template,
            grant=_new_grant(assignment, template, revision=revision, start=start),
            paid=template.effective_policy == EffectivePolicy.ON_PERIOD_PAID,
            fixed=template.duration_policy == DurationPolicy.FIXED_DURATION,
        )
        for template in templates
        if not _is_balance(template.definition_id)
    ]


def _new_grant(assignment: PlanAssignment, template: PlanTemplate, *, revision: int, start: datetime) -> NewGrant:
    kind = PlanGrantKind(template.grant_kind).grant_kind
    key = keys.assignment_grant_key(assignment.pk, template.pk, assignment.period_start_at, revision=revision)
    expires_at = None
    if template.duration_policy == DurationPolicy.PERIOD_WINDOW:
        expires_at = assignment.period_end_at
    elif template.duration_days is not None:
        key = keys.fixed_grant_key(assignment.billable_entity_id, template.pk)
        expires_at = start + timedelta(days=template.duration_days)
    return NewGrant(
        info=definition_by_id(template.definition_id),
        amount=template.amount,
        kind=kind,
        replenish=Replenish.PER_WINDOW,
        effective_at=start,
        expires_at=expires_at,
        source_type=SourceType.PLAN_ASSIGNMENT,
        source_id=str(assignment.pk),
        template_id=template.pk,
        dedupe_key=key,
    )


def _regrant(
    live: Mapping[int, Sequence[Grant]],
    wanted: Sequence[_Wanted],
    *,
    known: set[str],
    kept: set[int],
    now: datetime,
) -> Regrant:
    left = dict(live)
    new: list[NewGrant] = []
    ending: list[Grant] = []
    for each in wanted:
        mine = left.pop(each.template.pk, ())
        if (each.paid and not mine) or _says(mine, each) or kept.intersection(grant.pk for grant in mine):
            continue
        if each.grant.dedupe_key in known:
            ending += mine if each.fixed else ()
            continue
        ending += mine
        if each.grant.expires_at is None or each.grant.expires_at > now:
            new.append(each.grant)
    for mine in left.values():
        ending += [grant for grant in mine if grant.pk not in kept and not _is_balance(grant.definition_id)]
    return Regrant(new=tuple(new), ending=tuple(ending))


def _says(mine: Sequence[Grant], wanted: _Wanted) -> bool:
    """Whether exactly one live grant is there, and it gives what the template gives. A paid one keeps the period it has."""
    if len(mine) != 1 or wanted.fixed:
        return False
    (grant,) = mine
    same = grant.amount == wanted.grant.amount and grant.kind == wanted.grant.kind
    return same and (wanted.paid or grant.expires_at == wanted.grant.expires_at)


def _live_grants(assignments: Sequence[PlanAssignment], *, now: datetime) -> dict[int, dict[int, list[Grant]]]:
    """The plan grants that are not over, by assignment and template; those of fixed duration apart."""
    rows = Grant.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now),
        ~Exists(GrantEnding.objects.filter(grant_id=OuterRef("pk"))),
        source_type=SourceType.PLAN_ASSIGNMENT,
        source_id__in=[str(assignment.pk) for assignment in assignments],
    ).exclude(dedupe_key__startswith=FIXED_PREFIX)
    found: dict[int, dict[int, list[Grant]]] = defaultdict(lambda: defaultdict(list))
    for grant in rows.order_by("pk"):
        found[int(grant.source_id)][grant.template_id or 0].append(grant)
    return found


def _known_keys(wanted: Mapping[int, Sequence[_Wanted]]) -> set[str]:
    asked = [each.grant.dedupe_key for some in wanted.values() for each in some]
    return set(Grant.objects.filter(dedupe_key__in=asked).values_list("dedupe_key", flat=True)) if asked else set()


def _adjusted(grants: Sequence[Grant]) -> set[int]:
    ids = [grant.pk for grant in grants]
    return set(GrantAdjustment.objects.filter(grant_id__in=ids).values_list("grant_id", flat=True)) if ids else set()


def _is_balance(definition_id: int) -> bool:
    return definition_by_id(definition_id).rule.type is EntitlementType.BALANCE
