"""
What the page of a customer shows, read in a number of statements that grows with nothing: plan, limits, latest facts, timeline.

The newest rows of each kind are read by an index that begins with the customer; the rest is a link away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Case, OuterRef, QuerySet, Subquery, Sum, Value, When

from billing.conf import quotas_enforced
from billing.engine.types import EntitlementType, SubjectType
from billing.entitlements.explain import survey
from billing.entitlements.latest import latest_use_ids
from billing.entitlements.origins import assigned_by
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.wording import granted_before
from billing.models import (
    BillableEntity,
    BillingEvent,
    Consumption,
    Decision,
    Grant,
    GrantEnding,
    PlanAssignment,
    Purchase,
    PurchaseAdjustment,
)
from billing.models.assignments import AssignmentStatus
from billing.payments.taking_back import went_back
from billing.subscriptions.scheduling import promote_due
from console.bars import Bar, bar_of
from console.preview import rehearse
from console.standing import Standing, standing_of
from console.timeline import Item, PlanLine, timeline
from console.words import money

#: How many rows of each kind the page shows.
LATEST = 10
LATEST_EVENTS = 25
#: Nobody has been seen with more refunds and disputes of so few purchases.
MOST = 100
#: Of these there are uses.
CONSUMABLE = (EntitlementType.METERED_QUOTA, EntitlementType.BALANCE)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerPage:
    """Everything on the page, as of ``now``."""

    entity: BillableEntity
    now: datetime
    enforced: bool
    current: PlanLine | None
    upcoming: PlanLine | None
    standing: Standing
    plans: list[PlanLine]
    bars: list[Bar]
    uses: list[Any]
    refusals: list[Decision]
    grants: list[Any]
    purchases: list[Purchase]
    events: list[BillingEvent]
    timeline: list[Item]

    @property
    def shown(self) -> list[Bar]:
        """Limits of which something was granted or used: those in trouble first."""
        order = {"bad": 0, "warning": 1}
        return sorted((bar for bar in self.bars if not bar.is_idle), key=lambda bar: order.get(bar.tone, 2))

    @property
    def idle(self) -> list[Bar]:
        return [bar for bar in self.bars if bar.is_idle]

    @property
    def troubled(self) -> list[Bar]:
        """Limits that are not fine, for the first line of an answer."""
        return [bar for bar in self.bars if bar.tone in ("bad", "warning")]


def customer_page(entity: BillableEntity, *, now: datetime) -> CustomerPage:
    """Read the page. A scheduled plan change that has begun is shown as done, whether or not it was written yet."""
    assignments = _assignments(entity)
    upcoming = _with_status(assignments, AssignmentStatus.UPCOMING)
    if upcoming is None or upcoming.period_start_at > now:
        return _read(entity, assignments, now=now)

    def promoted() -> CustomerPage:
        promote_due(entity.pk, now)
        return _read(entity, _assignments(entity), now=now)

    return rehearse(promoted)


def _read(entity: BillableEntity, assignments: list[PlanAssignment], *, now: datetime) -> CustomerPage:
    made_by = assigned_by(assignments)
    lines = [PlanLine(assignment=row, event=made_by.get(row.pk)) for row in assignments]
    upcoming = next((line for line in lines if line.assignment.status == AssignmentStatus.UPCOMING), None)
    purchases, events, refusals = _purchases(entity), _events(entity), _refusals(entity)
    adjustments = _adjustments(purchases)
    _note_what_went_back(purchases, adjustments)
    bars = _bars(entity, now=now, upcoming=upcoming)
    current = next((line for line in lines if line.assignment.status == AssignmentStatus.CURRENT), None)
    return CustomerPage(
        entity=entity,
        now=now,
        enforced=quotas_enforced(),
        current=current,
        upcoming=upcoming,
        standing=standing_of(_row(current), _row(upcoming), now=now),
        plans=lines,
        bars=bars,
        uses=_uses(entity, bars),
        refusals=refusals,
        grants=_grants(entity),
        purchases=purchases,
        events=events,
        timeline=timeline(events=events, plans=lines, purchases=purchases, adjustments=adjustments, refusals=refusals),
    )


def _row(line: PlanLine | None) -> PlanAssignment | None:
    return None if line is None else line.assignment


def _assignments(entity: BillableEntity) -> list[PlanAssignment]:
    """The current and the scheduled one, then the latest of the others."""
    open_first = Case(
        When(status=AssignmentStatus.UPCOMING, then=Value(0)),
        When(status=AssignmentStatus.CURRENT, then=Value(1)),
        default=Value(2),
    )
    rows = PlanAssignment.objects.for_entity(entity.pk).select_related("plan", "provider_detail")
    return list(rows.order_by(open_first, "-pk")[:LATEST])


def _with_status(rows: Sequence[PlanAssignment], status: AssignmentStatus) -> PlanAssignment | None:
    return next((row for row in rows if row.status == status), None)


def _bars(entity: BillableEntity, *, now: datetime, upcoming: PlanLine | None) -> list[Bar]:
    surveyed = survey(entity, now=now)
    before = granted_before(entity, [each.limitation for each in surveyed])
    return [
        bar_of(
            each,
            now=now,
            enforced=quotas_enforced(),
            had_grants=each.limitation.definition_id in before,
            plan_changes_at=upcoming.assignment.period_start_at if upcoming else None,
        )
        for each in surveyed
    ]


def _of(facts: QuerySet[T], entity: BillableEntity) -> QuerySet[T]:  # type: ignore[type-var]
    """Facts of a customer, found by the index that begins with the subject's type."""
    return facts.filter(subject_type=SubjectType.BILLABLE_ENTITY.value, subject_id=entity.pk)


