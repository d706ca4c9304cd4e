"""
Boundaries pass while nobody looks, and it makes no difference to anybody's numbers who did it.

After every story the balances equal their facts (``conftest``), and a read says the same with and without a worker.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode
from billing.entitlements import boundaries
from billing.entitlements.boundaries import refresh_due_limitations_for_subject, roll_due
from billing.entitlements.holds import hold
from billing.models import Allocation, Definition, Hold, HoldEvent, OpenLot, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import schedule
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.entitlements.proof import assert_no_difference
from tests.entitlements.working import let_pass, read, work
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import (
    AccessFactory,
    CreditsFactory,
    PlacesFactory,
    PressesFactory,
    PulsesFactory,
    ReadingsFactory,
)
from tests.gadgets.limits import CHARGE, PULSE
from tests.gadgets.services import charge, press, take_place

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def codes(passed: list[boundaries.Passed]) -> list[str]:
    return [each.code for each in passed]


# --- grants ----------------------------------------------------------------------------------------------------


def test_a_grant_that_ends_takes_its_rest_along() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    charge(grant.subject, 80)

    seen = let_pass(NOON + DAY)

    assert codes(seen) == [grant.definition.code]
    assert numbers(grant.subject, grant.definition) == Numbers(0, 0, 0)
    assert not OpenLot.objects.exists()
    assert balance_of(grant.subject, grant.definition).next_change_at is None


def test_a_moment_earlier_nothing_is_due() -> None:
    GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)

    assert roll_due(now=NOON + DAY - MILLISECOND).taken == 0


def test_the_lot_behind_the_one_that_ends_takes_over() -> None:
    first = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    GrantFactory(subject=first.subject, definition=first.definition, amount=50)

    let_pass(NOON + DAY)
    charge(first.subject, 50, now=NOON + DAY)

    assert numbers(first.subject, first.definition) == Numbers(50, 50, 0)


def test_a_grant_that_begins_pays_what_was_overdrawn_once() -> None:
    definition, entity = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN), BillableEntityFactory()
    grant = GrantFactory(subject=entity, definition=definition, amount=10, effective_at=NOON + DAY, recorded_at=NOON)
    charge(entity, 4)

    seen = let_pass(NOON + 2 * DAY)
    again = let_pass(NOON + 3 * DAY)

    settlement = Allocation.objects.get()
    assert (settlement.grant_id, settlement.amount, settlement.occurred_at) == (grant.pk, 4, NOON + DAY)
    assert numbers(entity, definition) == Numbers(10, 4, 6)
    assert (codes(seen), again) == ([definition.code], [])
    assert seen[0].before.over_limit
    assert not seen[0].after.over_limit


def test_several_boundaries_that_passed_meanwhile_pass_in_their_order() -> None:
    definition, entity = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN), BillableEntityFactory()
    charge(entity, 30)
    for days, amount in ((1, 10), (3, 10)):
        GrantFactory(
            subject=entity,
            definition=definition,
            amount=amount,
            effective_at=NOON + days * DAY,
            expires_at=NOON + (days + 1) * DAY,
            recorded_at=NOON,
        )

    let_pass(NOON + 10 * DAY)

    assert list(Allocation.objects.order_by("pk").values_list("amount", "occurred_at")) == [
        (10, NOON + DAY),
        (10, NOON + 3 * DAY),
    ]
    assert numbers(entity, definition) == Numbers(0, 10, -10, overage=10)


def test_capacities_and_states_pass_their_boundaries_too() -> None:
    entity = BillableEntityFactory()
    places, access = PlacesFactory(), AccessFactory()
    for definition in (places, access):
        GrantFactory(subject=entity, definition=definition, amount=1, of_plan=True, expires_at=NOON + DAY)
    take_place(entity, "desk")

    seen = let_pass(NOON + DAY)

    assert sorted(codes(seen)) == sorted([places.code, access.code])
    assert balance_of(entity, places).lock_state == "places_locked"
    assert balance_of(entity, access).lock_state == "access_expired"


def test_a_boundary_nobody_can_see_is_passed_and_not_told() -> None:
    entity, definition = BillableEntityFactory(), CreditsFactory()
    GrantFactory(subject=entity, definition=definition, amount=None)
    GrantFactory(subject=entity, definition=definition, amount=10, expires_at=NOON + DAY)

    rolled = roll_due(now=NOON + DAY)

    assert len(rolled.passed) == 1
    assert rolled.visible == ()


# --- holds and plans -------------------------------------------------------------------------------------------


def test_a_hold_that_runs_out_is_free_again_and_noted_once() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100)
    view = hold(grant.subject, CHARGE, amount=30, now=NOON)

    work(NOON + timedelta(seconds=60))
    again = work(NOON + timedelta(seconds=61))

    assert numbers(grant.subject, grant.definition) == Numbers(100, 0, 100)
    assert Hold.objects.get().status == "expired"
    event = HoldEvent.objects.get(kind="expired")
    assert (event.amount, event.occurred_at, again) == (30, view.expires_at, 0)


def test_a_hold_is_not_noted_before_its_balance_has_passed_its_end() -> None:
    from billing.entitlements.expiring import note_expired_holds

    grant = GrantFactory(definition=CreditsFactory(), amount=100)
    hold(grant.subject, CHARGE, amount=30, now=NOON)

    assert note_expired_holds(now=NOON + timedelta(seconds=60)) == 0


def test_a_scheduled_plan_change_is_applied_as_of_its_start() -> None:
    definition, entity = PressesFactory(), BillableEntityFactory()
    small, large = PlanFactory(), PlanFactory()
    for plan, amount in ((small, 100), (large, 1000)):
        PlanTemplateFactory(plan=plan, definition=definition, amount=amount)
    assign(entity, small, source=AssignmentSource.INTERNAL, now=NOON)
    press(entity, "eighty", amount=80)
    schedule(entity, large, source=AssignmentSource.MANUAL, now=NOON, starts_at=NOON + DAY)

    work(NOON + 2 * DAY)

    assert numbers(entity, definition) == Numbers(1000, 80, 920)
    assert PlanAssignment.objects.get(status=AssignmentStatus.CURRENT).plan_id == large.pk
    assert balance_of(entity, definition).last_event_at == NOON + DAY


def test_a_plan_change_that_meets_the_end_of_the_month_comes_first() -> None:
    definition, entity = PressesFactory(), BillableEntityFactory()
    small, large = PlanFactory(), PlanFactory()
    for plan, amount in ((small, 100), (large, 1000)):
        PlanTemplateFactory(plan=plan, definition=definition, amount=amount)
    assign(entity, small, source=AssignmentSource.INTERNAL, now=NOON)
    schedule(entity, large, source=AssignmentSource.MANUAL, now=NOON, starts_at=MARCH)

    let_pass(MARCH + DAY)  # nobody has applied it before: the batch lets it be applied

    assert PlanAssignment.objects.get(status=AssignmentStatus.CURRENT).plan_id == large.pk
    assert numbers(entity, definition) == Numbers(1000, 0, 1000)


# --- many, and with or without ---------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0.5, 1, 5, 9, 10, 20, 40, 100])
def test_a_read_says_the_same_with_and_without_a_worker(days: float) -> None:
    entities = [BillableEntityFactory() for _ in range(3)]
    definitions: list[Definition] = [PressesFactory(), PulsesFactory(), CreditsFactory(), ReadingsFactory()]
    for number, entity in enumerate(entities):
        for definition in definitions:
            GrantFactory(subject=entity, definition=definition, of_plan=True, amount=20, expires_at=NOON + 40 * DAY)
            begins = NOON + (number + 1) * DAY
            GrantFactory(
                subject=entity,
                definition=definition,
                amount=5,
                effective_at=begins,
                expires_at=begins + 9 * DAY,
                recorded_at=NOON,
            )
        press(entity, "press", amount=3)
        press(entity, "pulse", amount=3, capability=PULSE)
        hold(entity, CHARGE, amount=7, now=NOON, ttl=timedelta(hours=20))
    at = NOON + days * DAY
    expected = {(entity.pk, each.code): read(entity, each, at) for entity in entities for each in definitions}

    for step in (0.3, 0.7, 0.9):
        work(NOON + days * step * DAY)
        assert_no_difference()
    work(at)

    for entity in entities:
        for definition in definitions:
            assert read(entity, definition, at) == expected[entity.pk, definition.code]


def test_a_subject_is_brought_to_the_present_alone() -> None:
    grants = GrantFactory.create_batch(2, definition=CreditsFactory(), expires_at=NOON + DAY)

    passed = refresh_due_limitations_for_subject(grants[0].subject, now=NOON + DAY)

    assert [each.subject_id for each in passed] == [grants[0].subject_id]
    assert len(let_pass(NOON + DAY)) == 1
