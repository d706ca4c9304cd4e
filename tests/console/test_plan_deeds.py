"""What an operator does about a plan that goes on by itself: shown first, done once, at the provider where one keeps it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from billing.models import BillableEntity, BillingEvent, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.payments import by_hand
from billing.subscriptions.assignments import assign
from console.customer import customer_page
from mozaiks.kit import clock
from tests.console.support import address, customer, signed_in, staff
from tests.console.test_deed_permissions import EVERYBODY, OPERATING, STRANGER, browser_of
from tests.factories import PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory
from tests.payments.scripted import Scripted
from tests.subscriptions.reporting import report, reported, sold_plan

pytestmark = pytest.mark.django_db

DEEDS = ("cancel-plan", "resume-plan", "change-subscription")
BUTTONS = {"Cancel plan", "Resume plan", "Change subscription", "Cancel plan change"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    return made


@pytest.fixture
def gold() -> Plan:
    """A plan that a provider sells; whoever has no other plan has a small free one."""
    presses = PressesFactory()
    PlanTemplateFactory(plan=PlanFactory(code="free", name="Free", is_default=True), definition=presses, amount=5)
    return sold_plan("gold", name="Gold", grants={presses: 100})


@pytest.fixture
def subscriber(gold: Plan, provider: Scripted) -> BillableEntity:
    """On gold by a subscription of the provider, for ten more days."""
    entity, now = customer(), clock.now()
    report(entity, reported(gold, now - timedelta(days=20), now + timedelta(days=10)), now=now)
    return entity


@pytest.fixture
def gifted(gold: Plan) -> BillableEntity:
    """On gold because an operator says so."""
    entity = customer()
    assign(entity, gold, source=AssignmentSource.MANUAL, now=clock.now())
    return entity


def page(row: BillableEntity, operation: str) -> str:
    return f"{address(BillableEntity, 'change', row.pk).removesuffix('change/')}{operation}/"


def deed(**said: Any) -> dict[str, Any]:
    return {"reason": "They move away.", "operation_key": "console-test", "_confirmed": "yes", **said}


def unconfirmed(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in deed(**said).items() if name != "_confirmed"}


def said_in(answer: Any) -> str:
    assert answer.status_code == 302, answer.context["form"].errors
    return [str(message) for message in get_messages(answer.wsgi_request)][-1]


def error_in(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.context["form"].errors)


def buttons(client: Client, row: BillableEntity) -> set[str]:
    found = {each["title"] for each in client.get(address(BillableEntity, "change", row.pk)).context["deeds"]}
    return found & BUTTONS


def test_a_subscription_is_canceled_at_its_provider_for_the_periods_end(
    operator: Client, subscriber: BillableEntity, provider: Scripted
) -> None:
    before = PlanAssignment.objects.count(), BillingEvent.objects.count()

    shown = operator.post(page(subscriber, "cancel-plan"), unconfirmed(when="period_end"))
    untouched = (PlanAssignment.objects.count(), BillingEvent.objects.count()), list(provider.calls)
    done = operator.post(page(subscriber, "cancel-plan"), deed(when="period_end"))
    again = operator.post(page(subscriber, "cancel-plan"), deed(when="period_end"))

    change = shown.context["preview"].changes[0]
    assert (change.before.granted_amount, change.after.granted_amount) == (100, 5)
    assert "stripe would be told to end the plan with its period" in shown.context["announced"]
    assert untouched == (before, [])
    assert provider.calls == [("cancel", ("sub_1", True))]
    assert said_in(done) == "The plan is canceled. stripe was told; its report moves the plan."
    assert said_in(again).startswith("Was done before")
    noted = BillingEvent.objects.get(event_name="subscription.cancellation_booked")
    assert (noted.actor, noted.reason) == ("operator", "They move away.")


def test_a_subscription_ends_now_at_the_provider_and_what_is_paid_lasts(
    operator: Client, subscriber: BillableEntity, provider: Scripted, gold: Plan
) -> None:
    operator.post(page(subscriber, "cancel-plan"), deed(when="now"))

    assert provider.calls == [("cancel", ("sub_1", False))]
    assert PlanAssignment.objects.current().get().plan == gold


def test_a_provider_that_is_silent_is_asked_again(
    operator: Client, subscriber: BillableEntity, provider: Scripted
) -> None:
    provider.loses_answer()

    lost = operator.post(page(subscriber, "cancel-plan"), deed(when="period_end"))
    again = operator.post(page(subscriber, "cancel-plan"), deed(when="period_end"))

    assert "did not answer" in error_in(lost)
    assert said_in(again).startswith("The plan is canceled.")
    assert provider.count("cancel") == 1


def test_a_canceled_subscription_is_resumed(
    operator: Client, subscriber: BillableEntity, provider: Scripted, gold: Plan
) -> None:
    now = clock.now()
    start, end = now - timedelta(days=20), now + timedelta(days=10)
    report(subscriber, reported(gold, start, end, cancel_at_period_end=True), now=now + timedelta(seconds=1))
    assert buttons(operator, subscriber) == {"Resume plan", "Change subscription"}

    shown = operator.post(page(subscriber, "resume-plan"), unconfirmed())
    done = operator.post(page(subscriber, "resume-plan"), deed())

    change = shown.context["preview"].changes[0]
    assert (change.before.granted_amount, change.after.granted_amount) == (5, 100)
    assert provider.calls == [("resume", "sub_1")]
    assert said_in(done).startswith("The plan goes on.")


@pytest.mark.parametrize(("when", "later"), [("now", False), ("period_end", True)])
def test_another_price_is_booked_with_the_provider(
    operator: Client, subscriber: BillableEntity, provider: Scripted, when: str, later: bool
) -> None:
    silver = sold_plan("silver", amount=500, grants={PressesFactory(): 40})

    shown = operator.post(page(subscriber, "change-subscription"), unconfirmed(plan=silver.pk, when=when))
    done = operator.post(page(subscriber, "change-subscription"), deed(plan=silver.pk, when=when))

    change = shown.context["preview"].changes[0]
    assert (change.before.granted_amount, change.after.granted_amount) == (100, 40)
    assert provider.calls == [("change_plan", ("sub_1", "price_silver", later))]
    assert said_in(done).startswith("The other plan is booked.")
    assert BillingEvent.objects.get(event_name="subscription.plan_changed").payload_json["planCode"] == "silver"


def test_a_plan_the_provider_does_not_sell_is_not_booked(
    operator: Client, subscriber: BillableEntity, provider: Scripted
) -> None:
    answer = operator.post(page(subscriber, "change-subscription"), unconfirmed(plan=PlanFactory().pk, when="now"))

    assert "has no price at stripe" in error_in(answer)
    assert provider.calls == []


def test_a_gift_ends_and_goes_on_without_anybody_being_asked(
    operator: Client, gifted: BillableEntity, provider: Scripted, gold: Plan
) -> None:
    assert buttons(operator, gifted) == {"Cancel plan"}

    booked = operator.post(page(gifted, "cancel-plan"), deed(when="period_end"))
    ending = buttons(operator, gifted)
    resumed = operator.post(page(gifted, "resume-plan"), deed(operation_key="k2"))
    ended = operator.post(page(gifted, "cancel-plan"), deed(when="now", operation_key="k3"))

    assert said_in(booked) == "The plan is canceled."
    assert ending == {"Resume plan"}
    assert said_in(resumed) == "The plan goes on."
    assert said_in(ended) == "The plan is canceled."
    assert PlanAssignment.objects.current().get().plan.code == "free"
    assert provider.calls == []
    assert buttons(operator, gifted) == set()


def test_a_gift_has_no_subscription_to_change(operator: Client, gifted: BillableEntity, gold: Plan) -> None:
    answer = operator.post(page(gifted, "change-subscription"), unconfirmed(plan=gold.pk, when="now"))

    assert "No provider keeps a subscription" in error_in(answer)


def test_the_page_says_how_the_subscription_stands(operator: Client, subscriber: BillableEntity, gold: Plan) -> None:
    now = clock.now()
    start, end = now - timedelta(days=20), now + timedelta(days=10)

    renewing = customer_page(subscriber, now=now)
    report(subscriber, reported(gold, start, end, cancel_at_period_end=True), now=now + timedelta(seconds=1))
    ending = customer_page(subscriber, now=now + timedelta(seconds=2))

    assert renewing.standing.next.startswith("Renews in 9 days")
    assert set(renewing.standing.facts) >= {
        ("Collected by", "stripe"),
        ("Subscription", "sub_1"),
        ("Customer there", "cus_1"),
    }
    assert ending.standing.next.startswith("It is canceled, and ends in ")
    assert ending.standing.next.endswith("; then Free.")
    assert ("Canceled" in dict(ending.standing.facts), ending.standing.ends_with_period) == (True, True)


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_is_for_those_who_may_set_plans(
    subscriber: BillableEntity, provider: Scripted, gold: Plan, name: str, role: str
) -> None:
    browser = browser_of(role)

    shown = browser.get(page(subscriber, name))
    done = browser.post(page(subscriber, name), deed(when="period_end", plan=gold.pk))

    if role in OPERATING:
        assert shown.status_code == 200
        assert done.status_code == 302
    else:
        refused = 302 if role == STRANGER else 403
        assert (shown.status_code, done.status_code) == (refused, refused)
        assert provider.calls == []


def test_each_needs_a_reason_and_a_look(subscriber: BillableEntity, provider: Scripted, operator: Client) -> None:
    for name in DEEDS:
        assert "required" in error_in(operator.post(page(subscriber, name), deed(when="now", reason=" ")))
        assert signed_in(staff("billing.set_plan", username=name)).get(page(subscriber, name)).status_code == 403
    assert provider.calls == []
