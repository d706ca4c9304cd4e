"""Plans that go on by themselves: period by period, whoever looks first, and however late."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from billing.entitlements.balances import verify
from billing.entitlements.boundaries import Passed
from billing.models import BillableEntity, BillingEvent, Definition, Grant, Plan, PlanAssignment, PlanTemplate
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import cancel_scheduled, promote_due, schedule
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.entitlements.working import let_pass, read
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.services import press
from tests.subscriptions.reporting import (
    DAY,
    P1,
    P2,
    P3,
    P4,
    credits_of,
    limits,
    live_grants,
    on,
    open_assignments,
    pay,
    report,
    reported,
    sold_plan,
)

pytestmark = pytest.mark.django_db

INTERNAL = AssignmentSource.INTERNAL
HOUR = timedelta(hours=1)


@pytest.fixture
def presses(db: None) -> Definition:
    return PressesFactory()


@pytest.fixture
def entity() -> BillableEntity:
    return BillableEntityFactory()


def periods(entity: BillableEntity) -> list[tuple[datetime, datetime | None, str]]:
    rows = PlanAssignment.objects.for_entity(entity.pk).order_by("period_start_at", "pk")
    return list(rows.values_list("period_start_at", "period_end_at", "status"))


def monthly(definition: Definition, **columns: object) -> Plan:
    row: PlanTemplate = PlanTemplateFactory(definition=definition, duration_policy="period_window", **columns)
    return row.plan


# --- who renews -----------------------------------------------------------------------------------------------------


def test_a_plan_that_grants_by_the_period_has_periods_without_a_price(
    entity: BillableEntity, presses: Definition
) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)

    assert periods(entity) == [(P1, P2, "current"), (P2, P3, "upcoming")]
    assert Grant.objects.get().expires_at == P2


def test_a_plan_that_does_not_stays_open(entity: BillableEntity) -> None:
    assign(entity, PlanTemplateFactory().plan, source=INTERNAL, now=P1)

    assert periods(entity) == [(P1, None, "current")]


def test_a_promotion_with_an_end_ends(entity: BillableEntity) -> None:
    free = PlanFactory(code="free", is_default=True)
    pro = sold_plan("pro")

    assign(entity, pro, source=AssignmentSource.PROMO, now=P1, period_end_at=P2)
    promote_due(entity.pk, P2)

    assert PlanAssignment.objects.current().get().plan == free


def test_without_a_default_plan_nothing_is_left_of_it(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, sold_plan("pro", grants={presses: 10}), source=AssignmentSource.PROMO, now=P1, period_end_at=P2)

    assert read(entity, presses, P2).granted_amount == 0
    promote_due(entity.pk, P2)

    assert numbers(entity, presses) == Numbers(0, 0, 0)
    assert [status for *_, status in periods(entity)] == ["past", "canceled"]


# --- period by period -----------------------------------------------------------------------------------------------


def test_periods_come_back_to_the_last_of_the_month(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)

    promote_due(entity.pk, P3 + DAY)

    assert periods(entity) == [(P1, P2, "past"), (P2, P3, "past"), (P3, P4, "current"), (P4, P4 + 31 * DAY, "upcoming")]


def test_a_year_from_a_leap_day_comes_back_to_it(entity: BillableEntity) -> None:
    born = datetime(2024, 2, 29, 10, tzinfo=UTC)
    plan = sold_plan("yearly", checkout_interval="year")

    assign(entity, plan, source=INTERNAL, now=born, period_end_at=datetime(2025, 2, 28, 10, tzinfo=UTC))
    promote_due(entity.pk, datetime(2027, 3, 1, tzinfo=UTC))

    assert open_assignments(entity)["current"][4] == datetime(2028, 2, 29, 10, tzinfo=UTC)


def test_three_missed_periods_are_told_one_by_one_as_of_each_start(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)

    promote_due(entity.pk, P4 + DAY)

    grants = Grant.objects.order_by("effective_at")
    assert [(grant.effective_at, grant.expires_at) for grant in grants[:4]] == [
        (P1, P2),
        (P2, P3),
        (P3, P4),
        (P4, P4 + 31 * DAY),
    ]
    assert BillingEvent.objects.filter(event_name="plan.renewed").count() == 3
    assert verify() == []


def test_each_read_sees_it_though_nobody_writes(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)
    press(entity, "some", amount=7, now=P1 + DAY)

    for now in (P2 - timedelta(seconds=1), P2, P3 + DAY, P4 + 40 * DAY):
        assert read(entity, presses, now).granted_amount == 10

    assert len(periods(entity)) == 2


def test_worker_use_and_read_agree(presses: Definition) -> None:
    plan, now = monthly(presses), P3 + 2 * DAY
    by_worker, by_use, by_read = BillableEntityFactory.create_batch(3)
    for each in (by_worker, by_use, by_read):
        assign(each, plan, source=INTERNAL, now=P1)
        press(each, "seven", amount=7, now=P1 + DAY)

    let_pass(P2 + DAY)
    promote_due(by_worker.pk, now)
    let_pass(now)
    press(by_use, "none", amount=1, now=now)
    seen = limits(by_read, now)

    assert limits(by_worker, now) == seen
    assert open_assignments(by_worker) == open_assignments(by_use)
    assert live_grants(by_worker, now) == live_grants(by_use, now)
    assert verify() == []


def test_a_renewal_that_changes_nothing_is_told_to_nobody(entity: BillableEntity, presses: Definition) -> None:
    plan = sold_plan("pro", grants={presses: 100})
    report(entity, reported(plan, P2, P3), now=P2)
    press(entity, "eighty", amount=80, now=P3 - DAY)
    before = read(entity, presses, P3 - DAY)

    promote_due(entity.pk, P3)

    after = read(entity, presses, P3)
    assert (after.granted_amount, after.consumed_amount, after.effective_amount) == (100, 80, 20)
    assert (before.granted_amount, before.consumed_amount) == (100, 80)
    seen: list[Passed] = let_pass(P3)
    assert seen == []


def test_browsers_hear_of_changes_and_not_of_what_is_known(
    entity: BillableEntity, presses: Definition, django_capture_on_commit_callbacks: Any
) -> None:
    pro, top = sold_plan("pro", grants={presses: 100}), sold_plan("max", amount=2900, grants={presses: 1000})
    report(entity, reported(pro), now=P1)
    press(entity, "in the same month", now=P2 - DAY)
    promote_due(entity.pk, P2)
    told = []

    for hours, news in (
        (1, reported(pro, P2, P3)),
        (2, reported(pro, P2, P3, cancel_at_period_end=True)),
        (3, reported(pro, P2, P3)),
        (4, reported(top, P2, P3)),
    ):
        with mock.patch("realtime.publisher.publish") as publish:
            with django_capture_on_commit_callbacks(execute=True):
                report(entity, news, now=P2 + hours * HOUR)
            told.append(publish.called)

    assert told == [False, True, True, True]


def test_a_renewal_grants_what_the_plan_says_by_then(entity: BillableEntity, presses: Definition) -> None:
    plan = sold_plan("pro", grants={presses: 100})
    report(entity, reported(plan), now=P1)
    plan.templates.update(amount=300)

    promote_due(entity.pk, P2)

    assert numbers(entity, presses).granted == 300


def test_the_providers_names_follow_to_the_renewal(entity: BillableEntity) -> None:
    report(entity, reported(sold_plan("pro")), now=P1)

    promote_due(entity.pk, P2)

    detail = PlanAssignment.objects.current().get().provider_detail
    assert (detail.provider_subscription_id, detail.provider_customer_id) == ("sub_1", "cus_1")
    assert detail.current_period_end == P3


# --- what is scheduled in its place ---------------------------------------------------------------------------------


def test_a_change_takes_the_place_of_the_renewal_and_gives_it_back(entity: BillableEntity, presses: Definition) -> None:
    small, large = monthly(presses), monthly(presses, amount=100)
    assign(entity, large, source=INTERNAL, now=P1)

    schedule(entity, small, source=AssignmentSource.MANUAL, now=P1 + DAY)
    assert on(entity) == (large.code, small.code)
    assert cancel_scheduled(entity, now=P1 + 2 * DAY)

    assert on(entity) == (large.code, large.code)
    assert not cancel_scheduled(entity, now=P1 + 3 * DAY), "a renewal is nothing to take back"


def test_a_change_that_was_scheduled_renews_as_well(entity: BillableEntity, presses: Definition) -> None:
    small, large = monthly(presses), monthly(presses, amount=100)
    assign(entity, large, source=INTERNAL, now=P1)
    schedule(entity, small, source=AssignmentSource.MANUAL, now=P1 + DAY)

    promote_due(entity.pk, P3 + DAY)

    assert periods(entity)[-2:] == [(P3, P4, "current"), (P4, P4 + 31 * DAY, "upcoming")]
    assert on(entity) == (small.code, small.code)


def test_a_change_cannot_be_later_than_the_renewal(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)

    with pytest.raises(Invalid) as refused:
        schedule(entity, PlanFactory(), source=AssignmentSource.MANUAL, now=P1, starts_at=P2 + DAY)

    assert set(refused.value.field_errors) == {"starts_at"}


def test_another_plan_within_a_period_keeps_its_boundaries(entity: BillableEntity, presses: Definition) -> None:
    assign(entity, monthly(presses), source=INTERNAL, now=P1)

    assign(entity, monthly(presses, amount=100), source=INTERNAL, now=P1 + 10 * DAY)

    assert open_assignments(entity)["current"][3:5] == (P1 + 10 * DAY, P2)
    assert PlanAssignment.objects.current().get().anchor_at == P1


# --- what was paid for ----------------------------------------------------------------------------------------------


def test_credits_nobody_invoices_come_with_each_period(entity: BillableEntity) -> None:
    plan = PlanFactory()
    credit = credits_of(plan)

    assign(entity, plan, source=INTERNAL, now=P1)
    first = read(entity, credit, P1).effective_amount
    promote_due(entity.pk, P2)

    assert (first, read(entity, credit, P2).effective_amount) == (100, 100)
    assert Grant.objects.count() == 2


def test_toggling_plans_fills_no_credits_again(entity: BillableEntity) -> None:
    credits_plan, other = PlanFactory(), PlanFactory()
    credit = CreditsFactory()
    PlanTemplateFactory(
        plan=credits_plan,
        definition=credit,
        amount=100,
        effective_policy="on_period_paid",
        duration_policy="period_window",
    )
    for turn in range(3):
        assign(entity, credits_plan, source=INTERNAL, now=NOON + timedelta(hours=turn))
        assign(entity, other, source=INTERNAL, now=NOON + timedelta(hours=turn, minutes=30))
    assign(entity, credits_plan, source=INTERNAL, now=NOON + timedelta(hours=3))

    assert Grant.objects.count() == 1
    assert read(entity, credit, NOON + timedelta(hours=3)).effective_amount == 0


def test_credits_of_a_subscription_come_when_its_period_is_paid(entity: BillableEntity) -> None:
    plan = sold_plan("pro")
    credit = credits_of(plan)
    report(entity, reported(plan), now=P1)
    assert read(entity, credit, P1).effective_amount == 0

    purchase = pay(entity, plan, P1, P2, now=P1 + timedelta(minutes=1))
    pay(entity, plan, P1, P2, now=P1 + timedelta(minutes=2))

    grant = Grant.objects.get()
    assert (grant.effective_at, grant.expires_at, grant.metadata_json) == (P1, P2, {"purchase": purchase.pk})
    assert numbers(entity, credit) == Numbers(100, 0, 100)


def test_credits_that_were_paid_before_anybody_heard_of_the_period_come_with_it(entity: BillableEntity) -> None:
    plan = sold_plan("pro")
    credit = credits_of(plan)

    pay(entity, plan, P1, P2, now=P1)
    report(entity, reported(plan), now=P1 + timedelta(minutes=1))

    assert numbers(entity, credit) == Numbers(100, 0, 100)


def test_a_period_that_is_over_is_paid_too_late(entity: BillableEntity) -> None:
    plan = sold_plan("pro")
    credits_of(plan)
    report(entity, reported(plan, P2, P3), now=P2)

    pay(entity, plan, P1, P2, now=P2 + DAY)

    assert not Grant.objects.exists()


def test_who_paid_before_keeps_what_lasts_until_the_next_invoice(entity: BillableEntity, presses: Definition) -> None:
    plan = sold_plan("pro")
    PlanTemplateFactory(plan=plan, definition=presses, amount=50, effective_policy="on_period_paid")
    report(entity, reported(plan), now=P1)
    unpaid = read(entity, presses, P1).granted_amount
    pay(entity, plan, P1, P2, now=P1)

    promote_due(entity.pk, P2)
    trusted = read(entity, presses, P2 + DAY).granted_amount
    purchase = pay(entity, plan, P2, P3, now=P2 + DAY)

    assert (unpaid, trusted, numbers(entity, presses).granted) == (0, 50, 50)
    assert Grant.objects.latest("pk").metadata_json == {"purchase": purchase.pk}
    assert len(live_grants(entity, P2 + DAY)) == 1
    assert verify() == []


def test_what_was_given_back_pays_for_nothing(entity: BillableEntity) -> None:
    plan = sold_plan("pro")
    credits_of(plan)

    pay(entity, plan, P1, P2, now=P1, status="refunded")
    report(entity, reported(plan), now=P1)

    assert not Grant.objects.exists()


def test_days_of_fixed_length_are_given_once_over_all_periods(entity: BillableEntity, presses: Definition) -> None:
    plan = sold_plan("pro")
    PlanTemplateFactory(plan=plan, definition=presses, duration_policy="fixed_duration", duration_days=45)
    report(entity, reported(plan), now=P1)

    promote_due(entity.pk, P3)

    grant = Grant.objects.get()
    assert (grant.effective_at, grant.expires_at) == (P1, P1 + 45 * DAY)
    assert PlanAssignment.objects.filter(status=AssignmentStatus.PAST).count() == 2
