"""What becomes of the wish for another plan: at once, at the end of the period, or to be bought first."""

from datetime import timedelta
from typing import Any

import pytest

from billing.models import BillableEntity, BillingEvent, Grant, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.payments.connectors.facts import ReportedStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.changes import Deed, Mode, change, costs_less, decide, preview
from billing.subscriptions.ending import cancel_at_period_end, start_trial
from mozaiks.kit.errors import Invalid
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.services import press
from tests.subscriptions.reporting import DAY, P1, P2, credits_of, on, report, reported, sold_plan

pytestmark = pytest.mark.django_db

NOW = P1 + DAY
LATER = P2 - DAY


@pytest.fixture
def entity() -> BillableEntity:
    return BillableEntityFactory()


@pytest.fixture
def free() -> Plan:
    plan: Plan = PlanFactory(code="free", is_default=True)
    return plan


def subscribed(entity: BillableEntity, plan: Plan, **said: Any) -> None:
    report(entity, reported(plan, **said), now=P1)


def refused(entity: BillableEntity, plan: Plan) -> str:
    with pytest.raises(Invalid) as error:
        decide(entity, plan, now=NOW)
    assert set(error.value.field_errors) == {"plan"}
    return str(error.value)


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "than", "less"),
    [
        ((900, "month", 1), (2900, "month", 1), True),
        ((900, "month", 1), (900, "month", 1), False),
        ((10_000, "year", 1), (900, "month", 1), True),
        ((10_800, "year", 1), (900, "month", 1), False),
        ((10_799, "year", 1), (900, "month", 1), True),
        ((207, "week", 1), (900, "month", 1), True),
        ((208, "week", 1), (900, "month", 1), False),
        ((2699, "month", 3), (900, "month", 1), True),
        ((0, None, 1), (1, "month", 1), True),
        ((0, None, 1), (0, None, 1), False),
    ],
)
def test_prices_are_compared_by_the_month(price: tuple[Any, ...], than: tuple[Any, ...], less: bool) -> None:
    def plan(amount: int, interval: str | None, count: int) -> Plan:
        return Plan(
            checkout_unit_amount_minor=amount,
            checkout_interval=interval,
            checkout_interval_count=count,
            checkout_currency="EUR" if amount else "",
        )

    assert costs_less(plan(*price), plan(*than)) is less


def test_other_currencies_are_never_less() -> None:
    euros = Plan(checkout_unit_amount_minor=900, checkout_interval="month", checkout_currency="EUR")
    dollars = Plan(checkout_unit_amount_minor=1, checkout_interval="month", checkout_currency="USD")

    assert not costs_less(dollars, euros)


# --- without a subscription -------------------------------------------------------------------------------------------


def test_a_free_plan_needs_no_checkout(entity: BillableEntity, free: Plan) -> None:
    decision = change(entity, free, now=NOW)

    assert (decision.mode, decision.deed, decision.effective_at) == (Mode.APPLIED, Deed.ASSIGN, NOW)
    assert on(entity) == ("free", None)


def test_a_plan_that_costs_something_is_bought_first(entity: BillableEntity, free: Plan) -> None:
    assign(entity, free, source=AssignmentSource.INTERNAL, now=P1)

    decision = change(entity, sold_plan("pro"), now=NOW)

    assert (decision.mode, decision.deed, decision.effective_at) == (Mode.CHECKOUT_REQUIRED, Deed.BUY, None)
    assert on(entity) == ("free", None)


def test_from_a_plan_that_was_given_to_a_free_one_at_the_end_of_the_period(entity: BillableEntity, free: Plan) -> None:
    assign(entity, sold_plan("pro"), source=AssignmentSource.MANUAL, now=P1, period_end_at=P2)

    decision = change(entity, free, now=NOW)

    assert (decision.mode, decision.effective_at) == (Mode.SCHEDULED, P2)
    assert on(entity) == ("pro", "free")
    assert decide(entity, free, now=LATER).deed is Deed.NOTHING
    assert decide(entity, free, now=P2).mode is Mode.UNCHANGED


