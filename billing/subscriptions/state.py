"""The read side: which plan somebody is on, what comes next, what could be chosen, what was before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects

from billing import conf
from billing.models import AssignmentProviderDetail, BillableEntity, Plan, PlanAssignment, PlanTemplate
from billing.models.assignments import AssignmentQuerySet, AssignmentStatus
from billing.subscriptions.course import stretch_of
from billing.subscriptions.moving import because_of
from billing.subscriptions.reported import CANCELED
from billing.subscriptions.scheduling import promote_due

#: How many earlier assignments the history shows.
HISTORY_LENGTH = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceView:
    """A price in minor units of currency; ``amount_minor`` None is not for sale here, 0 is free."""

    amount_minor: int | None
    currency: str
    interval: str | None
    interval_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EntitlementView:
    """What a plan grants of one definition, in units of the definition. ``amount`` None is unlimited."""

    code: str
    name: str
    entitlement_type: str
    unit: str
    window_interval: str | None
    amount: int | None
    unlimited: bool
    grant_kind: str
    effective_policy: str
    duration_policy: str
    duration_days: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanView:
    """A plan as people see it."""

    code: str
    name: str
    description: str
    price: PriceView
    trial_days: int
    is_default: bool
    is_current: bool
    entitlements: tuple[EntitlementView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AssignmentView:
    """One assignment: the plan by name, the period ``[period_start_at, period_end_at)`` and how it is paid."""

    id: int
    plan_code: str
    plan_name: str
    status: str
    subscription_status: str
    source: str
    period_start_at: datetime
    period_end_at: datetime | None
    billing_cycle: str
    next_billing_at: datetime | None
    trial_end_at: datetime | None
    past_due_since_at: datetime | None
    cancel_at_period_end: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrentPlan:
    """The plan somebody is on, with what it grants. ``access_until_at`` is when it will be left by itself; None: it goes on."""

    assignment: AssignmentView
    plan: PlanView
    access_until_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NextPlanChange:
    """A change that is scheduled: to which plan, and when."""

    effective_at: datetime
    assignment: AssignmentView
    plan: PlanView


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSettings:
    """What the installation says about plans."""

    default_plan_code: str | None
    mode: str
    enforce_quotas: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanState:
    """Everything a page about somebody's plan shows. ``history`` has the latest first."""

    current_plan: CurrentPlan | None
    next_plan_change: NextPlanChange | None
    available_plans: tuple[PlanView, ...]
    history: tuple[AssignmentView, ...]
    settings: PlanSettings


def read_plan_state(entity: BillableEntity, *, now: datetime) -> PlanState:
    """
    The plan state of ``entity`` at ``now`` in four queries, whatever there is to tell.

    What has begun by itself and was not written yet (a scheduled change, renewals, the end of a trial) is shown as done: it is
    done, read, and rolled back. A renewal is no change of plan. Writes nothing.
    """
    rows = _open_rows(entity)
    waiting = rows.get(AssignmentStatus.UPCOMING)
    if waiting is None or waiting.period_start_at > now:
        return _read(entity, rows)
    with transaction.atomic():
        promote_due(entity.pk, now)
        state = _read(entity, _open_rows(entity))
        transaction.set_rollback(True)
    return state


def _open_rows(entity: BillableEntity) -> dict[AssignmentStatus, PlanAssignment]:
    rows = _assignments(entity).filter(status__in=[AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING])
    return {AssignmentStatus(row.status): row for row in rows}


def _assignments(entity: BillableEntity) -> AssignmentQuerySet:
    return PlanAssignment.objects.for_entity(entity.pk).select_related("plan", "provider_detail")


def _read(entity: BillableEntity, rows: dict[AssignmentStatus, PlanAssignment]) -> PlanState:
    current, upcoming = rows.get(AssignmentStatus.CURRENT), rows.get(AssignmentStatus.UPCOMING)
    latest = _assignments(entity).order_by("-pk")[: HISTORY_LENGTH + 2]
    before = [row for row in latest if row not in (current, upcoming) and not _says_nothing(row)]
    change = upcoming if upcoming is not None and _changes_plan(upcoming, current) else None
    plans = sorted(Plan.objects.active(), key=_by_price)
    _load_templates([*plans, *(row.plan for row in (current, change) if row is not None)])
    current_plan_id = current.plan_id if current is not None else None
    is_told = change is not None and not stretch_of(change).is_nothing
    return PlanState(
        current_plan=None if current is None else _current(current, change),
        next_plan_change=_next_change(change, current_plan_id) if change is not None and is_told else None,
        available_plans=tuple(_plan(plan, current_plan_id) for plan in plans),
        history=tuple(_assignment(row) for row in before[:HISTORY_LENGTH]),
        settings=_settings(plans),
    )


