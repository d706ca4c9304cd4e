"""
Boundaries pass while nobody looks, and it makes no difference to anybody's numbers who did it.

After every story the balances equal their facts (``conftest``), and a read says the same with and without a worker.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode, GrantKind
from billing.entitlements import boundaries, leases
from billing.entitlements.boundaries import refresh_due_limitations_for_subject, roll, roll_due
from billing.entitlements.holds import hold
from billing.entitlements.resolvers import forget_definitions
from billing.errors import LimitExceeded
from billing.models import Allocation, Balance, BillableEntity, Definition, Hold, HoldEvent, OpenLot, PlanAssignment
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
from tests.gadgets.limits import CHARGE, PULSE, READ
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


# --- windows ---------------------------------------------------------------------------------------------------


def test_the_end_of_a_month_is_told_once_and_opens_nothing() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february", amount=4)

    seen = let_pass(MARCH + DAY)
    again = let_pass(APRIL + DAY)

    assert (codes(seen), again) == ([grant.definition.code], [])
    row = Balance.objects.get()
    assert (row.closed_at, row.next_change_at, row.last_event_at) == (None, None, MARCH - MILLISECOND)
    assert row.consumed_amount == 4


@pytest.mark.parametrize("works", [False, True], ids=["without a worker", "with a worker"])
def test_whoever_comes_after_the_end_of_a_month_finds_a_full_one(works: bool) -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=100)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=50)
    press(entity, "february", amount=120)
    if works:
        let_pass(MARCH)

    reading = read(entity, PressesFactory(), MARCH + DAY)
    press(entity, "march", amount=30, now=MARCH + DAY)

    assert (reading.granted_amount, reading.consumed_amount, reading.effective_amount) == (130, 0, 130)
    assert (reading.window_start_at, reading.next_change_at) == (MARCH, APRIL)
    assert numbers(entity, PressesFactory()) == Numbers(130, 30, 100)
    assert [row.window_start_at.month for row in Balance.objects.order_by("window_start_at")] == [2, 3]


def test_a_grant_that_ends_with_the_month_is_gone_with_it() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10, expires_at=MARCH)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=5)

    let_pass(MARCH)
    press(entity, "march", amount=5, now=MARCH)

    with pytest.raises(LimitExceeded):
        press(entity, "more", now=MARCH)


def test_a_grant_that_ends_in_a_month_nobody_has_used_opens_it_and_is_told() -> None:
    grant = GrantFactory(of_plan=True, amount=10, expires_at=MARCH + 10 * DAY)
    let_pass(MARCH)
    assert balance_of(grant.subject, grant.definition).next_change_at == MARCH + 10 * DAY

    seen = let_pass(MARCH + 10 * DAY)

    assert codes(seen) == [grant.definition.code]
    assert numbers(grant.subject, grant.definition) == Numbers(0, 0, 0)
    assert balance_of(grant.subject, grant.definition).next_change_at == APRIL


def test_a_late_use_finds_its_month_although_it_was_told_to_be_over() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february", amount=4)
    let_pass(MARCH)

    press(grant.subject, "late", amount=6, now=MARCH + DAY, occurred_at=NOON)

    assert list(Balance.objects.order_by("window_start_at").values_list("consumed_amount", flat=True)) == [10, 0]


def test_overage_of_a_month_is_settled_within_it_though_it_is_over() -> None:
    definition = PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=3, effective_at=NOON + DAY, recorded_at=NOON)
    press(grant.subject, "too much", amount=5)

    let_pass(MARCH)
    press(grant.subject, "march", now=MARCH)

    settlement = Allocation.objects.get(consumption_id__isnull=True)
    assert (settlement.amount, settlement.window_start_at.month) == (3, 2)
    february = Balance.objects.get(closed_at__isnull=False)
    assert (february.overage_amount, february.consumed_amount) == (2, 5)


def test_a_month_counted_from_the_31st_rests_at_its_own_end() -> None:
    started = datetime(2026, 1, 31, 10, 15, tzinfo=UTC)
    definition, entity, plan = ReadingsFactory(), BillableEntityFactory(), PlanFactory()
    PlanTemplateFactory(plan=plan, definition=definition, amount=10)
    assign(entity, plan, source=AssignmentSource.INTERNAL, now=started)
    press(entity, "first", capability=READ, now=started)
    end = datetime(2026, 2, 28, 10, 15, tzinfo=UTC)

    early, on_time = let_pass(end - MILLISECOND), let_pass(end)

    assert (codes(early), codes(on_time)) == ([], [definition.code])
    after = read(entity, definition, end + 2 * DAY)
    assert (after.consumed_amount, after.window_start_at) == (0, end)
    assert after.window_end_at == datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


def test_uses_leave_a_rolling_day_one_by_one() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    other = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    press(grant.subject, "first", amount=6, capability=PULSE)
    press(grant.subject, "second", amount=4, capability=PULSE, now=NOON + timedelta(hours=6))
    press(other.subject, "third", amount=1, capability=PULSE, now=NOON + timedelta(hours=1))

    first, then = let_pass(NOON + DAY), let_pass(NOON + DAY + timedelta(hours=2))

    assert ([each.subject_id for each in first], [each.subject_id for each in then]) == (
        [grant.subject_id],
        [other.subject_id],
    )
    assert numbers(grant.subject, grant.definition) == Numbers(10, 4, 6)
    assert balance_of(grant.subject, grant.definition).next_change_at == NOON + timedelta(hours=30)


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


# --- retired, failing, leased ----------------------------------------------------------------------------------


def retire(definition: Definition, *, active: bool = False) -> None:
    definition.is_active = active
    definition.updated_at += timedelta(seconds=1)
    definition.save()
    forget_definitions()


def test_what_was_retired_is_left_alone_and_blocks_nobody() -> None:
    retired = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    GrantFactory(expires_at=NOON + DAY)
    retire(retired.definition)

    seen = let_pass(NOON + DAY)

    assert codes(seen) == [PressesFactory().code]
    assert balance_of(retired.subject, retired.definition).next_change_at is None


def test_what_comes_back_is_looked_at_again() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    retire(grant.definition)
    let_pass(NOON + DAY)

    retire(grant.definition, active=True)

    assert read(grant.subject, grant.definition, NOON + 2 * DAY).effective_amount == 0
    with pytest.raises(LimitExceeded):
        charge(grant.subject, 1, now=NOON + 2 * DAY)


def poison(entity: BillableEntity) -> None:
    """Its row cannot be rolled: what its grant is of is a word nobody knows."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_entitlement_open_lots SET pool = 'venom' WHERE subject_id = %s", [entity.pk])


