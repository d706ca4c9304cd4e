"""A customer's timeline: what happened, who did it and why, the latest first. Put together from rows that were read already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from billing.models import BillingEvent, Decision, PlanAssignment, Purchase, PurchaseAdjustment
from billing.models.assignments import AssignmentStatus
from billing.models.events import EventStatus, EventType
from console.words import money

MOST = 40

#: What operators do, and what is done for them, in words.
WORDS = {
    "grant.created": "Units were granted",
    "grant.ended": "A grant was ended",
    "balance.corrected": "A balance was corrected",
    "use.reversed": "A use was taken back",
    "balances.recomputed": "The balances were rebuilt from the facts",
    "plan.assigned": "The plan was set",
    "plan.terms_changed": "The terms of the plan changed",
    "plan.scheduled": "A plan change was scheduled",
    "plan.unscheduled": "A scheduled plan change was dropped",
    "plan.promoted": "A scheduled plan change began",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLine:
    """An assignment with the event that says who made it and why, where one does."""

    assignment: PlanAssignment
    event: BillingEvent | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing that happened. ``table`` and ``key`` lead to its row; ``who`` and ``why`` are empty where nobody is known."""

    at: datetime
    what: str
    detail: str
    who: str
    why: str
    icon: str
    table: str
    key: int


def timeline(
    *,
    events: Sequence[BillingEvent],
    plans: Sequence[PlanLine],
    purchases: Sequence[Purchase],
    adjustments: Sequence[PurchaseAdjustment],
    refusals: Sequence[Decision],
) -> list[Item]:
    """The latest of everything, in one order."""
    items = [
        *(_of_event(event) for event in events),
        *(_of_plan(line) for line in plans if line.event is None and _has_begun(line)),
        *(_of_purchase(row) for row in purchases),
        *(_of_adjustment(row) for row in adjustments),
        *_of_refusals(refusals),
    ]
    return sorted(items, key=lambda item: (item.at, item.key), reverse=True)[:MOST]


def _of_event(event: BillingEvent) -> Item:
    icons = {EventType.OPERATOR: "support_agent", EventType.WEBHOOK: "webhook"}
    failed = f"; {event.status}" if event.status in (EventStatus.FAILED, EventStatus.IGNORED) else ""
    return Item(
        at=event.occurred_at,
        what=f"{WORDS.get(event.event_name, event.event_name)}{failed}",
        detail=_details(event),
        who=event.actor or event.provider or event.event_type,
        why=event.reason,
        icon=icons.get(EventType(event.event_type), "settings"),
        table="billingevent",
        key=event.pk,
    )


def _details(event: BillingEvent) -> str:
    """What an operator's deed was about."""
    said = event.payload_json if isinstance(event.payload_json, dict) else {}
    if "planCode" in said:
        return f"plan {said['planCode']}"
    found = []
    if "limitation" in said:
        amount = said.get("amount")
        found.append("unlimited" if amount is None else f"{amount:+,}" if isinstance(amount, int) else str(amount))
        found.append(str(said["limitation"]))
    elif "consumption" in said:
        found.append(f"{said.get('amount')} of use {said['consumption']}")
    elif "grant" in said:
        found.append(f"grant {said['grant']}")
    elif "rows" in said:
        found.append(f"{said['rows']} balances")
    return " ".join(found)


def _has_begun(line: PlanLine) -> bool:
    return line.assignment.status not in (AssignmentStatus.UPCOMING, AssignmentStatus.CANCELED)


def _of_plan(line: PlanLine) -> Item:
    row = line.assignment
    return Item(
        at=row.period_start_at,
        what="The plan began",
        detail=f"plan {row.plan.code}",
        who=row.source,
        why="",
        icon="assignment_ind",
        table="planassignment",
        key=row.pk,
    )


def _of_purchase(row: Purchase) -> Item:
    sold = row.product or row.plan
    bought = row.display_name or (sold.name if sold else "something that is not in the catalog")
    number = f"{row.quantity} × " if row.quantity > 1 else ""
    return Item(
        at=row.purchased_at,
        what="A purchase was paid",
        detail=f"{number}{bought}, {money(row.amount_minor, row.currency)}",
        who=row.provider,
        why="",
        icon="payments",
        table="purchase",
        key=row.pk,
    )


def _of_adjustment(row: PurchaseAdjustment) -> Item:
    return Item(
        at=row.created_at,
        what=f"A purchase: {row.action}, {row.status}",
        detail=f"purchase {row.purchase_id}, {money(row.amount_minor, row.currency)}",
        who=row.requested_by or "provider",
        why=row.reason,
        icon="currency_exchange",
        table="purchaseadjustment",
        key=row.pk,
    )


def _of_refusals(refusals: Sequence[Decision]) -> Iterator[Item]:
    """Refusals of the same thing in a row are one item."""
    for (capability, advisory), group in groupby(refusals, key=lambda row: (row.capability, row.advisory)):
        rows = list(group)
        latest = rows[0]
        word = "Let through although it did not fit" if advisory else "Refused"
        yield Item(
            at=latest.occurred_at,
            what=word if len(rows) == 1 else f"{word}, {len(rows)} times in a row",
            detail=f"{capability}: {latest.requested:,} asked, {latest.used:,} of {_limit(latest)} used",
            who="",
            why=latest.reason.replace("_", " "),
            icon="block",
            table="decision",
            key=latest.pk,
        )


def _limit(row: Decision) -> str:
    return "unlimited" if row.limit is None else f"{row.limit:,}"
