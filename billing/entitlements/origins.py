"""
Where grants came from, for operators: the template as it was, the assignment or purchase, the event, and who did it and why.

``sources`` says in a word what a customer may know; this says all of it, in a number of statements that does not grow with the
grants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.engine.types import AdjustmentKind, EntitlementType, Replenish, SourceType
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.sources import sources_of
from billing.models import (
    BillingEvent,
    Grant,
    GrantAdjustment,
    GrantEnding,
    PlanAssignment,
    PlanTemplate,
    ProductTemplate,
    Purchase,
)
from mozaiks.kit.times import spoken


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointer:
    """A row to look at: its table by the name of its model, its id, and what it is called."""

    table: str
    id: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where one grant came from: sentences in order, and the rows behind them."""

    grant_id: int
    title: str
    sentences: tuple[str, ...]
    pointers: tuple[Pointer, ...]


@dataclass(slots=True)
class _Behind:
    """What stands behind some grants, read once, by id."""

    assignments: Mapping[int, PlanAssignment] = field(default_factory=dict)
    purchases: Mapping[int, Purchase] = field(default_factory=dict)
    events: Mapping[int, BillingEvent] = field(default_factory=dict)
    plan_templates: Mapping[int, PlanTemplate] = field(default_factory=dict)
    product_templates: Mapping[int, ProductTemplate] = field(default_factory=dict)
    assigned_by: Mapping[int, BillingEvent] = field(default_factory=dict)
    endings: Mapping[int, GrantEnding] = field(default_factory=dict)
    adjustments: Mapping[int, list[GrantAdjustment]] = field(default_factory=dict)


def origins_of(grants: Sequence[Grant]) -> dict[int, Origin]:
    """The origin of each grant, by the grant's id. At most a dozen statements, whatever the number of grants."""
    if not grants:
        return {}
    titles = sources_of(grants)
    behind = _read(grants)
    return {
        grant.pk: Origin(
            grant_id=grant.pk,
            title=titles[grant.pk].title,
            sentences=(_given(grant), *_because(grant, behind), *_afterwards(grant, behind)),
            pointers=tuple(_pointers(grant, behind)),
        )
        for grant in grants
    }


def amount_of(grant: Grant) -> str:
    """What a grant gives, in words."""
    info = definition_by_id(grant.definition_id)
    if info.rule.type is EntitlementType.STATE:
        return "grants it"
    if grant.amount is None:
        return "is unlimited"
    units = f"{grant.amount:,} ({info.unit})"
    if info.rule.type is EntitlementType.CAPACITY:
        return f"allows {units} at a time"
    if grant.replenish == Replenish.PER_WINDOW and info.rule.type is EntitlementType.METERED_QUOTA:
        return f"gives {units} in every window"
    return f"gives {units} once"


def _given(grant: Grant) -> str:
    until = f"until {spoken(grant.expires_at)}" if grant.expires_at else "without an end"
    kind = grant.kind.replace("_", " ")
    return f"Grant {grant.pk} ({kind}) {amount_of(grant)}, from {spoken(grant.effective_at)} {until}."


def _because(grant: Grant, behind: _Behind) -> Iterator[str]:
    kind = SourceType(grant.source_type)
    key = int(grant.source_id) if grant.source_id.isdecimal() else 0
    if kind is SourceType.MANUAL_CONSOLE:
        yield f"{grant.source_id or 'An operator'} gave it by hand{_why(_reason_in(grant))}."
    elif kind is SourceType.SYSTEM_WORKER:
        yield "The system gave it by itself."
    elif kind is SourceType.PLAN_ASSIGNMENT and key in behind.assignments:
        yield from _of_assignment(grant, behind.assignments[key], behind)
    elif kind is SourceType.BILLING_PURCHASE and key in behind.purchases:
        yield from _of_purchase(grant, behind.purchases[key], behind)
    elif kind is SourceType.BILLING_EVENT and key in behind.events:
        yield f"{_event(behind.events[key])} caused it."
    else:
        yield f"It was made for {kind.value.replace('_', ' ')} {grant.source_id}, which is not stored here."


