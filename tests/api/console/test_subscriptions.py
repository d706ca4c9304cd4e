"""Subscriptions steered by staff over HTTP: the provider is told once, and its report moves the plan."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import BillableEntity, BillingEvent, Plan, PlanAssignment, ProviderSubscription
from billing.models.assignments import AssignmentSource
from billing.payments import by_hand
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import schedule
from mozaiks.kit import clock
from tests.api.world import client_of
from tests.console.support import staff
from tests.factories import BillableEntityFactory, PlanFactory
from tests.house.rows import insert
from tests.payments.scripted import Scripted
from tests.subscriptions.reporting import report, reported, sold_plan

pytestmark = pytest.mark.django_db

BASE = "/api/console/billing"
WHY = {"reason": "They move away."}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    return made


@pytest.fixture
def gold() -> Plan:
    PlanFactory(code="free", is_default=True)
    return sold_plan("gold")


@pytest.fixture
def subscriber(gold: Plan, provider: Scripted) -> BillableEntity:
    entity: BillableEntity = BillableEntityFactory()
    now = clock.now()
    report(entity, reported(gold, now - timedelta(days=20), now + timedelta(days=10)), now=now)
    return entity


@pytest.fixture
def bert() -> APIClient:
    return client_of(staff("billing.set_plan", username="bert"))


def post(client: APIClient, path: str, body: Any = None, *, key: str = "a-key") -> Any:
    return client.post(f"{BASE}/{path}", {**WHY, **(body or {})}, format="json", headers={"Idempotency-Key": key})


@pytest.mark.parametrize(("path", "at_period_end"), [("cancel", False), ("cancel-at-period-end", True)])
def test_a_subscription_is_ended_once(
    bert: APIClient, subscriber: BillableEntity, provider: Scripted, path: str, at_period_end: bool
) -> None:
    answer = post(bert, f"subscriptions/sub_1/{path}")
    again = post(bert, f"subscriptions/sub_1/{path}")

    assert (answer.status_code, answer.json()["assignment"]["planCode"]) == (200, "gold")
    assert (again.json(), again["Idempotent-Replayed"]) == (answer.json(), "true")
    assert provider.calls == [("cancel", ("sub_1", at_period_end))]
    noted = BillingEvent.objects.get(event_type="operator")
    assert (noted.actor, noted.payload_json["subscriptionId"]) == ("bert", "sub_1")


@pytest.mark.parametrize(
    ("code", "amount", "when", "later"),
    [
        ("silver", 500, None, True),
        ("platinum", 2000, None, False),
        ("silver", 500, "now", False),
        ("platinum", 2000, "period_end", True),
    ],
)
def test_another_plan_is_booked_and_what_costs_less_waits(
    bert: APIClient,
    subscriber: BillableEntity,
    provider: Scripted,
    code: str,
    amount: int,
    when: str | None,
    later: bool,
) -> None:
    sold_plan(code, amount=amount)

    answer = post(bert, "subscriptions/sub_1/change-plan", {"planCode": code} | ({"when": when} if when else {}))

    assert answer.status_code == 200
    assert provider.calls == [("change_plan", ("sub_1", f"price_{code}", later))]


def test_what_the_provider_does_not_sell_is_not_booked(
    bert: APIClient, subscriber: BillableEntity, provider: Scripted
) -> None:
    unsold, unknown = (
        post(bert, "subscriptions/sub_1/change-plan", {"planCode": code}, key=code) for code in ("free", "nothing")
    )

    assert (unsold.status_code, unsold.json()["code"]) == (409, "checkout_configuration_invalid")
    assert (unknown.status_code, list(unknown.json()["fieldErrors"])) == (400, ["planCode"])
    assert provider.calls == []


def test_a_silent_provider_is_asked_again_under_the_same_key(
    bert: APIClient, subscriber: BillableEntity, provider: Scripted
) -> None:
    provider.loses_answer()

    lost, again = post(bert, "subscriptions/sub_1/cancel"), post(bert, "subscriptions/sub_1/cancel")

    assert (lost.status_code, again.status_code) == (502, 200)
    assert provider.count("cancel") == 1


def test_which_subscription_is_said_without_a_doubt(
    bert: APIClient, subscriber: BillableEntity, provider: Scripted
) -> None:
    insert(ProviderSubscription, provider="other", provider_subscription_id="sub_1", billable_entity=None)

    unknown = post(bert, "subscriptions/sub_2/cancel")
    two = post(bert, "subscriptions/sub_1/cancel")
    nobodys = post(bert, "subscriptions/sub_1/cancel?provider=other")
    theirs = post(bert, "subscriptions/sub_1/cancel?provider=stripe")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "SUBSCRIPTION_NOT_FOUND")
    assert (two.status_code, nobodys.status_code, theirs.status_code) == (409, 409, 200)
    assert nobodys.json()["code"] == "BILLING_DEPENDENCY_CONFLICT"


def test_an_assignment_ends_with_its_period_or_now(bert: APIClient, gold: Plan, provider: Scripted) -> None:
    entity = BillableEntityFactory()
    row = assign(entity, gold, source=AssignmentSource.MANUAL, now=clock.now())

    booked = post(bert, f"plan-assignments/{row.pk}/cancel", key="1")
    upcoming = PlanAssignment.objects.get(status="upcoming")
    now = post(bert, f"plan-assignments/{row.pk}/cancel", {"when": "now"}, key="2")
    nothing = post(bert, f"plan-assignments/{row.pk}/cancel", key="3")

    assert (booked.status_code, booked.json()["status"], upcoming.plan.code) == (200, "current", "free")
    assert (now.status_code, now.json()["status"]) == (200, "past")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "BILLING_DEPENDENCY_CONFLICT")
    assert provider.calls == []


def test_an_assignment_by_a_subscription_ends_at_the_provider(
    bert: APIClient, subscriber: BillableEntity, provider: Scripted
) -> None:
    row = PlanAssignment.objects.current().get()

    answer = post(bert, f"plan-assignments/{row.pk}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "current")
    assert provider.calls == [("cancel", ("sub_1", True))]


def test_an_upcoming_assignment_is_dropped_once(bert: APIClient, gold: Plan) -> None:
    entity = BillableEntityFactory()
    assign(entity, gold, source=AssignmentSource.MANUAL, now=clock.now())
    later = schedule(entity, PlanFactory(), source=AssignmentSource.MANUAL, now=clock.now())

    dropped = post(bert, f"plan-assignments/{later.pk}/cancel")
    again = post(bert, f"plan-assignments/{later.pk}/cancel")
    other = post(bert, f"plan-assignments/{later.pk}/cancel", key="2")

    assert (dropped.status_code, dropped.json()["status"]) == (200, "canceled")
    assert (again.json(), again["Idempotent-Replayed"]) == (dropped.json(), "true")
    assert other.status_code == 409
