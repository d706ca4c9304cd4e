"""A worker's batch and plan changes that come due in its midst: they cost their own subjects something, and nobody else."""

from unittest import mock

import pytest

from billing.entitlements import boundaries
from billing.models import PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import schedule
from tests import NOON
from tests.entitlements.looking import balance_of
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory
from tests.subscriptions.reporting import DAY

pytestmark = pytest.mark.django_db


def test_changes_that_are_due_leave_the_batch_together() -> None:
    presses, others = PressesFactory(), BillableEntityFactory.create_batch(6)
    small, large = PlanFactory(), PlanFactory()
    for plan, amount in ((small, 100), (large, 1000)):
        PlanTemplateFactory(plan=plan, definition=presses, amount=amount)
    changing = BillableEntityFactory.create_batch(2)
    for entity in others:
        GrantFactory(subject=entity, definition=presses, expires_at=NOON + DAY)
    for entity in changing:
        assign(entity, small, source=AssignmentSource.INTERNAL, now=NOON)
        schedule(entity, large, source=AssignmentSource.MANUAL, now=NOON, starts_at=NOON + DAY)

    with mock.patch.object(boundaries, "_roll", wraps=boundaries._roll) as rolls:
        rolled = boundaries.roll_due(now=NOON + DAY)

    assert (rolled.taken, rolled.put_off, rolls.call_count) == (8, 0, 2)
    assert PlanAssignment.objects.filter(plan=large, status=AssignmentStatus.CURRENT).count() == 2
    assert [balance_of(entity, presses).granted_amount for entity in others] == [0] * 6
    assert [balance_of(entity, presses).granted_amount for entity in changing] == [1000] * 2


def test_one_change_that_cannot_be_applied_keeps_nobody_else() -> None:
    presses, bystander, stuck = PressesFactory(), BillableEntityFactory(), BillableEntityFactory()
    plan = PlanTemplateFactory(definition=presses).plan
    GrantFactory(subject=bystander, definition=presses, expires_at=NOON + DAY)
    assign(stuck, plan, source=AssignmentSource.INTERNAL, now=NOON)
    schedule(stuck, PlanFactory(), source=AssignmentSource.MANUAL, now=NOON, starts_at=NOON + DAY)

    with mock.patch("billing.subscriptions.moving.enter", side_effect=RuntimeError):
        rolled = boundaries.roll_due(now=NOON + DAY)

    assert (rolled.taken, rolled.put_off) == (2, 1)
    assert balance_of(bystander, presses).granted_amount == 0