def heal(entity: BillableEntity) -> None:
    OpenLot.objects.filter(subject=entity).update(pool=None)


def test_a_row_that_fails_is_put_off_and_the_others_go_on() -> None:
    grants = GrantFactory.create_batch(4, definition=CreditsFactory(), expires_at=NOON + DAY)
    bad = grants[1]
    poison(bad.subject)

    rolled = roll_due(now=NOON + DAY)

    row = balance_of(bad.subject, bad.definition)
    assert (rolled.taken, len(rolled.passed), rolled.put_off) == (4, 3, 1)
    assert (row.attempts, row.retry_at, row.lease_token) == (1, NOON + DAY + leases.FIRST_PAUSE, None)
    heal(bad.subject)


def test_it_is_tried_again_later_and_later() -> None:
    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    poison(grant.subject)
    now, pauses = NOON + DAY, []

    for _ in range(9):
        assert roll_due(now=now).put_off == 1
        assert roll_due(now=now).taken == 0
        retry_at = balance_of(grant.subject, grant.definition).retry_at
        assert retry_at is not None
        pauses.append((retry_at - now).total_seconds())
        now = retry_at
    heal(grant.subject)
    let_pass(now)

    row = balance_of(grant.subject, grant.definition)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert (row.attempts, row.retry_at, row.effective_amount) == (0, None, 0)


def test_a_row_that_is_leased_is_left_to_who_has_it_until_the_lease_runs_out() -> None:
    GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    now = NOON + DAY
    leases.lease_due(now=now, limit=10, duration=timedelta(seconds=60))

    early = roll_due(now=now + timedelta(seconds=59))
    late = roll_due(now=now + timedelta(seconds=60))

    assert (early.taken, len(late.passed)) == (0, 1)


def test_a_worker_that_overslept_leaves_the_rows_to_who_has_them_now() -> None:
    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    now, minute = NOON + DAY, timedelta(seconds=60)
    stalled = leases.lease_due(now=now, limit=10, duration=minute)
    taken_over = leases.lease_due(now=now + minute, limit=10, duration=minute)

    rolled = roll(stalled, now=now)

    assert rolled.passed == ()
    assert balance_of(grant.subject, grant.definition).lease_token == taken_over.token
    assert len(roll(taken_over, now=now + minute).passed) == 1
    assert roll(stalled, now=now).passed == ()


def test_a_row_is_written_only_under_the_lease_it_was_taken_with() -> None:
    """The compare in the statement itself: what a second node would meet that does not see our row locks."""
    from mozaiks.kit.db import run_in_transaction

    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    lease = leases.lease_due(now=NOON + DAY, limit=10, duration=timedelta(seconds=60))
    stored = balance_of(grant.subject, grant.definition)

    def write(token: str) -> None:
        (allowance,) = leases.lock(lease.fresh, lease.token, now=NOON + DAY)
        allowance.row.version = 77
        leases.save([allowance.row], token, now=NOON + DAY)

    run_in_transaction(lambda: write("of somebody else"))

    after = balance_of(grant.subject, grant.definition)
    assert (after.version, after.lease_token) == (stored.version, lease.token)
    run_in_transaction(lambda: write(lease.token))
    assert balance_of(grant.subject, grant.definition).version == 77


def test_a_use_between_lease_and_work_has_done_the_work() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    other = GrantFactory(subject=grant.subject, definition=grant.definition, amount=50)
    lease = leases.lease_due(now=NOON + DAY, limit=10, duration=timedelta(seconds=60))
    charge(grant.subject, 1, now=NOON + DAY)

    rolled = roll(lease, now=NOON + DAY)

    assert (rolled.taken, rolled.passed) == (1, ())
    assert numbers(other.subject, other.definition) == Numbers(50, 1, 49)
