"""The end of a window is told once, opens nothing, and leaves what was used in it as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode, GrantKind
from billing.entitlements import boundaries
from billing.errors import LimitExceeded
from billing.models import Allocation, Balance
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.entitlements.working import let_pass, read
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import (
    PressesFactory,
    PulsesFactory,
    ReadingsFactory,
)
from tests.gadgets.limits import PULSE, READ
from tests.gadgets.services import press

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def codes(passed: list[boundaries.Passed]) -> list[str]:
    return [each.code for each in passed]


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
