"""A customer's timeline: what happened, who did it and why, the latest first. Put together from rows that were read already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from billing.models import BillingEvent, Decision, PlanAssignment, Purchase, PurchaseAdjustment
from billing.models.assignments import AssignmentStatus
from billing.models.events import EventStatus, EventType
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseKind
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
    "plan.renewed": "The plan was renewed",
    "plan.ended": "The plan ended, and there is no other",
    "plan.rolled_out": "The plan's new terms were brought to the customer",
    "subscription.unknown_price": "A subscription has a price that the catalog does not know: the plan stays as it was",
    "subscription.second_one": "A second subscription was reported beside the one that counts",
    "subscription.canceled": "The subscription was canceled at the provider",
    "subscription.resumed": "The cancellation of the subscription was taken back",
    "subscription.plan_changed": "Another plan was booked with the provider",
    "purchase.refund_requested": "A refund was asked for",
    "purchase.voided": "A purchase was declared void",
    "purchase.corrected": "What was paid was corrected",
    "purchase.product_assigned": "A payment was given its product",
    "purchase.looked_at": "A payment that was flagged was looked at",
    "event.replayed": "An event was processed again",
}
#: What was tried on a purchase, by how it ended; of a dispute recorded is open, succeeded lost, and noop won.
TRIED = {
    (PurchaseAction.REFUND, PurchaseActionStatus.RECORDED): "A refund is on its way",
    (PurchaseAction.REFUND, PurchaseActionStatus.SUCCEEDED): "Money was refunded",
    (PurchaseAction.REFUND, PurchaseActionStatus.FAILED): "A refund failed",
    (PurchaseAction.REFUND, PurchaseActionStatus.NOOP): "A refund had been told of before",
    (PurchaseAction.VOID, PurchaseActionStatus.SUCCEEDED): "A purchase was declared void",
    (PurchaseAction.VOID, PurchaseActionStatus.FAILED): "A purchase could not be declared void",
    (PurchaseAction.CORRECTION, PurchaseActionStatus.SUCCEEDED): "What was paid was corrected",
    (PurchaseAction.DISPUTE, PurchaseActionStatus.RECORDED): "The payment is disputed: its units are frozen",
    (PurchaseAction.DISPUTE, PurchaseActionStatus.SUCCEEDED): "A dispute was lost: its units are taken back",
    (PurchaseAction.DISPUTE, PurchaseActionStatus.NOOP): "A dispute was won: its units are free again",
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
    told = {row.pk for row in adjustments}
    items = [
        *(_of_event(event) for event in events if _adjustment_of(event) not in told),
        *(_of_plan(line) for line in plans if line.event is None and _has_begun(line)),
        *(_of_purchase(row) for row in purchases),
        *(_of_adjustment(row) for row in adjustments),
        *_of_refusals(refusals),
    ]
    return sorted(items, key=lambda item: (item.at, item.key), reverse=True)[:MOST]


def _of_event(event: BillingEvent) -> Item:
    icons = {EventType.OPERATOR: "support_agent", EventType.WEBHOOK: "webhook"}
    failed = f"; {event.status}" if event.status in (EventStatus.FAILED, EventStatus.IGNORED) else ""
    said = f"Told of {event.event_name}" if event.event_type == EventType.WEBHOOK else event.event_name
    return Item(
        at=event.occurred_at,
        what=f"{WORDS.get(event.event_name, said)}{failed}",
        detail=_details(event),
        who=event.actor or event.provider or event.event_type,
        why=event.reason,
        icon=icons.get(EventType(event.event_type), "settings"),
        table="billingevent",
        key=event.pk,
    )


def _adjustment_of(event: BillingEvent) -> int | None:
    """The adjustment an operator's deed made, which tells of itself."""
    said = event.payload_json if isinstance(event.payload_json, dict) else {}
    found = said.get("adjustment")
    return found if isinstance(found, int) else None


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
    elif "purchase" in said:
        found.append(f"purchase {said['purchase']}")
        found += [f"product {said['product']}"] if "product" in said else []
    elif "event" in said:
        found.append(f"event {said['event']}")
    elif "subscriptionId" in said:
        found.append(f"subscription {said['subscriptionId']}")
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
        what="An invoice of the plan was paid"
        if row.purchase_kind == PurchaseKind.SUBSCRIPTION_INVOICE
        else "A purchase was paid",
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
        what=TRIED.get((PurchaseAction(row.action), PurchaseActionStatus(row.status)), f"{row.action}, {row.status}"),
        detail=f"{_amount_of(row)}purchase {row.purchase_id}",
        who=row.requested_by or "the provider",
        why=row.reason,
        icon="currency_exchange",
        table="purchaseadjustment",
        key=row.pk,
    )


def _amount_of(row: PurchaseAdjustment) -> str:
    """Corrections keep their sign; what goes back is told by its words, and a void moves no money."""
    if row.action == PurchaseAction.VOID:
        return ""
    is_correction = row.action == PurchaseAction.CORRECTION
    return f"{money(row.amount_minor if is_correction else abs(row.amount_minor), row.currency)} of "


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
