"""Whatever order reports and invoices of subscriptions come in, and however often: the same plan, grants and numbers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.entitlements.balances import verify
from billing.models import BillableEntity, Plan
from billing.models.assignments import AssignmentSource
from billing.payments.connectors.facts import ReportedStatus, SubscriptionReported
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import promote_due
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import AccessFactory, PressesFactory
from tests.subscriptions.reporting import (
    DAY,
    P1,
    P2,
    P3,
    credits_of,
    limits,
    live_grants,
    of,
    open_assignments,
    pay,
    report,
    reported,
    sold_plan,
)

pytestmark = pytest.mark.django_db

END = P2 + 20 * DAY
Deed = Callable[[BillableEntity, datetime], Any]


class World:
    """A default plan and two that are sold; what happened, in the order it did at the provider."""

    def __init__(self) -> None:
        self.quota, self.access = PressesFactory(), AccessFactory()
        self.free: Plan = PlanFactory(code="free", is_default=True)
        PlanTemplateFactory(plan=self.free, definition=self.quota, amount=5)
        self.pro = sold_plan("pro", grants={self.quota: 100, self.access: 1})
        self.max = sold_plan("max", amount=2900, grants={self.quota: 1000, self.access: 1})
        self.credits = credits_of(self.pro)
        PlanTemplateFactory(plan=self.max, definition=self.credits, amount=7, duration_policy="period_window")

    def customer(self) -> BillableEntity:
        entity: BillableEntity = BillableEntityFactory()
        assign(entity, self.free, source=AssignmentSource.INTERNAL, now=P1 - 10 * DAY)
        return entity

    def outcome(self, deeds: list[tuple[datetime, Deed]], order: list[int]) -> tuple[Any, ...]:
        """What is the case at the end if the deeds come in this order, one every hour of the last day. Forgotten again."""
        with transaction.atomic():
            entity = self.customer()
            for place, index in enumerate(order):
                said_at, deed = deeds[index]
                deed(entity, max(said_at, END - DAY + timedelta(hours=place)))
            found = what_is(entity)
            transaction.set_rollback(True)
        return found


def what_is(entity: BillableEntity) -> tuple[Any, ...]:
    """The case at the end, with what is wrong about the projections: nothing."""
    promote_due(entity.pk, END)
    return open_assignments(entity), live_grants(entity, END), limits(entity, END), verify(subject_ids=[entity.pk])


@pytest.fixture
def world() -> World:
    return World()


def says(fact: SubscriptionReported, said_at: datetime) -> tuple[datetime, Deed]:
    return said_at, lambda entity, now: report(entity, fact, now=now, said_at=said_at)


def paid(plan: Plan, start: datetime, end: datetime) -> tuple[datetime, Deed]:
    return start, lambda entity, now: pay(entity, plan, start, end, now=now)


def story(world: World, name: str) -> list[tuple[datetime, Deed]]:
    pro, top, hour = world.pro, world.max, timedelta(hours=1)
    began, invoiced = says(reported(pro), P1), paid(pro, P1, P2)
    renewed, paid_again = says(reported(pro, P2, P3), P2 + hour), paid(pro, P2, P3)
    return {
        "renewed": [began, invoiced, renewed, paid_again],
        "upgraded": [began, invoiced, says(reported(top), P1 + DAY), says(reported(top, P2, P3), P2 + hour)],
        "booked down": [
            says(reported(top), P1),
            says(reported(pro, keeps_price_id="price_max", keeps_until_at=P2), P1 + DAY),
            says(reported(pro, P2, P3), P2 + hour),
            paid(pro, P2, P3),
        ],
        "canceled": [
            began,
            invoiced,
            says(reported(pro, cancel_at_period_end=True), P1 + DAY),
            says(reported(pro, status=ReportedStatus.ENDED, ended_at=P2), P2),
        ],
        "resumed": [began, says(reported(pro, cancel_at_period_end=True), P1 + DAY), renewed, paid_again],
        "late": [began, invoiced, says(reported(pro, P2, P3, status=ReportedStatus.PAST_DUE), P2 + hour)],
        "late and paid": [
            began,
            says(reported(pro, P2, P3, status=ReportedStatus.PAST_DUE), P2 + hour),
            says(reported(pro, P2, P3), P2 + DAY),
            paid_again,
        ],
        "never paid": [
            began,
            says(reported(pro, P2, P3, status=ReportedStatus.PAST_DUE), P2 + hour),
            says(reported(pro, P2, P3, status=ReportedStatus.ENDED, unpaid=True), P2 + 15 * DAY),
        ],
        "tried": [
            says(reported(pro, status=ReportedStatus.TRIALING, trial_end_at=P2), P1),
            says(reported(pro, P2, P3, anchor_at=P2), P2 + hour),
            paid_again,
        ],
        "tried in vain": [
            says(reported(pro, status=ReportedStatus.TRIALING, trial_end_at=P2), P1),
            says(reported(pro, status=ReportedStatus.INACTIVE, trial_end_at=P2), P2 + hour),
        ],
        "never began": [says(reported(pro, status=ReportedStatus.INACTIVE), P1 - hour), began, invoiced],
        "unknown price": [began, says(reported("price_of_nothing"), P1 + DAY), renewed],
        "two": [
            began,
            says(reported(top, P2, P3, anchor_at=P2, **of("sub_2")), P2),
            renewed,
            says(reported(top, P2, P3, anchor_at=P2, cancel_at_period_end=True, **of("sub_2")), P2 + DAY),
        ],
        "two, one ends": [
            began,
            says(reported(top, P1 + DAY, P2, anchor_at=P1 + DAY, **of("sub_2")), P1 + DAY),
            says(reported(top, P1 + DAY, P2, status=ReportedStatus.ENDED, ended_at=P2, **of("sub_2")), P2),
            renewed,
        ],
        "another after the end": [
            began,
            says(reported(pro, status=ReportedStatus.ENDED, ended_at=P2), P2),
            says(reported(top, P2 + DAY, P3 + DAY, anchor_at=P2 + DAY, **of("sub_2")), P2 + DAY),
        ],
    }[name]


STORIES = [
    "renewed",
    "upgraded",
    "booked down",
    "canceled",
    "resumed",
    "late",
    "late and paid",
    "never paid",
    "tried",
    "tried in vain",
    "never began",
    "unknown price",
    "two",
    "two, one ends",
    "another after the end",
]


@pytest.mark.parametrize("name", STORIES)
def test_every_order_comes_to_the_same(world: World, name: str) -> None:
    deeds = story(world, name)
    in_order = list(range(len(deeds)))

    wanted = world.outcome(deeds, in_order)

    for order in permutations(in_order):
        assert world.outcome(deeds, list(order)) == wanted, order
    assert wanted[-1] == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_repeating_some_of_them_changes_nothing(world: World, data: st.DataObject) -> None:
    deeds = story(world, data.draw(st.sampled_from(STORIES)))
    every = list(range(len(deeds)))

    order = data.draw(st.permutations(every + data.draw(st.lists(st.sampled_from(every), max_size=4))))

    assert world.outcome(deeds, order) == world.outcome(deeds, every)


@pytest.mark.parametrize("name", STORIES)
def test_coming_in_time_or_all_at_once_at_the_end_is_the_same(world: World, name: str) -> None:
    deeds = story(world, name)
    entity = world.customer()

    with transaction.atomic():
        for said_at, deed in sorted(deeds, key=lambda each: each[0]):
            deed(entity, said_at)
        in_time = what_is(entity)
        transaction.set_rollback(True)

    assert in_time == world.outcome(deeds, list(range(len(deeds))))
