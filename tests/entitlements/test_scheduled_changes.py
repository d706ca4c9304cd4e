"""A plan change that was scheduled is applied as of its start by whoever touches the subject first; reads see it before."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.entitlements.limitations import resolve_effective_limitations
from billing.entitlements.manual import ByHand, end_grant, grant_manually
from billing.errors import LimitExceeded
from billing.models import (
    BillableEntity,
    BillingEvent,
    Consumption,
    Definition,
    Grant,
    GrantEnding,
    Plan,
    PlanAssignment,
)
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.models.catalog import DurationPolicy
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import cancel_scheduled, promote_due, schedule
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory, PulsesFactory
from tests.gadgets.services import press

DAY = timedelta(days=1)
SOON = NOON + 2 * DAY
FIXED = {"duration_policy": DurationPolicy.FIXED_DURATION, "duration_days": 90}


def plan_of(amount: int | None, definition: Definition) -> Plan:
    plan: Plan = PlanFactory()
    PlanTemplateFactory(plan=plan, definition=definition, amount=amount)
    return plan


@pytest.fixture
def presses(db: None) -> Definition:
    return PressesFactory()


@pytest.fixture
def entity(presses: Definition) -> BillableEntity:
    """On a plan of 100, of which 80 are used."""
    entity = BillableEntityFactory()
    assign(entity, plan_of(100, presses), source=AssignmentSource.INTERNAL, now=NOON)
    press(entity, "eighty", amount=80)
    return entity


def plan_later(entity: BillableEntity, plan: Plan, starts_at: datetime = SOON) -> PlanAssignment:
    return schedule(
        entity, plan, source=AssignmentSource.MANUAL, now=NOON, starts_at=starts_at, actor="olga", reason="asked"
    )


def statuses(entity: BillableEntity) -> list[str]:
    return list(PlanAssignment.objects.for_entity(entity.pk).order_by("pk").values_list("status", flat=True))


def test_a_scheduled_change_changes_nothing_but_the_next_boundary(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    assert numbers(entity, presses) == Numbers(100, 80, 20)
    assert balance_of(entity, presses).next_change_at == SOON
    assert statuses(entity) == [AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]


def test_the_first_use_after_its_start_finds_the_new_plan(entity: BillableEntity, presses: Definition) -> None:
    upcoming = plan_later(entity, plan_of(1000, presses))

    press(entity, "much", amount=900, now=SOON + DAY)

    assert numbers(entity, presses) == Numbers(1000, 980, 20)
    assert statuses(entity) == [AssignmentStatus.PAST, AssignmentStatus.CURRENT]
    assert GrantEnding.objects.get().ended_at == SOON
    assert Grant.objects.get(source_id=str(upcoming.pk)).effective_at == SOON
    assert PlanAssignment.objects.get(status=AssignmentStatus.PAST).period_end_at == SOON


def test_until_its_start_the_old_plan_holds(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    with pytest.raises(LimitExceeded):
        press(entity, "too much", amount=21, now=SOON - timedelta(milliseconds=1))

    assert statuses(entity) == [AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]


def test_reading_after_its_start_shows_the_new_plan_and_writes_nothing(
    entity: BillableEntity, presses: Definition
) -> None:
    plan_later(entity, plan_of(1000, presses))

    seen = resolve_effective_limitations(entity, now=SOON, codes=[presses.code]).limitations[0]

    assert (seen.granted_amount, seen.consumed_amount, seen.effective_amount) == (1000, 80, 920)
    assert statuses(entity) == [AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]
    assert numbers(entity, presses) == Numbers(100, 80, 20)


def test_a_scheduled_downgrade_refuses_from_its_start_on(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(50, presses))

    with pytest.raises(LimitExceeded) as refused:
        press(entity, "one", now=SOON)

    assert refused.value.details["limit"] == 50
    assert Consumption.objects.count() == 1


def test_a_new_window_after_the_start_has_the_new_amount(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    press(entity, "next month", amount=1000, now=datetime(2026, 4, 2, tzinfo=UTC))

    assert numbers(entity, presses) == Numbers(1000, 1000, 0)


def test_an_immediate_change_drops_the_scheduled_one(entity: BillableEntity, presses: Definition) -> None:
    other = PressesFactory(code="gadgets.others")
    plan_later(entity, plan_of(7, other))

    assign(entity, plan_of(200, presses), source=AssignmentSource.MANUAL, now=NOON + DAY)

    assert statuses(entity) == [AssignmentStatus.PAST, AssignmentStatus.CANCELED, AssignmentStatus.CURRENT]
    promote_due(entity.pk, SOON)
    assert numbers(entity, presses) == Numbers(200, 80, 120)


def test_dropping_it_takes_its_boundary_away(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    dropped = cancel_scheduled(entity, now=NOON + DAY, actor="olga", reason="changed their mind")

    assert dropped
    assert balance_of(entity, presses).next_change_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert not cancel_scheduled(entity, now=NOON + DAY)


def test_scheduling_the_same_again_changes_nothing(entity: BillableEntity, presses: Definition) -> None:
    plan = plan_of(1000, presses)
    first = plan_later(entity, plan)

    again = plan_later(entity, plan)

    assert again.pk == first.pk
    assert BillingEvent.objects.filter(event_name="plan.scheduled").count() == 1


def test_without_a_start_it_begins_with_the_next_month_of_the_anchor(
    entity: BillableEntity, presses: Definition
) -> None:
    upcoming = schedule(entity, plan_of(1000, presses), source=AssignmentSource.MANUAL, now=NOON + DAY)

    assert upcoming.period_start_at == datetime(NOON.year, NOON.month + 1, NOON.day, NOON.hour, tzinfo=UTC)


def test_an_operator_who_grants_after_the_start_applies_it_first(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    grant_manually(
        entity, presses.code, amount=5, by=ByHand(actor="olga", reason="sorry"), now=SOON, operation_key="sorry"
    )

    assert numbers(entity, presses) == Numbers(1005, 80, 925)


def test_promoting_twice_applies_it_once(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(1000, presses))

    promote_due(entity.pk, SOON)
    promote_due(entity.pk, SOON + DAY)

    assert Grant.objects.count() == 2
    assert BillingEvent.objects.filter(event_name="plan.promoted").count() == 1


def test_what_cannot_be_scheduled_is_refused_by_field(entity: BillableEntity, presses: Definition) -> None:
    current = PlanAssignment.objects.get().plan
    with pytest.raises(Invalid) as same:
        plan_later(entity, current)
    with pytest.raises(Invalid) as past:
        plan_later(entity, plan_of(1, presses), starts_at=NOON)
    with pytest.raises(Invalid) as retired:
        plan_later(entity, PlanFactory(is_active=False))

    assert [set(each.value.field_errors) for each in (same, past, retired)] == [{"plan"}, {"starts_at"}, {"plan"}]
    assert statuses(entity) == [AssignmentStatus.CURRENT]


def test_what_an_earlier_plan_gave_for_good_is_not_touched(entity: BillableEntity, presses: Definition) -> None:
    pulses = PulsesFactory()
    PlanTemplateFactory(plan=PlanAssignment.objects.get().plan, definition=pulses, **FIXED)
    assign(entity, plan_of(50, presses), source=AssignmentSource.INTERNAL, now=NOON)
    assign(entity, Plan.objects.earliest("pk"), source=AssignmentSource.INTERNAL, now=NOON)
    assign(entity, plan_of(50, presses), source=AssignmentSource.INTERNAL, now=NOON)

    plan_later(entity, plan_of(1000, presses))

    assert balance_of(entity, pulses).next_change_at == NOON + 90 * DAY
    assert balance_of(entity, presses).next_change_at == SOON


def test_what_was_ended_meanwhile_is_touched_no_more(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(10, PulsesFactory()))
    before = balance_of(entity, presses).next_change_at

    end_grant(Grant.objects.get(), by=ByHand(actor="olga", reason="sorry"), now=NOON + DAY)

    month_ends_at = datetime(2026, 3, 1, tzinfo=UTC)
    assert (before, balance_of(entity, presses).next_change_at) == (SOON, month_ends_at)


def test_a_renewal_of_the_plan_before_is_touched_as_well(entity: BillableEntity, presses: Definition) -> None:
    plan_later(entity, plan_of(10, PulsesFactory()))

    assign(
        entity,
        PlanAssignment.objects.earliest("pk").plan,
        source=AssignmentSource.INTERNAL,
        now=NOON + DAY,
        period_end_at=NOON + 30 * DAY,
    )

    assert balance_of(entity, presses).next_change_at == SOON


def test_a_change_that_changes_nothing_is_no_boundary_any_more(presses: Definition) -> None:
    entity, fixed, empty = BillableEntityFactory(), PlanFactory(), PlanFactory()
    PlanTemplateFactory(plan=fixed, definition=presses, **FIXED)
    assign(entity, fixed, source=AssignmentSource.INTERNAL, now=NOON)
    assign(entity, empty, source=AssignmentSource.INTERNAL, now=NOON)
    plan_later(entity, fixed)

    promote_due(entity.pk, SOON)

    assert balance_of(entity, presses).next_change_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_clock_that_is_behind_schedules_nothing_into_the_past(entity: BillableEntity, presses: Definition) -> None:
    behind = NOON - timedelta(hours=1)

    with pytest.raises(Invalid) as past:
        schedule(
            entity,
            plan_of(1, presses),
            source=AssignmentSource.MANUAL,
            now=behind,
            starts_at=NOON - timedelta(minutes=1),
        )

    assert set(past.value.field_errors) == {"starts_at"}