def test_the_plan_that_runs_takes_back_what_was_scheduled(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro")
    assign(entity, pro, source=AssignmentSource.MANUAL, now=P1, period_end_at=P2)
    change(entity, free, now=NOW)

    decision = change(entity, pro, now=LATER)

    assert (decision.mode, decision.deed) == (Mode.APPLIED, Deed.UNSCHEDULE)
    assert on(entity) == ("pro", "pro")
    assert decide(entity, pro, now=LATER).mode is Mode.UNCHANGED


def test_a_trial_is_bought(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro", trial_days=14)
    start_trial(entity, pro, now=P1)

    assert decide(entity, pro, now=NOW).deed is Deed.BUY


def test_what_is_not_for_sale_is_refused(entity: BillableEntity, free: Plan) -> None:
    assert "not for sale" in refused(entity, PlanFactory(checkout_unit_amount_minor=None))
    assert "inactive" in refused(entity, PlanFactory(is_active=False))


# --- with a subscription ----------------------------------------------------------------------------------------------


def test_an_upgrade_changes_the_subscription_at_once(entity: BillableEntity, free: Plan) -> None:
    subscribed(entity, sold_plan("pro"))

    decision = change(entity, sold_plan("max", amount=2900), now=NOW)

    assert (decision.mode, decision.deed, decision.effective_at) == (Mode.APPLIED, Deed.CHANGE_NOW, NOW)
    assert decision.subscription is not None
    assert (decision.subscription.provider, decision.subscription.subscription_id) == ("stripe", "sub_1")
    assert on(entity) == ("pro", "pro"), "the provider's report moves the plan, nothing before"


@pytest.mark.parametrize("columns", [{"amount": 900}, {"amount": 1, "checkout_currency": "USD"}])
def test_the_same_price_and_another_currency_are_upgrades(
    entity: BillableEntity, free: Plan, columns: dict[str, Any]
) -> None:
    subscribed(entity, sold_plan("pro"))

    assert decide(entity, sold_plan("other", **columns), now=NOW).deed is Deed.CHANGE_NOW


def test_a_downgrade_is_booked_for_the_end_of_the_period(entity: BillableEntity, free: Plan) -> None:
    top, pro = sold_plan("max", amount=2900), sold_plan("pro")
    subscribed(entity, top)

    decision = decide(entity, pro, now=NOW)
    assert (decision.mode, decision.deed, decision.effective_at) == (Mode.SCHEDULED, Deed.CHANGE_LATER, P2)

    report(entity, reported(pro, keeps_price_id="price_max", keeps_until_at=P2), now=NOW)
    assert on(entity) == ("max", "pro")
    again, back = decide(entity, pro, now=LATER), decide(entity, top, now=LATER)
    assert (again.mode, again.deed, again.effective_at) == (Mode.SCHEDULED, Deed.NOTHING, P2)
    assert (back.mode, back.deed) == (Mode.APPLIED, Deed.RESUME)


def test_the_default_plan_ends_the_subscription_with_its_period(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro")
    subscribed(entity, pro)

    decision = decide(entity, free, now=NOW)
    assert (decision.mode, decision.deed, decision.effective_at) == (Mode.SCHEDULED, Deed.CANCEL_LATER, P2)

    report(entity, reported(pro, cancel_at_period_end=True), now=NOW)
    assert on(entity) == ("pro", "free")
    assert decide(entity, pro, now=LATER).deed is Deed.RESUME


def test_another_free_plan_waits_for_the_end_of_the_subscription(entity: BillableEntity, free: Plan) -> None:
    subscribed(entity, sold_plan("pro"))

    assert "once the subscription has ended" in refused(entity, PlanFactory())


def test_a_plan_of_another_provider_cannot_be_booked_on_it(entity: BillableEntity, free: Plan) -> None:
    subscribed(entity, sold_plan("pro"))

    assert "not sold by the provider" in refused(entity, sold_plan("other", checkout_provider="managed"))


def test_a_subscription_that_is_over_is_bought_again(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro")
    subscribed(entity, pro, status=ReportedStatus.ENDED)

    assert on(entity) == ("pro", "free")
    assert decide(entity, pro, now=NOW).deed is Deed.BUY


# --- previews ---------------------------------------------------------------------------------------------------------


def test_a_preview_shows_the_limits_and_over_which_one_would_be(entity: BillableEntity, free: Plan) -> None:
    presses = PressesFactory()
    PlanTemplateFactory(plan=free, definition=presses, amount=5)
    subscribed(entity, sold_plan("pro", grants={presses: 100}))
    press(entity, "eighty", amount=80, now=P2 - timedelta(hours=1))
    before = traces()

    shown = preview(entity, free, now=P2 - timedelta(minutes=1))

    assert (shown.at, shown.decision.deed) == (P2, Deed.CANCEL_LATER)
    (limit,) = shown.changes
    assert (limit.before.granted_amount, limit.after.granted_amount) == (100, 5)
    assert [each.after.code for each in shown.over] == [presses.code]
    assert traces() == before


def test_a_preview_of_what_has_to_be_paid_shows_it_paid(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro")
    credits_of(pro)
    assign(entity, free, source=AssignmentSource.INTERNAL, now=P1)

    shown = preview(entity, pro, now=NOW)

    assert [limit.after.effective_amount for limit in shown.changes] == [100]
    assert on(entity) == ("free", None)


def test_a_preview_of_taking_back_an_end_shows_what_stays(entity: BillableEntity, free: Plan) -> None:
    pro = sold_plan("pro")
    assign(entity, pro, source=AssignmentSource.MANUAL, now=P1, period_end_at=P2)
    cancel_at_period_end(entity, now=NOW)

    assert preview(entity, pro, now=LATER).changes == ()
    assert on(entity) == ("pro", "free")


def traces() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (PlanAssignment, Grant, BillingEvent))