def _changes_plan(upcoming: PlanAssignment, current: PlanAssignment | None) -> bool:
    """Whether what follows is another plan, or none at all; a renewal is neither."""
    return current is None or current.plan_id != upcoming.plan_id or stretch_of(upcoming).is_nothing


def _says_nothing(row: PlanAssignment) -> bool:
    """A row that says that nothing followed is no history."""
    return row.status == AssignmentStatus.CANCELED and row.projected_at is None and stretch_of(row).is_nothing


def _load_templates(plans: Sequence[Plan]) -> None:
    """All templates of all ``plans`` in one query; of inactive definitions nothing is told."""
    told = PlanTemplate.objects.filter(definition__is_active=True).select_related("definition")
    ordered = told.order_by("definition__code", "grant_kind", "pk")
    prefetch_related_objects(plans, Prefetch("templates", queryset=ordered, to_attr="told_templates"))


def _by_price(plan: Plan) -> tuple[bool, int, str]:
    """Cheapest first, unpriced last."""
    amount = plan.checkout_unit_amount_minor
    return amount is None, amount or 0, plan.code


def _settings(plans: Iterable[Plan]) -> PlanSettings:
    default = next((plan.code for plan in plans if plan.is_default), None)
    return PlanSettings(
        default_plan_code=default,
        mode="platform" if conf.is_platform() else "self-hosted",
        enforce_quotas=conf.quotas_enforced(),
    )


def _current(row: PlanAssignment, change: PlanAssignment | None) -> CurrentPlan:
    return CurrentPlan(
        assignment=_assignment(row, ends=change is not None and because_of(change) == CANCELED),
        plan=_plan(row.plan, row.plan_id),
        access_until_at=None if change is None else change.period_start_at,
    )


def _next_change(row: PlanAssignment, current_plan_id: int | None) -> NextPlanChange:
    return NextPlanChange(
        effective_at=row.period_start_at, assignment=_assignment(row), plan=_plan(row.plan, current_plan_id)
    )


def _assignment(row: PlanAssignment, *, ends: bool = False) -> AssignmentView:
    return AssignmentView(
        id=row.pk,
        plan_code=row.plan.code,
        plan_name=row.plan.name,
        status=row.status,
        subscription_status=row.subscription_status,
        source=row.source,
        period_start_at=row.period_start_at,
        period_end_at=row.period_end_at,
        billing_cycle=row.billing_cycle,
        next_billing_at=None if ends else row.next_billing_at,
        trial_end_at=row.trial_end_at,
        past_due_since_at=row.past_due_since_at,
        cancel_at_period_end=ends or _ends_with_period(row),
    )


def _ends_with_period(row: PlanAssignment) -> bool:
    try:
        return row.provider_detail.cancel_at_period_end
    except AssignmentProviderDetail.DoesNotExist:
        return False


def _plan(plan: Plan, current_plan_id: int | None) -> PlanView:
    templates: list[PlanTemplate] = plan.told_templates  # type: ignore[attr-defined]
    return PlanView(
        code=plan.code,
        name=plan.name,
        description=plan.description,
        price=PriceView(
            amount_minor=plan.checkout_unit_amount_minor,
            currency=plan.checkout_currency,
            interval=plan.checkout_interval,
            interval_count=plan.checkout_interval_count,
        ),
        trial_days=plan.trial_days,
        is_default=plan.is_default,
        is_current=plan.pk == current_plan_id,
        entitlements=tuple(_entitlement(template) for template in templates),
    )


def _entitlement(template: PlanTemplate) -> EntitlementView:
    definition = template.definition
    return EntitlementView(
        code=definition.code,
        name=definition.name,
        entitlement_type=definition.entitlement_type,
        unit=definition.unit,
        window_interval=definition.window_interval,
        amount=template.amount,
        unlimited=template.amount is None,
        grant_kind=template.grant_kind,
        effective_policy=template.effective_policy,
        duration_policy=template.duration_policy,
        duration_days=template.duration_days,
    )
