"""Every pair of operations, stopped at every statement: the end is that of one order or of the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from billing.engine.types import GrantKind
from billing.entitlements.holds import hold
from billing.entitlements.reversals import reverse
from billing.errors import IdempotencyConflict, LimitExceeded
from billing.limits import execute_with_entitlement_consumption
from billing.models import Balance, BillableEntity, Consumption, Grant, Plan
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.concurrency.interleaving import LAST_STOP, Meeting, Operation, every_stop, meet
from tests.entitlements.looking import pressed, used
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.limits import PRESS
from tests.gadgets.models import Press
from tests.gadgets.services import charge, press

pytestmark = [pytest.mark.server, pytest.mark.serial, pytest.mark.django_db(transaction=True)]

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """A subject with 10 presses a month of a plan and a top-up of 6, of which 9 are used; another plan to change to."""

    entity: BillableEntity
    other_plan: Plan
    use: int


Step = Callable[[World, str], str]


def world() -> World:
    entity = BillableEntityFactory()
    presses = PressesFactory()
    small, large = PlanFactory.create_batch(2)
    PlanTemplateFactory(plan=small, definition=presses, amount=10)
    PlanTemplateFactory(plan=large, definition=presses, amount=12)
    assign(entity, small, source=AssignmentSource.INTERNAL, now=NOON)
    GrantFactory(subject=entity, definition=presses, kind=GrantKind.TOPUP, amount=6)
    use = press(entity, "nine", amount=9).bookings[0].consumption_id
    assert use is not None
    return World(entity, large, use)


def refused_or(operation: Callable[[], Any]) -> str:
    try:
        operation()
    except LimitExceeded:
        return "refused"
    return "done"


def use_some(world: World, name: str) -> str:
    return refused_or(lambda: press(world.entity, name, amount=1))


def use_all(world: World, name: str) -> str:
    return refused_or(lambda: press(world.entity, name, amount=7))


def top_up(world: World, name: str) -> str:
    GrantFactory(subject=world.entity, amount=5, dedupe_key=f"{name}-{world.entity.pk}")
    return "done"


def change_plan(world: World, name: str) -> str:
    assign(world.entity, world.other_plan, source=AssignmentSource.INTERNAL, now=NOON)
    return "done"


def set_aside(world: World, name: str) -> str:
    return refused_or(lambda: hold(world.entity, PRESS, amount=4, now=NOON, operation_key=name))


def take_back(world: World, name: str) -> str:
    reverse(world.entity, world.use, amount=2, now=NOON, operation_key=name)
    return "done"


def use_in_march(world: World, name: str) -> str:
    return refused_or(lambda: press(world.entity, name, amount=12, now=MARCH))


def use_late(world: World, name: str) -> str:
    return refused_or(lambda: press(world.entity, name, amount=6, now=MARCH, occurred_at=NOON))


def take_back_in_march(world: World, name: str) -> str:
    reverse(world.entity, world.use, amount=2, now=MARCH, operation_key=name)
    return "done"


OPERATIONS: list[Step] = [
    use_some,
    use_all,
    top_up,
    change_plan,
    set_aside,
    take_back,
    use_in_march,
    use_late,
    take_back_in_march,
]


def state(world: World) -> tuple[object, ...]:
    """Everything that must not depend on how two operations met, but on their order alone."""
    columns = ("window_start_at", "granted_amount", "consumed_amount", "effective_amount", "held_amount")
    more = ("overage_amount", "plan_used", "next_change_at", "last_event_at")
    rows = Balance.objects.filter(subject=world.entity).order_by("window_start_at").values_list(*columns, *more)
    grants = Grant.objects.filter(subject=world.entity).active_at(MARCH).count()
    ledger = sorted(Consumption.objects.filter(subject=world.entity).values_list("amount", flat=True))
    return tuple(rows), grants, tuple(ledger), tuple(sorted(pressed(world.entity)))


def in_order(first: Step, second: Step) -> tuple[object, ...]:
    """What comes of one after the other, with the outcomes of the first and the second."""
    here = world()
    outcomes = (first(here, "first"), second(here, "second"))
    return (*outcomes, *state(here))


def swapped(first: Step, second: Step) -> tuple[object, ...]:
    here = world()
    late = second(here, "second")
    early = first(here, "first")
    return (early, late, *state(here))


@pytest.mark.parametrize("first", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("second", OPERATIONS, ids=lambda operation: operation.__name__)
def test_a_pair_ends_as_if_one_had_come_after_the_other(first: Step, second: Step) -> None:
    possible = [in_order(first, second), swapped(first, second)]
    here = world()

    def prepare() -> tuple[Operation, Operation]:
        nonlocal here
        here = mine = world()
        return (lambda: first(mine, "first")), (lambda: second(mine, "second"))

    for meeting in stops(prepare, turn=OPERATIONS.index(first) + OPERATIONS.index(second)):
        assert (meeting.first, meeting.second, *state(here)) in possible, f"stopped before statement {meeting.stop}"


def stops(prepare: Callable[[], tuple[Operation, Operation]], *, turn: int) -> Iterator[Meeting]:
    """Every fifth stop, a different one for each partner; all of them with ``MOZAIKS_EVERY_STOP=1``."""
    step = 1 if os.environ.get("MOZAIKS_EVERY_STOP") else 5
    return every_stop(prepare, first=turn % step, step=step)


def test_the_same_key_for_two_capabilities_is_used_by_one_and_a_conflict_for_the_other() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity)
    GrantFactory(subject=entity, definition=CreditsFactory())
    keys = iter(range(100))

    def prepare() -> tuple[Operation, Operation]:
        key = f"key-{next(keys)}"
        return (
            lambda: conflict_or(lambda: press(entity, key)),
            lambda: conflict_or(lambda: charge(entity, 1, key=key)),
        )

    met = list(every_stop(prepare))

    assert len(met) >= 5
    for meeting in met:
        assert {meeting.first, meeting.second} == {"done", "conflict"}
    assert used(entity) == len(met) + 1


def conflict_or(operation: Operation) -> str:
    try:
        operation()
    except IdempotencyConflict:
        return "conflict"
    return "done"


def test_subjects_of_one_definition_do_not_wait_for_each_other() -> None:
    mine, theirs = GrantFactory(), GrantFactory()
    finished: list[str] = []

    def prepare() -> tuple[Operation, Operation]:
        name = f"press-{len(finished)}"
        return (lambda: finished.append("mine") if press(mine.subject, name) else None), (
            lambda: finished.append("theirs") if press(theirs.subject, name) else None
        )

    stopped = list(every_stop(prepare, waiting_seconds=1.0))

    assert len(stopped) >= 5
    assert finished[: 2 * len(stopped)] == ["theirs", "mine"] * len(stopped)


def test_what_deadlocks_runs_again_whole_and_is_booked_once() -> None:
    mine, theirs = GrantFactory(), GrantFactory()
    rows = [Press.objects.create(entity=mine.subject, key=f"row {name}", created_at=NOON).pk for name in "ab"]
    both_hold_one = Barrier(2)
    runs: list[str] = []

    def pressing(grant: Grant, name: str, order: list[int]) -> Operation:
        def act() -> None:
            runs.append(name)
            for position, pk in enumerate(order):
                Press.objects.select_for_update().get(pk=pk)
                if position == 0 and runs.count(name) == 1:
                    both_hold_one.wait(timeout=10)
            Press.objects.create(entity=grant.subject, key=name, created_at=NOON)

        return lambda: execute_with_entitlement_consumption(
            grant.subject, PRESS, action=act, now=NOON, operation_key=name
        )

    meet(pressing(mine, "mine", rows), pressing(theirs, "theirs", rows[::-1]), stop_at=LAST_STOP)

    assert len(runs) == 3
    assert (used(mine.subject), used(theirs.subject)) == (1, 1)
    assert Press.objects.filter(key__in=["mine", "theirs"]).count() == 2
