"""
An installation from before the engine: entitlements as JSON in plans and products, customers with assignments and purchases.

Everything is made in bulk, as an import would have left it: no template, no grant, no balance.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from billing.engine.types import AggregationMode, WindowAnchor
from billing.models import BillableEntity, Definition, Plan, PlanAssignment, Product, Purchase
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.models.entities import EntityType
from billing.models.purchases import PurchaseKind, PurchaseStatus
from tests import NOON
from tests.factories import DefinitionFactory, PlanFactory, ProductFactory

BATCH = 2_000


def says(code: str, amount: int | None = 5, **changes: Any) -> dict[str, Any]:
    """An entry of a plan."""
    return {"code": code, "valueJson": {"limit": amount}, **changes}


def sells(code: str, amount: int | None = 5, **changes: Any) -> dict[str, Any]:
    """An entry of a product."""
    return {"code": code, "amount": amount, "grantKind": "one_off_topup", **changes}


def old_plan(code: str, *entries: dict[str, Any], **columns: Any) -> Plan:
    """A plan that says in JSON what it grants."""
    plan: Plan = PlanFactory(code=code, metadata_json={"entitlements": list(entries)}, **columns)
    return plan


def old_product(code: str, *entries: dict[str, Any], **columns: Any) -> Product:
    """A product that says in JSON what it grants."""
    product: Product = ProductFactory(code=code, metadata_json={"entitlements": list(entries)}, **columns)
    return product


def definitions() -> dict[str, Definition]:
    """One of every kind that needs no window of its own, and two that do, by code."""
    made = [
        DefinitionFactory(code="calls.monthly"),
        DefinitionFactory(code="calls.daily", window_interval="day"),
        DefinitionFactory(code="places.max", capacity=True),
        DefinitionFactory(code="seats.max", capacity=True, aggregation_mode=AggregationMode.MAX),
        DefinitionFactory(code="credits", balance=True),
        DefinitionFactory(code="access", state=True, lock_state_name="access_over"),
        DefinitionFactory(code="readings.monthly", window_anchor=WindowAnchor.ANNIVERSARY),
        DefinitionFactory(code="pulses.rolling", window_interval="day", window_anchor=WindowAnchor.ROLLING),
    ]
    return {definition.code: definition for definition in made}


def catalog() -> tuple[list[Plan], list[Product]]:
    """Plans and products of every policy, over :func:`definitions`."""
    definitions()
    plans = [
        old_plan("free", says("calls.monthly", 100), says("places.max", 3), says("access", 1)),
        old_plan(
            "pro",
            says("calls.monthly", 1000, durationPolicy="period_window"),
            says("calls.monthly", 50, grantKind="plan_bonus", durationPolicy="fixed_duration", durationDays=14),
            says("calls.daily", None),
            says("places.max", None),
            {"code": "access", "valueJson": {"enabled": True}, "durationPolicy": "period_window"},
        ),
        old_plan(
            "team",
            says("calls.monthly", None, durationPolicy="period_window"),
            says("calls.monthly", 7, grantKind="plan_bonus"),
            says("seats.max", 5),
            says("seats.max", 8, grantKind="plan_bonus", durationPolicy="fixed_duration", durationDays=30),
            says("credits", 500, effectivePolicy="on_period_paid", durationPolicy="period_window"),
        ),
        old_plan("bare"),
        old_plan("own", says("readings.monthly", 10), says("pulses.rolling", 20), says("calls.monthly", 30)),
    ]
    products = [
        old_product("topup", sells("calls.monthly", 100), sells("credits", 1000)),
        old_product(
            "pack",
            sells("places.max", 5, grantKind="timeboxed_addon", durationDays=60),
            sells("calls.daily", 9, grantKind="timeboxed_addon", durationDays=7),
            sells("calls.monthly", None, grantKind="timeboxed_addon", durationDays=10),
        ),
        old_product("setup"),
    ]
    return plans, products


def customers(number: int, *, start: int = 0) -> list[BillableEntity]:
    """Customers known by a reference."""
    made = [
        BillableEntity(entity_type=EntityType.EXTERNAL, entity_ref=f"customer-{each}", created_at=NOON, updated_at=NOON)
        for each in range(start, start + number)
    ]
    BillableEntity.objects.bulk_create(made, batch_size=BATCH)
    refs = [entity.entity_ref for entity in made]
    return list(BillableEntity.objects.filter(entity_ref__in=refs).order_by("pk"))


def subscription(
    entity_id: int,
    plan: Plan,
    *,
    start: datetime = NOON,
    end: datetime | None = None,
    status: AssignmentStatus = AssignmentStatus.CURRENT,
) -> PlanAssignment:
    """An assignment as an import would write it; not saved."""
    return PlanAssignment(
        billable_entity_id=entity_id,
        plan=plan,
        source=AssignmentSource.SYNC,
        status=status,
        period_start_at=start,
        period_end_at=end,
        anchor_at=start,
        created_at=NOON,
        updated_at=NOON,
    )


def sale(
    entity_id: int,
    product: Product | None,
    key: str,
    *,
    at: datetime = NOON,
    quantity: int = 1,
    status: PurchaseStatus = PurchaseStatus.CONFIRMED,
) -> Purchase:
    """A purchase as an import would write it; not saved."""
    return Purchase(
        billable_entity_id=entity_id,
        provider="stripe",
        purchase_kind=PurchaseKind.ONE_OFF,
        status=status,
        amount_minor=500,
        currency="EUR",
        quantity=quantity,
        product=product,
        dedupe_key=key,
        purchased_at=at,
        created_at=NOON,
        updated_at=NOON,
    )


def subscribe(entities: Iterable[BillableEntity], plan: Plan, **terms: Any) -> list[PlanAssignment]:
    """Put every entity on the plan, in bulk, and nothing else."""
    rows = [subscription(entity.pk, plan, **terms) for entity in entities]
    PlanAssignment.objects.bulk_create(rows, batch_size=BATCH)
    return list(PlanAssignment.objects.filter(billable_entity__in=[entity.pk for entity in entities]).order_by("pk"))


def population(number: int, *, now: datetime = NOON) -> None:
    """``number`` customers of :func:`catalog`: all plans, periods past and to come, and purchases of one to three units."""
    plans, products = catalog()
    assignments, purchases = [], []
    for index, entity in enumerate(customers(number)):
        start = now - timedelta(days=index * 7 % 40, microseconds=index * 123_457)
        end = [None, start + timedelta(days=30), now + timedelta(days=3)][index % 3]
        if index % 11 == 5:
            start, end = now + timedelta(days=2), None
        assignments.append(subscription(entity.pk, plans[index % len(plans)], start=start, end=end))
        for turn in range(index % 3):
            product = products[(index + turn) % len(products)]
            at = now - timedelta(days=(index + turn) * 5 % 70, milliseconds=index)
            purchases.append(sale(entity.pk, product, f"sale-{index}-{turn}", at=at, quantity=1 + index % 3))
    PlanAssignment.objects.bulk_create(assignments, batch_size=BATCH)
    Purchase.objects.bulk_create(purchases, batch_size=BATCH)