def _of_assignment(grant: Grant, assignment: PlanAssignment, behind: _Behind) -> Iterator[str]:
    end = f"until {spoken(assignment.period_end_at)}" if assignment.period_end_at else "without an end"
    yield (
        f"It comes with the plan “{assignment.plan.name}”: assignment {assignment.pk}, "
        f"from {spoken(assignment.period_start_at)} {end}, source {assignment.source}."
    )
    event = behind.assigned_by.get(assignment.pk)
    if event is not None and event.actor:
        yield f"{event.actor} put the customer on this plan at {spoken(event.occurred_at)}{_why(event.reason)}."
    if grant.template_id is not None:
        yield _template(grant, behind.plan_templates.get(grant.template_id), quantity=1, of="plan")


def _of_purchase(grant: Grant, purchase: Purchase, behind: _Behind) -> Iterator[str]:
    called = purchase.display_name or (purchase.product.name if purchase.product else str(purchase))
    number = f"{purchase.quantity} × " if purchase.quantity > 1 else ""
    payment = purchase.provider_payment_id or purchase.provider_invoice_id
    through = f"{purchase.provider}, payment {payment}" if payment else purchase.provider
    yield (
        f"It was bought: {number}“{called}” (purchase {purchase.pk}), paid at {spoken(purchase.purchased_at)} "
        f"through {through}; the purchase is {purchase.status.replace('_', ' ')}."
    )
    if purchase.billing_event is not None:
        yield f"{_event(purchase.billing_event)} reported it."
    if grant.template_id is not None:
        template = behind.product_templates.get(grant.template_id)
        yield _template(grant, template, quantity=purchase.quantity, of="product")


def _template(grant: Grant, template: PlanTemplate | ProductTemplate | None, *, quantity: int, of: str) -> str:
    """The grant keeps what its template said; whoever edits the template changes later grants only."""
    said = f"Template {grant.template_id} of the {of} said so then"
    if template is None:
        return f"{said}; the {of} has no such template any more."
    today = None if template.amount is None else template.amount * quantity
    if today == grant.amount:
        return f"{said}, and says so today."
    return f"{said}; today it says {'unlimited' if today is None else f'{today:,}'}, which is for later grants."


def _afterwards(grant: Grant, behind: _Behind) -> Iterator[str]:
    for each in behind.adjustments.get(grant.pk, []):
        source = f"{each.source_type.replace('_', ' ')} {each.source_id}".strip()
        yield f"{_adjusted(each)} at {spoken(each.occurred_at)}: {each.reason.replace('_', ' ')} ({source})."
    ending = behind.endings.get(grant.pk)
    if ending is not None:
        source = f"{ending.source_type.replace('_', ' ')} {ending.source_id}".strip()
        yield f"It ended at {spoken(ending.ended_at)}: {ending.reason.replace('_', ' ')} ({source})."


def _adjusted(adjustment: GrantAdjustment) -> str:
    if adjustment.kind == AdjustmentKind.TAKE:
        return (
            f"{adjustment.amount:,} of it were taken back" if adjustment.amount else "Nothing of it could be taken back"
        )
    return "It was frozen" if adjustment.kind == AdjustmentKind.FREEZE else "It was released again"


