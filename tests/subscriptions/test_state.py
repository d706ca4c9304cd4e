"""What a page about somebody's plan is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import AssignmentProviderDetail, BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.payments.connectors.facts import ReportedStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.state import HISTORY_LENGTH, PlanState, read_plan_state
from tests import NOON
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.subscriptions.reporting import P1, P2, P3, P4, report, reported, sold_plan

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)


def put(entity: BillableEntity, plan: Plan, *, now: Any = NOON) -> PlanAssignment:
    return assign(entity, plan, source=AssignmentSource.MANUAL, now=now)


def schedule(entity: BillableEntity, plan: Plan) -> None:
    PlanAssignment.objects.create(
        billable_entity=entity,
        plan=plan,
        source=AssignmentSource.MANUAL,
        status=AssignmentStatus.UPCOMING,
        period_start_at=NOON + MONTH,
        anchor_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def queries_of(entity: BillableEntity) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        read_plan_state(entity, now=NOON)
    return len(captured)


def codes(state: PlanState) -> list[str]:
    return [row.plan_code for row in state.history]


def test_somebody_without_a_plan_can_choose_one() -> None:
    PlanFactory(code="free", is_default=True)

    state = read_plan_state(BillableEntityFactory(), now=NOON)

    assert (state.current_plan, state.next_plan_change, state.history) == (None, None, ())
    assert [plan.code for plan in state.available_plans] == ["free"]
    assert state.settings.default_plan_code == "free"
    assert (state.settings.mode, state.settings.enforce_quotas) == ("self-hosted", True)


def test_the_current_plan_comes_with_what_it_grants() -> None:
    plan = PlanFactory(code="pro", checkout_unit_amount_minor=900, checkout_currency="EUR", checkout_interval="month")
    PlanTemplateFactory(plan=plan, definition__code="b.max", amount=None)
    PlanTemplateFactory(plan=plan, definition__code="a.max", amount=7)
    PlanTemplateFactory(plan=plan, definition__code="old.max", definition__is_active=False)
    entity = BillableEntityFactory()
    put(entity, plan)

    current = read_plan_state(entity, now=NOON).current_plan

    assert current is not None
    assert (current.assignment.plan_code, current.assignment.period_start_at) == ("pro", NOON)
    assert (current.plan.is_current, current.plan.price.amount_minor) == (True, 900)
    assert [(e.code, e.amount, e.unlimited) for e in current.plan.entitlements] == [
        ("a.max", 7, False),
        ("b.max", None, True),
    ]


def test_plans_are_offered_cheapest_first_and_inactive_ones_not() -> None:
    PlanFactory(code="ask", checkout_unit_amount_minor=None)
    PlanFactory(code="max", checkout_unit_amount_minor=9000)
    PlanFactory(code="pro", checkout_unit_amount_minor=900)
    PlanFactory(code="free")
    PlanFactory(code="gone", is_active=False)

    state = read_plan_state(BillableEntityFactory(), now=NOON)

    assert [plan.code for plan in state.available_plans] == ["free", "pro", "max", "ask"]


def test_a_plan_that_is_offered_no_more_is_still_shown_to_who_is_on_it() -> None:
    entity, plan = BillableEntityFactory(), PlanFactory(code="gone")
    put(entity, plan)
    Plan.objects.update(is_active=False)

    state = read_plan_state(entity, now=NOON)

    assert state.current_plan is not None
    assert state.current_plan.plan.code == "gone"
    assert state.available_plans == ()


def test_a_scheduled_change_is_told_with_its_time() -> None:
    entity = BillableEntityFactory()
    put(entity, PlanFactory(code="pro"))
    schedule(entity, PlanFactory(code="free"))

    state = read_plan_state(entity, now=NOON)

    assert state.next_plan_change is not None
    assert (state.next_plan_change.plan.code, state.next_plan_change.effective_at) == ("free", NOON + MONTH)
    assert not state.next_plan_change.plan.is_current


def test_a_change_whose_time_has_come_is_shown_as_done_and_not_written() -> None:
    entity = BillableEntityFactory()
    put(entity, PlanFactory(code="pro"))
    schedule(entity, PlanFactory(code="free"))

    state = read_plan_state(entity, now=NOON + MONTH)

    assert state.current_plan is not None
    assert (state.current_plan.plan.code, state.current_plan.assignment.status) == ("free", "current")
    assert state.next_plan_change is None
    assert (state.history[0].plan_code, state.history[0].status) == ("pro", "past")
    assert state.history[0].period_end_at == NOON + MONTH
    assert PlanAssignment.objects.current().get().plan.code == "pro"


def test_history_has_the_latest_first_and_an_end() -> None:
    entity = BillableEntityFactory()
    plans = [PlanFactory(code="a"), PlanFactory(code="b")]
    for step in range(HISTORY_LENGTH + 3):
        put(entity, plans[step % 2], now=NOON + timedelta(hours=step))

    state = read_plan_state(entity, now=NOON)

    assert len(state.history) == HISTORY_LENGTH
    assert codes(state)[:2] == ["b", "a"]
    assert state.history[0].period_start_at > state.history[1].period_start_at


def test_a_subscription_that_ends_with_its_period_says_so() -> None:
    entity = BillableEntityFactory()
    assignment = put(entity, PlanFactory())
    AssignmentProviderDetail.objects.create(assignment=assignment, provider="stripe", cancel_at_period_end=True)

    state = read_plan_state(entity, now=NOON)

    assert state.current_plan is not None
    assert state.current_plan.assignment.cancel_at_period_end


def test_others_are_not_told_of() -> None:
    put(BillableEntityFactory(), PlanFactory())

    state = read_plan_state(BillableEntityFactory(), now=NOON)

    assert (state.current_plan, state.history) == (None, ())


def test_the_number_of_queries_does_not_grow() -> None:
    entity = BillableEntityFactory()
    put(entity, PlanFactory())
    few = queries_of(entity)

    for template in PlanTemplateFactory.create_batch(5):
        PlanTemplateFactory.create_batch(3, plan=template.plan)
        put(entity, template.plan)
    schedule(entity, PlanFactory())

    assert queries_of(entity) == few == 4


# --- what comes by itself -----------------------------------------------------------------------------------------


def test_a_renewal_is_no_change_of_plan() -> None:
    entity, pro = BillableEntityFactory(), sold_plan("pro")
    report(entity, reported(pro), now=P1)

    state = read_plan_state(entity, now=P1)

    assert state.current_plan is not None
    assert (state.next_plan_change, state.current_plan.access_until_at) == (None, None)
    assert (state.current_plan.assignment.period_end_at, state.current_plan.assignment.next_billing_at) == (P2, P2)


def test_renewals_nobody_noted_are_shown_as_done() -> None:
    entity, pro = BillableEntityFactory(), sold_plan("pro")
    report(entity, reported(pro), now=P1)

    state = read_plan_state(entity, now=P4)

    assert state.current_plan is not None
    assert state.current_plan.assignment.period_start_at == P4
    assert [(row.period_start_at, row.status) for row in state.history] == [(P3, "past"), (P2, "past"), (P1, "past")]
    assert PlanAssignment.objects.count() == 2


@pytest.mark.parametrize(
    ("said", "status", "ends", "bills_at", "until"),
    [
        ({"cancel_at_period_end": True}, "active", True, None, P2),
        ({"status": ReportedStatus.PAST_DUE}, "past_due", False, None, P1 + timedelta(days=7)),
        ({"status": ReportedStatus.TRIALING, "trial_end_at": P2}, "trialing", False, P2, P2),
        ({"status": ReportedStatus.ENDED}, "canceled", False, None, P2),
    ],
)
def test_it_is_told_until_when_access_lasts(
    said: dict[str, Any], status: str, ends: bool, bills_at: Any, until: Any
) -> None:
    PlanFactory(code="free", is_default=True)
    entity = BillableEntityFactory()
    report(entity, reported(sold_plan("pro"), **said), now=P1 + timedelta(days=1))

    state = read_plan_state(entity, now=P1 + timedelta(days=2))

    assert state.current_plan is not None
    assert state.next_plan_change is not None
    row = state.current_plan.assignment
    assert (row.subscription_status, row.cancel_at_period_end, row.next_billing_at) == (status, ends, bills_at)
    assert (state.current_plan.access_until_at, state.next_plan_change.plan.code) == (until, "free")
    assert state.next_plan_change.effective_at == until


def test_lateness_is_told_with_its_beginning() -> None:
    entity = BillableEntityFactory()
    report(entity, reported(sold_plan("pro"), status=ReportedStatus.PAST_DUE), now=P1 + timedelta(days=1))

    current = read_plan_state(entity, now=P1 + timedelta(days=2)).current_plan

    assert current is not None
    assert current.assignment.past_due_since_at == P1


def test_a_plan_that_ends_with_nothing_after_it_says_when() -> None:
    entity = BillableEntityFactory()
    report(entity, reported(sold_plan("pro"), cancel_at_period_end=True), now=P1)

    before, after = read_plan_state(entity, now=P1), read_plan_state(entity, now=P2)

    assert before.current_plan is not None
    assert (before.current_plan.access_until_at, before.next_plan_change) == (P2, None)
    assert after.current_plan is None
    assert [row.plan_code for row in after.history] == ["pro"]


def test_an_expected_renewal_that_never_came_is_no_history() -> None:
    entity = BillableEntityFactory()
    report(entity, reported(sold_plan("pro")), now=P1)
    report(entity, reported(sold_plan("max", amount=2900)), now=P1 + timedelta(days=1))

    assert codes(read_plan_state(entity, now=P1 + timedelta(days=2))) == ["pro"]
