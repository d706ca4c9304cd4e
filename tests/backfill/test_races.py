"""The backfill runs beside traffic: who changes plans or uses something meanwhile gets the right grants, once."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import close_old_connections

from billing.errors import LimitExceeded
from billing.limits import consume_entitlement
from billing.models import Balance, BillableEntity, Consumption, Grant, GrantEnding, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.backfill.doing import backfill
from tests.backfill.old_style import customers, old_plan, says, subscribe
from tests.factories import PlanTemplateFactory
from tests.gadgets import limits
from tests.gadgets.factories import PressesFactory

pytestmark = [pytest.mark.server, pytest.mark.serial, pytest.mark.django_db(transaction=True)]

NUMBER = 120


def side_by_side(*works: Callable[[], object]) -> None:
    """Run all of them at the same time; what one raises is raised here."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            close_old_connections()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def subscribers() -> list[BillableEntity]:
    entities = customers(NUMBER)
    subscribe(entities, old_plan("old", says(PressesFactory().code, 5)))
    return entities


def test_a_change_of_plan_ends_what_the_backfill_granted(subscribers: list[BillableEntity]) -> None:
    new = PlanTemplateFactory(plan__code="new", definition=PressesFactory(), amount=9).plan

    def change_plans() -> None:
        for entity in reversed(subscribers):
            assign(entity, new, source=AssignmentSource.MANUAL, now=NOON + timedelta(seconds=1))

    side_by_side(lambda: backfill(chunk=7), change_plans)

    assert PlanAssignment.objects.filter(plan=new, status=AssignmentStatus.CURRENT).count() == NUMBER
    assert Grant.objects.filter(template_id=new.templates.get().pk).count() == NUMBER
    old = Grant.objects.filter(template_id=Plan.objects.get(code="old").templates.get().pk)
    assert GrantEnding.objects.count() == old.count(), "nobody keeps what the plan before granted"
    assert set(Balance.objects.running().values_list("effective_amount", flat=True)) == {9}


def test_a_use_meanwhile_is_paid_or_refused_and_never_lost(subscribers: list[BillableEntity]) -> None:
    paid: list[int] = []

    def use() -> None:
        for entity in reversed(subscribers):
            try:
                consume_entitlement(entity, limits.PRESS, now=NOON)
            except LimitExceeded:
                continue
            paid.append(entity.pk)

    side_by_side(lambda: backfill(chunk=7), use)

    assert Consumption.objects.count() == len(paid)
    rest = dict(Balance.objects.running().values_list("subject_id", "effective_amount"))
    assert rest == {entity.pk: 4 if entity.pk in paid else 5 for entity in subscribers}


def test_two_backfills_at_once_grant_once(subscribers: list[BillableEntity]) -> None:
    side_by_side(lambda: backfill(chunk=7), lambda: backfill(chunk=11))

    assert Grant.objects.count() == NUMBER
    assert Balance.objects.count() == len(subscribers)
