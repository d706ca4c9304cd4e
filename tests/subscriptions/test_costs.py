"""What a change of plan costs the database, whoever makes it: the same, whatever the number of templates and of periods."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from billing.models import BillableEntity, Plan
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import promote_due
from tests.entitlements.statements import counted
from tests.factories import BillableEntityFactory, DefinitionFactory, PlanTemplateFactory
from tests.subscriptions.reporting import DAY, P1, P2, P3, P4, pay, report, reported, sold_plan

pytestmark = pytest.mark.django_db

PLAN_CHANGE = 12


def cost(deed: Callable[[], object]) -> int:
    """Statements between the first lock of a balance and its last write; rows of assignments are not counted."""
    return len([sql for sql in counted(deed) if "billing_plan_assignments" not in sql])


@pytest.fixture(params=[1, 6])
def plans(request: pytest.FixtureRequest) -> tuple[Plan, Plan]:
    """Two plans that grant the same things: while they are current, by the period, and when it is paid."""
    pro, top = sold_plan("pro"), sold_plan("max", amount=2900)
    for _ in range(request.param):
        always, by_period, paid = DefinitionFactory.create_batch(3)
        for plan in (pro, top):
            PlanTemplateFactory(plan=plan, definition=always)
            PlanTemplateFactory(plan=plan, definition=by_period, duration_policy="period_window")
            PlanTemplateFactory(
                plan=plan, definition=paid, duration_policy="period_window", effective_policy="on_period_paid"
            )
    return pro, top


@pytest.fixture
def entity() -> BillableEntity:
    return BillableEntityFactory()


def test_a_renewal(entity: BillableEntity, plans: tuple[Plan, Plan]) -> None:
    report(entity, reported(plans[0]), now=P1)
    pay(entity, plans[0], P1, P2, now=P1)

    for at in (P2, P3, P4):
        assert cost(partial(promote_due, entity.pk, at)) <= PLAN_CHANGE


def test_a_reported_upgrade(entity: BillableEntity, plans: tuple[Plan, Plan]) -> None:
    report(entity, reported(plans[0]), now=P1)
    pay(entity, plans[0], P1, P2, now=P1)

    assert cost(lambda: report(entity, reported(plans[1]), now=P1 + DAY)) <= PLAN_CHANGE


def test_a_change_by_hand(entity: BillableEntity, plans: tuple[Plan, Plan]) -> None:
    pro, top = plans
    assign(entity, pro, source=AssignmentSource.INTERNAL, now=P1)
    assign(entity, top, source=AssignmentSource.INTERNAL, now=P1 + timedelta(hours=1))

    assert cost(lambda: assign(entity, pro, source=AssignmentSource.INTERNAL, now=P1 + DAY)) <= PLAN_CHANGE


def test_a_paid_period(entity: BillableEntity, plans: tuple[Plan, Plan]) -> None:
    report(entity, reported(plans[0]), now=P1)
    pay(entity, plans[0], P1, P2, now=P1)
    promote_due(entity.pk, P2)

    assert cost(lambda: pay(entity, plans[0], P2, P3, now=P2)) <= PLAN_CHANGE
