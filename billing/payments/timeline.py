"""
What happened to a customer's plan, purchases and limits, in words meant for them: no operator's name, reason or note is read.

Put together from events, purchases and what was given back of them; in pages, the latest first.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db.models import Model, Q, QuerySet

from billing.engine.types import SourceType
from billing.models import BillableEntity, BillingEvent, Definition, Grant, Plan, Purchase, PurchaseAdjustment
from billing.models.events import EventType
from billing.models.purchases import PurchaseAction, PurchaseActionStatus
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import parse_utc

LATE = "past_due"


class Topic(StrEnum):
    """What an entry is about."""

    PLAN = "plan"
    PURCHASE = "purchase"
    GRANT = "grant"
    CORRECTION = "correction"


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Units of a limit; None is unlimited."""

    limitation_code: str
    name: str
    amount: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something that happened. Money in minor units; ``gives`` are units."""

    id: str
    topic: Topic
    type: str
    occurred_at: datetime
    title: str
    plan_code: str | None = None
    product_code: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    gives: tuple[Given, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """A page, and where the next one begins; None after the last."""

    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Place:
    """Where an entry stands: by its time, then its source, then its number; the later before the earlier."""

    at: datetime
    source: int
    number: int


#: What is told of events, by their names: of a plan with its name, of a limit with its own.
PLAN_TITLES: Final = {
    "plan.assigned": "The plan is {plan}.",
    "plan.promoted": "The plan is {plan} from now on.",
    "plan.renewed": "The plan {plan} began its next period.",
    "plan.ended": "The plan {plan} ended.",
    "plan.scheduled": "A change to the plan {plan} was booked.",
    "plan.unscheduled": "The booked change to the plan {plan} was taken back.",
    "plan.terms_changed": "The terms of the plan {plan} were updated.",
    "plan.rolled_out": "What the plan {plan} gives was updated.",
}
LIMIT_TITLES: Final = {
    "grant.created": (Topic.GRANT, "{name}: units were given."),
    "grant.ended": (Topic.GRANT, "Units that were given before ended."),
    "balance.corrected": (Topic.CORRECTION, "{name}: the balance was corrected."),
    "use.reversed": (Topic.CORRECTION, "A use was taken back."),
}
ADJUSTED: Final = {
    PurchaseAction.REFUND: "{name}: money was given back.",
    PurchaseAction.VOID: "{name}: the purchase was voided.",
    PurchaseAction.CORRECTION: "{name}: the amount was corrected.",
    PurchaseAction.DISPUTE: "{name}: the payment was disputed.",
}
EVENTS, PURCHASES, ADJUSTMENTS = range(3)


def read_timeline(entity: BillableEntity, *, size: int, cursor: str | None = None) -> Timeline:
    """
    ``size`` entries after ``cursor``, in seven queries at most, however many there are.

    :raises Invalid: the cursor is none of ours.
    """
    after = None if cursor is None else _place(cursor)
    sources = (
        _latest(_events(entity), EVENTS, "occurred_at", after, size),
        _latest(_purchases(entity), PURCHASES, "purchased_at", after, size),
        _latest(_adjustments(entity), ADJUSTMENTS, "created_at", after, size),
    )
    found = sorted((each for source in sources for each in source), key=lambda pair: pair[0], reverse=True)
    shown = found[:size]
    more = len(found) > size
    return Timeline(
        entries=tuple(_told(shown, entity)),
        next_cursor=_cursor(shown[-1][0]) if more else None,
    )


def _events(entity: BillableEntity) -> QuerySet[BillingEvent]:
    names = [*PLAN_TITLES, *LIMIT_TITLES]
    rows = BillingEvent.objects.filter(billable_entity=entity, event_name__in=names)
    return rows.exclude(event_type=EventType.WEBHOOK).only("event_name", "occurred_at", "payload_json")


def _purchases(entity: BillableEntity) -> QuerySet[Purchase]:
    return Purchase.objects.filter(billable_entity=entity).select_related("product", "plan")


def _adjustments(entity: BillableEntity) -> QuerySet[PurchaseAdjustment]:
    done = PurchaseAdjustment.objects.filter(purchase__billable_entity=entity, status=PurchaseActionStatus.SUCCEEDED)
    return done.select_related("purchase__product", "purchase__plan")


def _latest(rows: QuerySet[Any], source: int, column: str, after: Place | None, size: int) -> list[tuple[Place, Any]]:
    """The latest of one source beyond ``after``: one more than a page needs, so that it is known whether there are more."""
    if after is not None:
        earlier = Q(**{f"{column}__lt": after.at})
        if source < after.source:
            earlier |= Q(**{column: after.at})
        elif source == after.source:
            earlier |= Q(**{column: after.at, "pk__lt": after.number})
        rows = rows.filter(earlier)
    found = rows.order_by(f"-{column}", "-pk")[: size + 1]
    return [(Place(at=getattr(row, column), source=source, number=row.pk), row) for row in found]


def _told(shown: Iterable[tuple[Place, Model]], entity: BillableEntity) -> Iterable[Entry]:
    pairs = list(shown)
    rows = [row for _, row in pairs]
    grants = _grants_of([row for row in rows if isinstance(row, Purchase)], entity)
    payloads = [_payload(row) for row in rows if isinstance(row, BillingEvent)]
    plans = dict(Plan.objects.filter(code__in=_texts(payloads, "planCode")).values_list("code", "name"))
    codes = _texts(payloads, "limitation")
    limits = dict(Definition.objects.filter(code__in=codes).values_list("code", "name")) if codes else {}
    tell: Mapping[int, Callable[[Any], Entry]] = {
        EVENTS: lambda row: _event(row, plans, limits),
        PURCHASES: lambda row: _purchase(row, grants.get(row.pk, ())),
        ADJUSTMENTS: _adjustment,
    }
    return [tell[place.source](row) for place, row in pairs]


def _event(row: BillingEvent, plans: Mapping[str, str], limits: Mapping[str, str]) -> Entry:
    said = _payload(row)
    shape: dict[str, Any] = {"id": f"event-{row.pk}", "type": row.event_name, "occurred_at": row.occurred_at}
    if row.event_name in PLAN_TITLES:
        code = str(said.get("planCode", ""))
        title = PLAN_TITLES[row.event_name].format(plan=plans.get(code, code))
        if row.event_name == "plan.terms_changed" and said.get("subscriptionStatus") == LATE:
            title = f"The payment of the plan {plans.get(code, code)} is late."
        return Entry(topic=Topic.PLAN, title=title, plan_code=code or None, **shape)
    topic, title = LIMIT_TITLES[row.event_name]
    code = str(said.get("limitation", ""))
    name = limits.get(code, code)
    amount = said.get("amount")
    gives = (Given(limitation_code=code, name=name, amount=amount),) if code else ()
    return Entry(topic=topic, title=title.format(name=name), gives=gives, **shape)


def _purchase(row: Purchase, gives: tuple[Given, ...]) -> Entry:
    return Entry(
        id=f"purchase-{row.pk}",
        topic=Topic.PURCHASE,
        type=f"purchase.{row.purchase_kind}",
        occurred_at=row.purchased_at,
        title=f"{_name(row)}: paid.",
        plan_code=row.plan.code if row.plan else None,
        product_code=row.product.code if row.product else None,
        amount_minor=row.amount_minor,
        currency=row.currency,
        gives=gives,
    )


def _adjustment(row: PurchaseAdjustment) -> Entry:
    bought = row.purchase
    return Entry(
        id=f"adjustment-{row.pk}",
        topic=Topic.PURCHASE,
        type=f"purchase.{row.action}",
        occurred_at=row.created_at,
        title=ADJUSTED[PurchaseAction(row.action)].format(name=_name(bought)),
        plan_code=bought.plan.code if bought.plan else None,
        product_code=bought.product.code if bought.product else None,
        amount_minor=row.amount_minor,
        currency=row.currency,
    )


def _name(row: Purchase) -> str:
    known = row.product or row.plan
    return row.display_name or (known.name if known is not None else "Purchase")


def _grants_of(purchases: list[Purchase], entity: BillableEntity) -> dict[int, tuple[Given, ...]]:
    """What was given for purchases, of one page in two queries."""
    if not purchases:
        return {}
    ids = [str(row.pk) for row in purchases]
    grants = Grant.objects.filter(subject_id=entity.pk, source_type=SourceType.BILLING_PURCHASE, source_id__in=ids)
    rows = list(grants.order_by("pk").values_list("source_id", "definition_id", "amount"))
    definitions = Definition.objects.in_bulk({definition_id for _, definition_id, _ in rows})
    found: dict[int, tuple[Given, ...]] = {}
    for source_id, definition_id, amount in rows:
        known = definitions[definition_id]
        given = Given(limitation_code=known.code, name=known.name, amount=amount)
        found[int(source_id)] = (*found.get(int(source_id), ()), given)
    return found


def _payload(row: BillingEvent) -> dict[str, Any]:
    return row.payload_json if isinstance(row.payload_json, dict) else {}


def _texts(payloads: Iterable[dict[str, Any]], name: str) -> set[str]:
    return {said[name] for said in payloads if isinstance(said.get(name), str)}


def _cursor(place: Place) -> str:
    text = json.dumps([place.at.isoformat(), place.source, place.number])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> Place:
    """:raises Invalid: it was not given by ``_cursor``."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, source, number = json.loads(text)
        place = Place(at=parse_utc(at), source=source, number=number)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, binascii.Error):
        place = None  # said below, with what is well formed and no place
    if place is None or not _is_place(place):
        rule = "Must be the nextCursor of an earlier answer."
        raise Invalid(f"cursor: {rule}", field_errors={"cursor": [rule]})
    return place


def _is_place(place: Place) -> bool:
    return (
        type(place.source) is int
        and type(place.number) is int
        and 0 <= place.number < 2**63
        and place.source in range(3)
    )