def _uses(entity: BillableEntity, bars: Sequence[Bar]) -> list[Any]:
    """The latest uses of the limits that are shown; ``taken_back`` units of each were."""
    counted = [bar.limit.definition_id for bar in bars if bar.limit.entitlement_type in CONSUMABLE]
    ids = latest_use_ids(entity.pk, counted, number=LATEST)
    if not ids:
        return []
    reversals = Consumption.objects.filter(reverses_id=OuterRef("pk")).order_by().values("reverses_id")
    rows = Consumption.objects.annotate(taken_back=Subquery(reversals.annotate(n=Sum("amount")).values("n")))
    found = {row.pk: _named(row) for row in rows.filter(pk__in=ids)}
    return [found[key] for key in ids if key in found]


def _refusals(entity: BillableEntity) -> list[Decision]:
    rows = _of(Decision.objects.all(), entity).order_by("-occurred_at", "-pk")[:LATEST]
    return [_named(row) for row in rows]


def _grants(entity: BillableEntity) -> list[Any]:
    """The latest grants; ``ended_at`` is when one ended before its time."""
    ending = GrantEnding.objects.filter(grant_id=OuterRef("pk")).values("ended_at")[:1]
    rows = _of(Grant.objects.annotate(ended_at=Subquery(ending)), entity).order_by("-pk")[:LATEST]
    return [_named(row) for row in rows]


def _named(row: Any) -> Any:
    """Definitions are known to the process, so that no row of theirs has to be read."""
    row.limitation = definition_by_id(row.definition_id)
    return row


def _purchases(entity: BillableEntity) -> list[Purchase]:
    rows = Purchase.objects.filter(billable_entity=entity).select_related("product", "plan")
    return list(rows.order_by("-purchased_at", "-pk")[:LATEST])


def _note_what_went_back(purchases: Sequence[Any], adjustments: Sequence[PurchaseAdjustment]) -> None:
    """Give each purchase ``went_back``, in words; empty where nothing did."""
    for row in purchases:
        back = went_back([each for each in adjustments if each.purchase_id == row.pk])
        row.went_back = money(back, row.currency) if back else ""


def _adjustments(purchases: Sequence[Purchase]) -> list[PurchaseAdjustment]:
    """What was done to the purchases that are shown."""
    shown = [row.pk for row in purchases]
    return list(PurchaseAdjustment.objects.filter(purchase_id__in=shown).order_by("-pk")[:MOST]) if shown else []


def _events(entity: BillableEntity) -> list[BillingEvent]:
    rows = BillingEvent.objects.filter(billable_entity=entity).order_by("-occurred_at", "-pk")
    return list(rows.defer("error_text")[:LATEST_EVENTS])
