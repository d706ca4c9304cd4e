"""Trials, cancellations, patience and extensions of plans no provider keeps, and what a provider's plan refuses of that."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.entitlements.balances import verify
from billing.errors import BillingDependencyConflict
from billing.models import BillableEntity, BillingEvent, Grant, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.payments.connectors.facts import ReportedStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.ending import cancel_at_period_end, cancel_now, extend, resume, start_trial
from billing.subscriptions.scheduling import promote_due, schedule
from mozaiks.kit.errors import Invalid
from tests.entitlements.working import read, work
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory
from tests.subscriptions.reporting import DAY, P1, P2, P3, on, open_assignments, report, reported, sold_plan

pytestmark = pytest.mark.django_db

NOW = P1 + DAY
WHO = {"actor": "olga", "reason": "asked by phone"}


@pytest.fixture
def entity() -> BillableEntity:
    return BillableEntityFactory()


@pytest.fixture
def free() -> Plan:
    plan: Plan = PlanFactory(code="free", is_default=True)
    return plan


@pytest.fixture
def pro(free: Plan) -> Plan:
    return sold_plan("pro", grants={PressesFactory(): 100}, trial_days=14)


def given(entity: BillableEntity, plan: Plan, **terms: Any) -> PlanAssignment:
    return assign(entity, plan, source=AssignmentSource.MANUAL, now=P1, **{"period_end_at": P2, **terms})


def granted(entity: BillableEntity, now: datetime) -> int | None:
    return read(entity, PressesFactory(), now).granted_amount


# --- trials -----------------------------------------------------------------------------------------------------------


def test_a_trial_ends_by_itself(entity: BillableEntity, pro: Plan) -> None:
    trial = start_trial(entity, pro, now=P1, **WHO)
    end = P1 + 14 * DAY

    assert (trial.subscription_status, trial.trial_end_at, trial.period_end_at) == ("trialing", end, end)
    assert on(entity) == ("pro", "free")
    assert (granted(entity, end - timedelta(seconds=1)), granted(entity, end)) == (100, 0)
    work(end)
    assert on(entity) == ("free", None)
    assert verify() == []


def test_nobody_tries_twice(entity: BillableEntity, free: Plan, pro: Plan) -> None:
    start_trial(entity, pro, now=P1)
    promote_due(entity.pk, P2)

    for plan in (pro, free):
        with pytest.raises(Invalid):
            start_trial(entity, plan, now=P2)


def test_a_trial_that_is_paid_goes_on(entity: BillableEntity, pro: Plan) -> None:
    start_trial(entity, pro, now=P1)

    report(entity, reported(pro, P1 + 7 * DAY, P2 + 7 * DAY, anchor_at=P1 + 7 * DAY), now=P1 + 7 * DAY)

    assert on(entity) == ("pro", "pro")
    assert granted(entity, P2) == 100


def test_a_trial_of_the_provider_ends_by_itself(entity: BillableEntity, pro: Plan) -> None:
    trial = {"status": ReportedStatus.TRIALING, "trial_end_at": P1 + 7 * DAY}
    report(entity, reported(pro, P1, P1 + 7 * DAY, **trial), now=P1)

    assert open_assignments(entity)["current"][2] == "trialing"
    assert (granted(entity, P1 + 6 * DAY), granted(entity, P1 + 7 * DAY)) == (100, 0)


def test_a_trial_that_was_prolonged_lasts(entity: BillableEntity, pro: Plan) -> None:
    trial = {"status": ReportedStatus.TRIALING}
    report(entity, reported(pro, P1, P1 + 7 * DAY, trial_end_at=P1 + 7 * DAY, **trial), now=P1)

    report(entity, reported(pro, P1, P2, trial_end_at=P2, **trial), now=P1 + 6 * DAY)

    assert (granted(entity, P1 + 8 * DAY), granted(entity, P2)) == (100, 0)
    assert Grant.objects.count() == 1


# --- ends that are booked ---------------------------------------------------------------------------------------------


def test_a_plan_that_is_canceled_lasts_until_its_period_ends(entity: BillableEntity, pro: Plan) -> None:
    given(entity, pro)

    follows = cancel_at_period_end(entity, now=NOW, **WHO)
    again = cancel_at_period_end(entity, now=NOW)

    assert (follows.pk, follows.plan.code, follows.period_start_at) == (again.pk, "free", P2)
    assert (granted(entity, P2 - DAY), granted(entity, P2)) == (100, 0)
    assert BillingEvent.objects.filter(actor="olga", event_name="plan.scheduled").count() == 1


def test_a_plan_without_a_period_ends_with_the_month(entity: BillableEntity, pro: Plan) -> None:
    given(entity, pro, period_end_at=None)

    assert cancel_at_period_end(entity, now=NOW).period_start_at == P2


def test_what_was_canceled_can_go_on(entity: BillableEntity, pro: Plan) -> None:
    current = given(entity, pro)
    cancel_at_period_end(entity, now=NOW)

    assert resume(entity, now=NOW + DAY, **WHO).pk == current.pk

    assert on(entity) == ("pro", "pro")
    assert granted(entity, P2) == 100
    with pytest.raises(BillingDependencyConflict):
        resume(entity, now=NOW + DAY)


def test_a_plan_ends_at_once(entity: BillableEntity, pro: Plan) -> None:
    given(entity, pro)

    cancel_now(entity, now=NOW, **WHO)

    assert on(entity) == ("free", None)
    assert granted(entity, NOW) == 0
    with pytest.raises(BillingDependencyConflict):
        cancel_now(entity, now=NOW)


def test_without_a_default_plan_nothing_follows(entity: BillableEntity, free: Plan, pro: Plan) -> None:
    given(entity, pro)
    Plan.objects.filter(pk=free.pk).update(is_default=False)

    cancel_now(entity, now=NOW)

    assert on(entity) == ("", None)
    assert granted(entity, NOW) == 0


# --- a provider's subscription ----------------------------------------------------------------------------------------


def test_a_provider_says_itself_how_its_subscription_goes_on(entity: BillableEntity, pro: Plan) -> None:
    report(entity, reported(pro), now=P1)

    for deed in (cancel_at_period_end, resume):
        with pytest.raises(BillingDependencyConflict):
            deed(entity, now=NOW)
    with pytest.raises(BillingDependencyConflict):
        extend(entity, until=P3, now=NOW)


def test_access_that_was_taken_at_once_does_not_come_back_with_the_providers_report(
    entity: BillableEntity, pro: Plan
) -> None:
    report(entity, reported(pro), now=P1)
    cancel_now(entity, now=NOW)

    report(entity, reported(pro, status=ReportedStatus.ENDED, ended_at=NOW), now=NOW + DAY)

    assert on(entity) == ("free", None)


def test_an_operators_plan_outlives_the_end_of_a_subscription_before_it(entity: BillableEntity, pro: Plan) -> None:
    report(entity, reported(pro), now=P1)
    other = sold_plan("other")
    assign(entity, other, source=AssignmentSource.MANUAL, now=NOW)

    report(entity, reported(pro, status=ReportedStatus.ENDED, ended_at=NOW), now=NOW + DAY)

    assert on(entity) == ("other", None)


# --- patience ---------------------------------------------------------------------------------------------------------


def test_access_lasts_for_the_days_of_grace(entity: BillableEntity, pro: Plan, settings: Any) -> None:
    settings.BILLING_PAST_DUE_GRACE_DAYS = 3
    report(entity, reported(pro), now=P1)

    report(entity, reported(pro, P2, P3, status=ReportedStatus.PAST_DUE), now=P2 + timedelta(hours=2))

    assert open_assignments(entity)["current"][7] == P2
    assert (granted(entity, P2 + 3 * DAY - timedelta(seconds=1)), granted(entity, P2 + 3 * DAY)) == (100, 0)
    work(P2 + 3 * DAY)
    assert on(entity) == ("free", None)


def test_who_pays_late_is_back_at_once(entity: BillableEntity, pro: Plan) -> None:
    report(entity, reported(pro), now=P1)
    report(entity, reported(pro, P2, P3, status=ReportedStatus.PAST_DUE), now=P2 + DAY)
    promote_due(entity.pk, P2 + 8 * DAY)

    report(entity, reported(pro, P2, P3), now=P2 + 9 * DAY)

    assert on(entity) == ("pro", "pro")
    assert granted(entity, P2 + 9 * DAY) == 100
    assert verify() == []


def test_lateness_that_an_operator_notes_ends_too_and_can_be_forgiven(entity: BillableEntity, pro: Plan) -> None:
    given(entity, pro)
    late = {"source": AssignmentSource.MANUAL, "subscription_status": SubscriptionStatus.PAST_DUE}

    assign(entity, pro, now=NOW, **late)  # type: ignore[arg-type]
    assert on(entity) == ("pro", "free")
    assert granted(entity, NOW + 7 * DAY) == 0

    assign(entity, pro, source=AssignmentSource.MANUAL, now=NOW + DAY)
    assert on(entity) == ("pro", "pro")
    assert granted(entity, NOW + 7 * DAY) == 100


# --- longer -----------------------------------------------------------------------------------------------------------


def test_a_period_that_is_extended_renews_from_its_new_end(entity: BillableEntity, free: Plan) -> None:
    plan = PlanTemplateFactory(definition=PressesFactory(), duration_policy="period_window").plan
    assign(entity, plan, source=AssignmentSource.MANUAL, now=P1)

    extend(entity, until=P2 + 5 * DAY, now=NOW, **WHO)

    rows = open_assignments(entity)
    assert rows["current"][4] == rows["upcoming"][3] == P2 + 5 * DAY
    assert [granted(entity, at) for at in (P2 + 4 * DAY, P2 + 5 * DAY)] == [10, 10]
    assert verify() == []


def test_a_trial_that_is_extended_ends_later(entity: BillableEntity, pro: Plan) -> None:
    start_trial(entity, pro, now=P1)

    extend(entity, until=P2, now=NOW)

    assert (granted(entity, P2 - DAY), granted(entity, P2)) == (100, 0)


def test_an_end_in_the_past_and_one_of_nothing_are_refused(entity: BillableEntity, pro: Plan) -> None:
    given(entity, pro)
    with pytest.raises(Invalid):
        extend(entity, until=NOW, now=NOW)

    schedule(entity, sold_plan("other"), source=AssignmentSource.MANUAL, now=NOW)
    promote_due(entity.pk, P2)
    with pytest.raises(Invalid):
        extend(entity, until=P3, now=P2)