def _pointers(grant: Grant, behind: _Behind) -> Iterator[Pointer]:
    yield Pointer(table="grant", id=grant.pk, text=f"grant {grant.pk}")
    key = int(grant.source_id) if grant.source_id.isdecimal() else 0
    kind = SourceType(grant.source_type)
    if kind is SourceType.PLAN_ASSIGNMENT and (assignment := behind.assignments.get(key)):
        yield Pointer(table="planassignment", id=key, text=f"assignment {key}")
        yield Pointer(table="plan", id=assignment.plan_id, text=f"plan {assignment.plan.code}")
        if event := behind.assigned_by.get(key):
            yield Pointer(table="billingevent", id=event.pk, text=f"event {event.pk}")
        if grant.template_id in behind.plan_templates:
            yield Pointer(table="plantemplate", id=grant.template_id or 0, text=f"template {grant.template_id}")
    elif kind is SourceType.BILLING_PURCHASE and (purchase := behind.purchases.get(key)):
        yield Pointer(table="purchase", id=key, text=f"purchase {key}")
        if purchase.billing_event_id is not None:
            yield Pointer(table="billingevent", id=purchase.billing_event_id, text=f"event {purchase.billing_event_id}")
        if grant.template_id in behind.product_templates:
            yield Pointer(table="producttemplate", id=grant.template_id or 0, text=f"template {grant.template_id}")
    elif kind is SourceType.BILLING_EVENT and key in behind.events:
        yield Pointer(table="billingevent", id=key, text=f"event {key}")


def _read(grants: Sequence[Grant]) -> _Behind:
    plans = [grant for grant in grants if grant.source_type == SourceType.PLAN_ASSIGNMENT]
    bought = [grant for grant in grants if grant.source_type == SourceType.BILLING_PURCHASE]
    assignments = _rows(PlanAssignment.objects.select_related("plan"), _source_ids(plans))
    ids = [grant.pk for grant in grants]
    adjustments: dict[int, list[GrantAdjustment]] = defaultdict(list)
    for adjustment in GrantAdjustment.objects.filter(grant_id__in=ids).order_by("occurred_at", "pk"):
        adjustments[adjustment.grant_id].append(adjustment)
    return _Behind(
        assignments=assignments,
        purchases=_rows(Purchase.objects.select_related("product", "billing_event"), _source_ids(bought)),
        events=_rows(
            BillingEvent.objects.all(),
            _source_ids(grant for grant in grants if grant.source_type == SourceType.BILLING_EVENT),
        ),
        plan_templates=_rows(PlanTemplate.objects.all(), {grant.template_id for grant in plans if grant.template_id}),
        product_templates=_rows(
            ProductTemplate.objects.all(), {grant.template_id for grant in bought if grant.template_id}
        ),
        assigned_by=assigned_by(list(assignments.values())),
        endings={ending.grant_id: ending for ending in GrantEnding.objects.filter(grant_id__in=ids)},
        adjustments=adjustments,
    )


def _rows(rows: Any, ids: set[int]) -> dict[int, Any]:
    return {row.pk: row for row in rows.filter(pk__in=ids)} if ids else {}


def _source_ids(grants: Iterable[Grant]) -> set[int]:
    return {int(grant.source_id) for grant in grants if grant.source_id.isdecimal()}


def assigned_by(assignments: Sequence[PlanAssignment]) -> dict[int, BillingEvent]:
    """By an assignment's id the event that was noted when it was made, found by its time, which an index knows."""
    if not assignments:
        return {}
    events = BillingEvent.objects.filter(
        billable_entity_id__in={row.billable_entity_id for row in assignments},
        occurred_at__in={row.created_at for row in assignments},
        event_name__startswith="plan.",
    )
    known = {row.pk for row in assignments}
    found = {event.payload_json.get("assignmentId"): event for event in events if isinstance(event.payload_json, dict)}
    return {key: event for key, event in found.items() if key in known}


def _event(event: BillingEvent) -> str:
    said = f"Event {event.pk} ({event.event_name}{f', {event.provider_event_id}' if event.provider_event_id else ''})"
    by = f", by {event.actor}{_why(event.reason)}," if event.actor else ""
    return f"{said} of {spoken(event.occurred_at)}{by}"


def _reason_in(grant: Grant) -> str:
    said = grant.metadata_json.get("reason", "") if isinstance(grant.metadata_json, dict) else ""
    return said if isinstance(said, str) else ""


def _why(reason: str) -> str:
    """A reason within a sentence, which brings its own full stop."""
    said = reason.strip().removesuffix(".")
    return f": “{said}”" if said else ""
