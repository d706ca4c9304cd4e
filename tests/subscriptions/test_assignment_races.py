"""Changes of plan that come at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import BillableEntityFactory, PlanFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.server]

RIVALS = 8


def assign_at_once(entity: BillableEntity, plans: list[Plan]) -> None:
    barrier = Barrier(len(plans))

    def run(plan: Plan) -> None:
        barrier.wait()
        try:
            assign(entity, plan, source=AssignmentSource.SYNC, now=NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(plans)) as pool:
        list(pool.map(run, plans))


def test_the_same_first_plan_is_assigned_once() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()

    assign_at_once(entity, [plan] * RIVALS)

    assert PlanAssignment.objects.get().plan == plan


def test_of_several_plans_one_is_current_and_all_were() -> None:
    entity = BillableEntityFactory()
    plans = PlanFactory.create_batch(RIVALS)

    assign_at_once(entity, plans)

    rows = PlanAssignment.objects.all()
    assert {row.plan for row in rows} == set(plans)
    assert sorted(row.status for row in rows) == [AssignmentStatus.CURRENT, *[AssignmentStatus.PAST] * (RIVALS - 1)]
