"""Windows open by themselves, late uses find theirs, and no clock moves a subject backwards."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import (
    AdjustmentKind,
    AdjustmentReason,
    EnforcementMode,
    EnforcementOverride,
    GrantKind,
    SourceType,
)
from billing.entitlements.balances import recompute
from billing.errors import LimitExceeded
from billing.models import Balance, BillableEntity, Consumption, Definition, Grant, GrantAdjustment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, pressed
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory, PulsesFactory, ReadingsFactory
from tests.gadgets.limits import PULSE, READ
from tests.gadgets.services import press

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def windows_of(entity: BillableEntity, definition: Definition) -> list[tuple[datetime, int, bool]]:
    """Start, units used and whether it is closed, of every window in order."""
    rows = Balance.objects.filter(subject=entity, definition=definition).order_by("window_start_at")
    return [(row.window_start_at, row.consumed_amount, row.closed_at is not None) for row in rows]


def test_a_new_month_is_full_again() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february", amount=9)

    press(grant.subject, "march", amount=4, now=MARCH)

    assert numbers(grant.subject, grant.definition) == Numbers(10, 4, 6)
    assert windows_of(grant.subject, grant.definition) == [
        (datetime(2026, 2, 1, tzinfo=UTC), 9, True),
        (MARCH, 4, False),
    ]


def test_at_the_last_millisecond_of_a_window_it_is_still_the_old_one() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "all", amount=10)

    with pytest.raises(LimitExceeded) as refused:
        press(grant.subject, "early", now=MARCH - MILLISECOND)

    assert refused.value.details["retryAfterSeconds"] == 1
    press(grant.subject, "on time", now=MARCH)
    assert pressed(grant.subject) == ["all", "on time"]


def test_what_is_left_of_a_top_up_is_carried_into_the_next_window() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=100)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=50)
    press(entity, "february", amount=120)

    press(entity, "march", amount=1, now=MARCH)

    assert numbers(entity, PressesFactory()) == Numbers(130, 1, 129)


def test_windows_nobody_touched_leave_no_rows() -> None:
    grant = GrantFactory(of_plan=True)
    press(grant.subject, "february")

    press(grant.subject, "september", now=datetime(2026, 9, 15, tzinfo=UTC))

    assert [start.month for start, _, _ in windows_of(grant.subject, grant.definition)] == [2, 9]


def test_a_late_use_is_booked_in_its_own_window() -> None:
    grant = GrantFactory(of_plan=True, amount=10, effective_at=NOON - timedelta(days=30))
    press(grant.subject, "february", amount=4)
    press(grant.subject, "march", amount=5, now=MARCH)

    press(grant.subject, "late", amount=6, now=MARCH + timedelta(days=1), occurred_at=NOON + timedelta(days=1))

    assert windows_of(grant.subject, grant.definition) == [
        (datetime(2026, 2, 1, tzinfo=UTC), 10, True),
        (MARCH, 5, False),
    ]
    assert numbers(grant.subject, grant.definition) == Numbers(10, 5, 5)


def test_a_late_use_is_decided_by_what_its_window_had_left() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february", amount=8)
    press(grant.subject, "march", now=MARCH)

    with pytest.raises(LimitExceeded):
        press(grant.subject, "late", amount=3, now=MARCH, occurred_at=NOON)

    assert windows_of(grant.subject, grant.definition)[0][1] == 8


def test_late_usage_that_has_already_happened_is_overage_of_its_window() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february", amount=8)
    press(grant.subject, "march", now=MARCH)

    press(grant.subject, "late", amount=5, now=MARCH, occurred_at=NOON, already_happened=True)

    february = Balance.objects.get(subject=grant.subject, closed_at__isnull=False)
    assert (february.consumed_amount, february.overage_amount, february.over_limit) == (13, 3, True)
    assert numbers(grant.subject, grant.definition) == Numbers(10, 1, 9)


def test_a_late_use_paid_by_a_top_up_lowers_what_it_has_now() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=20)
    press(entity, "february", amount=10)
    press(entity, "march", now=MARCH)

    press(entity, "late", amount=5, now=MARCH, occurred_at=NOON)

    assert numbers(entity, PressesFactory()) == Numbers(25, 1, 24)


def test_a_late_use_is_as_strict_as_its_window_was_at_its_end() -> None:
    definition = PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    strict = EnforcementOverride.HARD_DENY
    grant = GrantFactory(of_plan=True, override=strict, expires_at=NOON + timedelta(days=1))
    press(grant.subject, "march", now=MARCH)
    GrantFactory(subject=grant.subject, override=strict, effective_at=MARCH + timedelta(days=1), recorded_at=MARCH)
    april = datetime(2026, 4, 1, tzinfo=UTC)

    press(grant.subject, "late in february", now=MARCH, occurred_at=NOON)

    assert windows_of(grant.subject, definition)[0][1] == 1
    with pytest.raises(LimitExceeded):
        press(grant.subject, "late in march", amount=20, now=april, occurred_at=MARCH)


def test_a_late_use_is_not_paid_by_what_was_frozen_at_the_end_of_its_window() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "february")
    adjust(grant, AdjustmentKind.FREEZE, NOON + timedelta(days=1))
    adjust(grant, AdjustmentKind.RELEASE, MARCH + timedelta(days=1))

    with pytest.raises(LimitExceeded):
        press(grant.subject, "late", now=MARCH + timedelta(days=2), occurred_at=NOON)

    press(grant.subject, "on time", now=MARCH + timedelta(days=2))


def adjust(grant: Grant, kind: AdjustmentKind, at: datetime) -> None:
    recompute(grant.subject, now=at)
    GrantAdjustment.objects.create(
        subject=grant.subject,
        definition=grant.definition,
        grant=grant,
        kind=kind,
        reason=AdjustmentReason.DISPUTED,
        source_type=SourceType.BILLING_PURCHASE,
        occurred_at=at,
        dedupe_key=f"a1:{kind}",
        created_at=at,
    )
    recompute(grant.subject, now=at)


def test_a_late_use_in_a_window_nobody_had_touched_makes_its_row() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    may = datetime(2026, 5, 10, tzinfo=UTC)
    press(grant.subject, "may", now=may)

    press(grant.subject, "late", amount=3, now=may, occurred_at=datetime(2026, 4, 2, tzinfo=UTC))

    starts = [(start.month, units, closed) for start, units, closed in windows_of(grant.subject, grant.definition)]
    assert starts == [(2, 0, True), (4, 3, True), (5, 1, False)]


def test_business_time_chooses_the_window_and_is_kept() -> None:
    grant = GrantFactory(of_plan=True, effective_at=NOON - timedelta(days=10))

    press(grant.subject, "earlier", occurred_at=NOON - timedelta(hours=3))

    assert Consumption.objects.get().occurred_at == NOON - timedelta(hours=3)


def test_a_time_more_than_five_minutes_ahead_is_refused() -> None:
    grant = GrantFactory()

    with pytest.raises(Invalid, match="occurredAt lies in the future") as refused:
        press(grant.subject, "early", occurred_at=NOON + timedelta(minutes=5, milliseconds=1))

    assert "occurredAt" in (refused.value.field_errors or {})


def test_a_time_a_little_ahead_counts_as_now() -> None:
    grant = GrantFactory()

    press(grant.subject, "early", occurred_at=NOON + timedelta(minutes=5))

    assert Consumption.objects.get().occurred_at == NOON


def test_a_clock_that_is_behind_moves_nobody_back() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "march", now=MARCH)

    press(grant.subject, "slow clock", now=MARCH - timedelta(minutes=1))

    assert [start for start, _, _ in windows_of(grant.subject, grant.definition)] == [
        datetime(2026, 2, 1, tzinfo=UTC),
        MARCH,
    ]
    assert balance_of(grant.subject, grant.definition).last_event_at == MARCH
    assert numbers(grant.subject, grant.definition) == Numbers(10, 2, 8)


def test_a_month_counted_from_the_31st_keeps_its_day() -> None:
    started = datetime(2025, 1, 31, 10, 15, tzinfo=UTC)
    definition, entity, plan = ReadingsFactory(), BillableEntityFactory(), PlanFactory()
    PlanTemplateFactory(plan=plan, definition=definition, amount=10)
    assign(entity, plan, source=AssignmentSource.INTERNAL, now=started)

    starts: list[datetime] = []
    for month, day in ((2, 28), (3, 31), (4, 30), (5, 31)):
        boundary = datetime(2025, month, day, 10, 15, tzinfo=UTC)
        press(entity, f"before {month}", amount=5, capability=READ, now=boundary - MILLISECOND)
        press(entity, f"at {month}", amount=5, capability=READ, now=boundary)
        starts.append(balance_of(entity, definition).window_start_at)

    assert [(start.month, start.day) for start in starts] == [(2, 28), (3, 31), (4, 30), (5, 31)]
    assert {start.time() for start in starts} == {started.time()}
    assert [units for _, units, _ in windows_of(entity, definition)] == [5, 10, 10, 10, 5]


def test_without_an_assignment_months_count_from_the_first_grant() -> None:
    grant = GrantFactory(definition=ReadingsFactory(), of_plan=True, effective_at=NOON)

    press(grant.subject, "first", capability=READ, now=NOON + timedelta(days=3))

    row = balance_of(grant.subject, grant.definition)
    assert (row.window_start_at, row.window_end_at) == (NOON, datetime(2026, 3, 21, 12, 0, tzinfo=UTC))


def test_a_first_grant_that_arrives_late_says_where_months_begin() -> None:
    bought_at = NOON - timedelta(days=2)

    grant = GrantFactory(definition=ReadingsFactory(), effective_at=bought_at, recorded_at=NOON)

    row = balance_of(grant.subject, grant.definition)
    assert (row.window_start_at, row.window_end_at) == (bought_at, datetime(2026, 3, 19, 12, 0, tzinfo=UTC))


def test_a_first_grant_that_begins_later_says_where_months_begin() -> None:
    begins_at = NOON + timedelta(days=2)

    grant = GrantFactory(definition=ReadingsFactory(), effective_at=begins_at, recorded_at=NOON)

    row = balance_of(grant.subject, grant.definition)
    assert (row.window_start_at, row.window_end_at) == (datetime(2026, 1, 23, 12, 0, tzinfo=UTC), begins_at)


def test_a_month_that_was_used_before_its_anchor_was_known_goes_on_to_its_end() -> None:
    definition, entity = ReadingsFactory(enforcement_mode=EnforcementMode.SOFT_WARN), BillableEntityFactory()
    press(entity, "before any grant", capability=READ)
    GrantFactory(subject=entity, definition=definition, effective_at=NOON - timedelta(days=5), amount=10)

    for days in (1, 30, 60):
        press(entity, f"after {days}", capability=READ, now=NOON + timedelta(days=days))

    march, april = datetime(2026, 3, 21, 12, tzinfo=UTC), datetime(2026, 4, 16, 12, tzinfo=UTC)
    assert windows_of(entity, definition) == [(NOON, 2, True), (march, 1, True), (april, 1, False)]


def test_a_late_use_may_be_the_first_of_all() -> None:
    entity = BillableEntityFactory()
    PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)

    press(entity, "late", now=MARCH, occurred_at=NOON)

    versions = Balance.objects.filter(subject=entity).values_list("window_start_at", "version")
    assert dict(versions) == {datetime(2026, 2, 1, tzinfo=UTC): 1, MARCH: 1}


def test_windows_of_two_anchors_never_overlap() -> None:
    definition, entity = ReadingsFactory(enforcement_mode=EnforcementMode.SOFT_WARN), BillableEntityFactory()
    press(entity, "before any grant", capability=READ)
    GrantFactory(subject=entity, definition=definition, effective_at=NOON - timedelta(days=5), amount=10)
    later = NOON + timedelta(days=40)

    press(entity, "late", capability=READ, now=later, occurred_at=NOON - timedelta(days=1))
    press(entity, "later", capability=READ, now=later, occurred_at=NOON + timedelta(days=1))

    anchor, march = NOON - timedelta(days=5), datetime(2026, 3, 21, 12, tzinfo=UTC)
    assert windows_of(entity, definition) == [(anchor, 1, True), (NOON, 2, True), (march, 0, False)]


def test_a_rolling_day_forgets_what_is_24_hours_old() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    press(grant.subject, "first", amount=6, capability=PULSE)
    press(grant.subject, "second", amount=4, capability=PULSE, now=NOON + timedelta(hours=6))

    with pytest.raises(LimitExceeded):
        press(grant.subject, "third", capability=PULSE, now=NOON + timedelta(hours=24) - MILLISECOND)

    press(grant.subject, "fourth", amount=6, capability=PULSE, now=NOON + timedelta(hours=24))
    assert numbers(grant.subject, grant.definition) == Numbers(10, 10, 0)


def test_in_a_rolling_day_a_top_up_does_not_come_back() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=PulsesFactory(), of_plan=True, amount=10)
    GrantFactory(subject=entity, definition=PulsesFactory(), kind=GrantKind.TOPUP, amount=5)
    press(entity, "all", amount=13, capability=PULSE)

    press(entity, "next day", amount=1, capability=PULSE, now=NOON + timedelta(hours=24))

    assert numbers(entity, PulsesFactory()).effective == 9 + 2


def test_overage_of_a_rolling_day_leaves_with_its_use() -> None:
    definition = PulsesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, of_plan=True, amount=10)
    press(grant.subject, "much", amount=14, capability=PULSE)
    assert numbers(grant.subject, definition).overage == 4

    press(grant.subject, "next day", amount=1, capability=PULSE, now=NOON + timedelta(hours=24))

    assert numbers(grant.subject, definition) == Numbers(10, 1, 9)


def test_a_late_use_of_a_rolling_day_counts_until_its_own_time_is_over() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10, effective_at=NOON - timedelta(days=5))
    press(grant.subject, "late", amount=10, capability=PULSE, occurred_at=NOON - timedelta(hours=23))

    press(grant.subject, "an hour later", amount=10, capability=PULSE, now=NOON + timedelta(hours=1))

    assert numbers(grant.subject, grant.definition) == Numbers(10, 10, 0)


def test_a_use_older_than_the_rolling_day_hides_no_younger_one() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10, expires_at=NOON + timedelta(days=90))
    GrantFactory(subject=grant.subject, definition=grant.definition, amount=1, effective_at=NOON + timedelta(hours=2))
    press(grant.subject, "young", capability=PULSE, now=NOON + timedelta(hours=1))

    press(grant.subject, "old", capability=PULSE, now=NOON + timedelta(hours=2), occurred_at=NOON - timedelta(days=5))

    assert balance_of(grant.subject, grant.definition).next_change_at == NOON + timedelta(hours=25)


def test_a_use_older_than_the_rolling_day_is_recorded_and_counts_no_more() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10, effective_at=NOON - timedelta(days=5))

    press(grant.subject, "old", amount=7, capability=PULSE, occurred_at=NOON - timedelta(hours=24))

    assert numbers(grant.subject, grant.definition) == Numbers(10, 0, 10)
    assert Consumption.objects.get().amount == 7
