"""Changing a plan: at once, once, and with everything that hangs on it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import transaction

from billing.engine.types import EndingReason
from billing.entitlements import plan_state
from billing.models import BillableEntity, BillingEvent, Grant, GrantEnding, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.subscriptions import moving
from billing.subscriptions.assignments import assign
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.factories import BillableEntityFactory, DefinitionFactory, PlanFactory, PlanTemplateFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
MONTH = timedelta(days=30)


@pytest.fixture
def grants() -> Iterator[mock.Mock]:
    """What was asked of the engine."""
    real = plan_state.grant_entitlements_for_plan_state
    with mock.patch.object(moving, "grant_entitlements_for_plan_state", wraps=real) as spy:
        yield spy


def put(entity: BillableEntity, plan: Plan, *, now: Any = NOON, **terms: Any) -> PlanAssignment:
    return assign(entity, plan, **{"source": AssignmentSource.MANUAL, "now": now, **terms})


def schedule(entity: BillableEntity, plan: Plan) -> PlanAssignment:
    return PlanAssignment.objects.create(
        billable_entity=entity,
        plan=plan,
        source=AssignmentSource.MANUAL,
        status=AssignmentStatus.UPCOMING,
        period_start_at=NOON + MONTH,
        anchor_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def refusal(entity: BillableEntity, plan: Plan, **terms: Any) -> set[str]:
    with pytest.raises(Invalid) as refused:
        put(entity, plan, **terms)
    return set(refused.value.field_errors)


def test_the_first_plan_begins_now_and_stays_open(grants: mock.Mock) -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()

    assignment = put(entity, plan)

    assignment.refresh_from_db()
    assert (assignment.plan, assignment.status) == (plan, AssignmentStatus.CURRENT)
    assert (assignment.period_start_at, assignment.period_end_at, assignment.anchor_at) == (NOON, None, NOON)
    grants.assert_called_once_with(assignment, now=NOON, replaces=[], unscheduled=[], renews=False)


def test_another_plan_ends_the_one_before_at_that_moment(grants: mock.Mock) -> None:
    entity = BillableEntityFactory()
    first = put(entity, PlanFactory())

    second = put(entity, PlanFactory(), now=LATER)

    first.refresh_from_db()
    assert (first.status, first.period_end_at) == (AssignmentStatus.PAST, LATER)
    assert (second.status, second.period_start_at) == (AssignmentStatus.CURRENT, LATER)
    grants.assert_called_with(second, now=LATER, replaces=[first.pk], unscheduled=[], renews=False)


def test_what_the_plan_before_granted_ends_when_the_next_begins() -> None:
    entity, definition = BillableEntityFactory(), DefinitionFactory()
    put(entity, PlanTemplateFactory(amount=10, definition=definition).plan)

    put(entity, PlanTemplateFactory(amount=50, definition=definition).plan, now=LATER)

    grants = Grant.objects.for_subject(entity.pk)
    assert [grant.amount for grant in grants.active_at(NOON)] == [10]
    assert [grant.amount for grant in grants.active_at(LATER)] == [50]
    assert GrantEnding.objects.get().reason == EndingReason.REPLACED


def test_the_same_plan_again_changes_nothing(grants: mock.Mock) -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    period = {"period_start_at": NOON, "period_end_at": NOON + MONTH}
    first = put(entity, plan, **period)

    assert put(entity, plan, now=LATER, **period) == first
    assert put(entity, plan, now=LATER) == first

    assert PlanAssignment.objects.get().updated_at == NOON
    assert BillingEvent.objects.count() == 1
    grants.assert_called_once()


@pytest.mark.parametrize(
    "period",
    [
        {"period_start_at": NOON + timedelta(minutes=1)},
        {"period_end_at": NOON + 2 * MONTH},
        {"period_start_at": NOON, "period_end_at": None},
    ],
)
def test_another_period_of_the_same_plan_is_another_assignment(grants: mock.Mock, period: dict[str, Any]) -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    first = put(entity, plan, period_end_at=NOON + MONTH)

    second = put(entity, plan, now=LATER, **period)

    assert second.pk != first.pk
    grants.assert_called_with(second, now=LATER, replaces=[first.pk], unscheduled=[], renews=True)


def test_a_renewal_keeps_what_belongs_to_the_subscription() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    first = put(entity, plan, billing_cycle="monthly", metadata={"from": "sync"}, period_end_at=NOON + MONTH)
    PlanAssignment.objects.filter(pk=first.pk).update(plugin_tiers={"chat": "gold"})

    renewed = put(entity, plan, now=NOON + MONTH, period_start_at=NOON + MONTH, period_end_at=NOON + 2 * MONTH)
    moved = put(entity, PlanFactory(), now=NOON + MONTH)

    assert (renewed.billing_cycle, renewed.plugin_tiers) == ("monthly", {"chat": "gold"})
    assert renewed.metadata_json == {"from": "sync"}
    assert (moved.billing_cycle, moved.plugin_tiers, moved.metadata_json) == ("", {}, {})


def test_the_anchor_is_that_of_the_first_assignment_for_ever() -> None:
    entity = BillableEntityFactory()
    first = put(entity, PlanFactory(), period_start_at=NOON - MONTH)
    put(entity, PlanFactory(), now=LATER)
    PlanAssignment.objects.current().update(status=AssignmentStatus.CANCELED)

    back_again = put(entity, PlanFactory(), now=NOON + MONTH)

    assert first.anchor_at == NOON - MONTH
    assert back_again.anchor_at == first.anchor_at


def test_a_scheduled_change_is_dropped_by_another_plan() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    put(entity, plan)
    scheduled = schedule(entity, PlanFactory())

    put(entity, PlanFactory(), now=LATER)

    scheduled.refresh_from_db()
    assert (scheduled.status, scheduled.period_end_at) == (AssignmentStatus.CANCELED, None)


def test_a_scheduled_change_outlives_a_renewal() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    put(entity, plan)
    scheduled = schedule(entity, PlanFactory())

    put(entity, plan, now=LATER, period_start_at=LATER)

    scheduled.refresh_from_db()
    assert scheduled.status == AssignmentStatus.UPCOMING


def test_other_terms_of_the_same_period_are_noted_in_place(grants: mock.Mock) -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    first = put(entity, plan, billing_cycle="monthly")

    put(entity, plan, now=LATER, subscription_status=SubscriptionStatus.PAST_DUE, next_billing_at=NOON + MONTH)

    first.refresh_from_db()
    assert (first.subscription_status, first.past_due_since_at) == (SubscriptionStatus.PAST_DUE, LATER)
    assert (first.billing_cycle, first.next_billing_at, first.updated_at) == ("monthly", NOON + MONTH, LATER)
    assert list(BillingEvent.objects.order_by("pk").values_list("event_name", flat=True)) == [
        "plan.assigned",
        "plan.terms_changed",
    ]
    grants.assert_called_once()


def test_payment_is_late_since_it_was_first_said() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    late = {"subscription_status": SubscriptionStatus.PAST_DUE}
    put(entity, plan, **late)

    again = put(entity, plan, now=LATER, billing_cycle="yearly", **late)
    assert again.past_due_since_at == NOON

    paid = put(entity, plan, now=LATER)
    assert paid.past_due_since_at is None


def test_an_inactive_plan_takes_nobody_new() -> None:
    entity = BillableEntityFactory()

    assert refusal(entity, PlanFactory(is_active=False)) == {"plan"}
    assert not PlanAssignment.objects.exists()


def test_an_inactive_plan_goes_on_for_those_who_are_on_it() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    put(entity, plan)
    Plan.objects.update(is_active=False)

    assert put(entity, plan, now=LATER, period_start_at=LATER).plan == plan


def test_what_the_plan_says_now_counts_not_what_was_read_before() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory()
    Plan.objects.update(is_active=False)

    assert refusal(entity, plan) == {"plan"}


@pytest.mark.parametrize(
    ("period", "field"),
    [
        ({"period_start_at": NOON + timedelta(minutes=6)}, "period_start_at"),
        ({"period_end_at": NOON}, "period_end_at"),
        ({"period_start_at": NOON - MONTH, "period_end_at": NOON - MONTH}, "period_end_at"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(period: dict[str, Any], field: str) -> None:
    assert refusal(BillableEntityFactory(), PlanFactory(), **period) == {field}


def test_a_clock_that_runs_ahead_a_little_is_forgiven() -> None:
    entity = BillableEntityFactory()
    ahead = put(entity, PlanFactory(), period_start_at=NOON + timedelta(minutes=4))

    put(entity, PlanFactory(), now=NOON + timedelta(minutes=1))

    ahead.refresh_from_db()
    assert ahead.period_end_at == ahead.period_start_at


def test_what_happened_is_recorded() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory(code="pro")

    put(entity, plan, period_end_at=NOON + MONTH)

    event = BillingEvent.objects.get()
    assert (event.event_type, event.event_name, event.billable_entity) == ("system", "plan.assigned", entity)
    assert (event.status, event.occurred_at) == ("processed", NOON)
    assert event.payload_json["planCode"] == "pro"
    assert event.payload_json["periodEndAt"] == "2026-03-23T12:00:00.000Z"


def test_who_did_it_and_why_is_recorded() -> None:
    put(BillableEntityFactory(), PlanFactory(), actor="alice", reason="asked by phone")

    event = BillingEvent.objects.get()
    assert (event.event_type, event.actor, event.reason) == ("operator", "alice", "asked by phone")


def test_entities_do_not_touch_each_other() -> None:
    alice, bob = BillableEntityFactory(), BillableEntityFactory()
    plan = PlanFactory()
    put(alice, plan)

    put(bob, plan)
    put(bob, PlanFactory(), now=LATER)

    assert PlanAssignment.objects.for_entity(alice.pk).get().status == AssignmentStatus.CURRENT


def test_a_failure_of_the_engine_leaves_the_old_plan(grants: mock.Mock) -> None:
    entity = BillableEntityFactory()
    first = put(entity, PlanFactory())
    grants.side_effect = RuntimeError

    with pytest.raises(RuntimeError):
        put(entity, PlanFactory(), now=LATER)

    assert PlanAssignment.objects.get() == first
    first.refresh_from_db()
    assert (first.status, first.period_end_at) == (AssignmentStatus.CURRENT, None)
    assert BillingEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_joins_the_transaction_of_its_caller() -> None:
    entity = BillableEntityFactory()

    def assign_and_fail() -> None:
        with transaction.atomic():
            put(entity, PlanFactory())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        assign_and_fail()

    assert not PlanAssignment.objects.exists()
