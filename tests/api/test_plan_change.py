"""Another plan over HTTP: at once, later, by a checkout; with and without a provider behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import BillingEvent, CheckoutSession, Operation, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.api.world import World
from tests.factories import PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.models import Place
from tests.payments.provider import Provider, provider  # noqa: F401 - a fixture
from tests.payments.scripted import Scripted
from tests.payments.shop import pro

CHANGE = "/api/billing/plan-change"
MONTH = {"checkout_interval": "month", "checkout_currency": "EUR"}


@pytest.fixture
def admin(world: World) -> APIClient:
    PlanFactory(code="free", is_default=True)
    return world.in_acme("admin")


def sold(code: str, amount: int, **fields: Any) -> Plan:
    return pro(code=code, checkout_unit_amount_minor=amount, checkout_provider_price_id=f"price_{code}", **fields)


def post(client: APIClient, path: str = "", *, key: str = "k", **body: Any) -> Any:
    return client.post(f"{CHANGE}{path}", body, headers={"Idempotency-Key": key})


def state(client: APIClient) -> tuple[str | None, str | None]:
    """The plan somebody is on, and another one to come."""
    found = client.get("/api/billing/plan-state").json()
    now, then = ((part and part["plan"]["code"]) for part in (found["currentPlan"], found["nextPlanChange"]))
    return now, then if then != now else None


class TestWithoutAProvider:
    def test_a_free_plan_is_applied_at_once_and_once(self, admin: APIClient) -> None:
        first, again = post(admin, planCode="free"), post(admin, planCode="free")
        same = post(admin, key="k2", planCode="free")

        assert first.json() == {
            "mode": "applied",
            "planCode": "free",
            "effectiveAt": "2026-02-21T12:00:00.000Z",
            "checkoutUrl": None,
            "sessionId": None,
        }
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
        assert same.json()["mode"] == "unchanged"
        assert PlanAssignment.objects.count() == 1
        assert Operation.objects.filter(capability="plan-change").count() == 2

    def test_from_a_plan_that_was_given_to_a_free_one_at_the_end_of_its_period(
        self, admin: APIClient, world: World
    ) -> None:
        end = NOON + timedelta(days=9)
        assign(world.entity, sold("given", 900), source=AssignmentSource.MANUAL, now=NOON, period_end_at=end)

        answer = post(admin, planCode="free")

        assert (answer.json()["mode"], answer.json()["effectiveAt"]) == ("scheduled", "2026-03-02T12:00:00.000Z")
        assert state(admin) == ("given", "free")

    def test_a_booked_change_is_taken_back_once(self, admin: APIClient, world: World) -> None:
        assign(world.entity, sold("given", 900), source=AssignmentSource.MANUAL, now=NOON)
        post(admin, planCode="free")

        first, again, other = (post(admin, "/cancel", key=key) for key in ("c", "c", "d"))

        assert [answer.json()["canceled"] for answer in (first, again, other)] == [True, True, False]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert state(admin) == ("given", None)

    def test_a_plan_nobody_sells_is_not_for_customers_to_choose(self, admin: APIClient) -> None:
        PlanFactory(code="secret", checkout_unit_amount_minor=None)

        answer = post(admin, planCode="secret")

        assert (answer.status_code, answer.json()["code"]) == (409, "checkout_configuration_invalid")
        assert state(admin) == (None, None)

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"planCode": "none"}, 404, "checkout_plan_not_found"),
            ({}, 400, "INVALID_REQUEST"),
            ({"planCode": "free", "priceMinor": 1}, 400, "INVALID_REQUEST"),
            ({"planCode": "free", "successPath": "//evil.example"}, 400, "INVALID_REQUEST"),
        ],
    )
    def test_what_is_wrong_is_refused(self, admin: APIClient, body: dict[str, Any], status: int, code: str) -> None:
        answer = post(admin, **body)

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_a_key_is_needed_and_means_one_thing(self, admin: APIClient) -> None:
        post(admin, planCode="free")

        assert admin.post(CHANGE, {"planCode": "free"}).json()["code"] == "IDEMPOTENCY_KEY_REQUIRED"
        assert post(admin, planCode="other").json()["code"] == "IDEMPOTENCY_CONFLICT"


class TestByCheckout:
    def test_a_plan_that_costs_something_is_paid_first(self, admin: APIClient, stripe: Scripted) -> None:
        post(admin, key="free", planCode="free")
        sold("pro", 900)

        first, again = (post(admin, planCode="pro", successPath="/paid") for _ in range(2))

        assert first.json()["mode"] == "checkout_required"
        assert first.json()["checkoutUrl"].startswith("https://pay.example.org/")
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
        assert stripe.count("checkout") == CheckoutSession.objects.count() == 1
        assert state(admin) == ("free", None)

    def test_a_lost_answer_is_one_checkout_all_the_same(self, admin: APIClient, stripe: Scripted) -> None:
        sold("pro", 900)
        stripe.loses_answer()

        lost, found = (post(admin, planCode="pro") for _ in range(2))

        assert [lost.status_code, found.status_code] == [502, 200]
        assert stripe.count("checkout") == CheckoutSession.objects.count() == 1

    def test_after_a_refusal_the_same_key_begins_anew(self, admin: APIClient, stripe: Scripted) -> None:
        sold("pro", 900)
        stripe.refuses()

        refused, done = (post(admin, planCode="pro") for _ in range(2))

        assert [refused.status_code, done.status_code] == [502, 200]
        assert stripe.count("checkout") == 1


class TestPreview:
    def test_it_says_what_would_be_exceeded_and_leaves_nothing(self, admin: APIClient, world: World) -> None:
        small, large = PlanFactory(code="small"), sold("large", 900)
        places, presses = PlacesFactory(), PressesFactory()
        PlanTemplateFactory(plan=large, definition=places, amount=5)
        PlanTemplateFactory(plan=large, definition=presses, amount=100)
        PlanTemplateFactory(plan=small, definition=places, amount=1)
        PlanTemplateFactory(plan=small, definition=presses, amount=100)
        assign(world.entity, large, source=AssignmentSource.MANUAL, now=NOON)
        Place.objects.bulk_create(Place(entity=world.entity, name="taken", created_at=NOON) for _ in range(3))
        events = BillingEvent.objects.count()

        answer = admin.post(f"{CHANGE}/preview", {"planCode": "small"})

        assert answer.status_code == 200
        assert answer.json()["mode"] == "scheduled"
        assert answer.json()["effectiveAt"] == "2026-03-21T12:00:00.000Z"
        (limit,) = answer.json()["limitations"]
        told = (limit["code"], limit["grantedBefore"], limit["grantedAfter"], limit["used"], limit["overBy"])
        assert told == (places.code, 5, 1, 3, 2)
        assert (state(admin), BillingEvent.objects.count()) == (("large", None), events)

    def test_of_the_same_plan_it_says_nothing(self, admin: APIClient) -> None:
        post(admin, planCode="free")

        answer = admin.post(f"{CHANGE}/preview", {"planCode": "free"})

        assert (answer.json()["mode"], answer.json()["limitations"]) == ("unchanged", [])


class TestWithASubscription:
    @pytest.fixture
    def subscribed(self, admin: APIClient, provider: Provider) -> APIClient:  # noqa: F811
        """On Pro, paid through the provider."""
        sold("basic", 500), sold("pro", 900), sold("team", 2900)
        opened = post(admin, key="first", planCode="pro").json()
        provider.pay(opened["sessionId"])
        provider.deliver()
        assert state(admin) == ("pro", None)
        return admin

    def test_dearer_at_once_and_confirmed_by_the_provider(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
    ) -> None:
        answer = post(subscribed, planCode="team")

        assert (answer.status_code, answer.json()["mode"]) == (200, "applied")
        assert state(subscribed) == ("pro", None)
        provider.deliver()
        assert state(subscribed) == ("team", None)

    def test_cheaper_with_the_next_period_unless_it_is_taken_back(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
    ) -> None:
        answer = post(subscribed, planCode="basic")
        provider.deliver()
        assert (answer.json()["mode"], answer.json()["effectiveAt"]) == ("scheduled", "2026-03-21T12:00:00.000Z")
        assert state(subscribed) == ("pro", "basic")

        taken_back = post(subscribed, "/cancel", key="c")
        provider.deliver()

        assert taken_back.json() == {"canceled": True}
        assert state(subscribed) == ("pro", None)

    def test_to_the_free_plan_by_ending_with_the_period(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
    ) -> None:
        answer = post(subscribed, planCode="free")
        provider.deliver()
        assert (answer.json()["mode"], state(subscribed)) == ("scheduled", ("pro", "free"))

        post(subscribed, "/cancel", key="c")
        provider.deliver()

        assert state(subscribed) == ("pro", None)

    def test_another_free_plan_does_not_follow_a_subscription(self, subscribed: APIClient) -> None:
        PlanFactory(code="hobby")

        answer = post(subscribed, planCode="hobby")

        assert (answer.status_code, answer.json()["code"]) == (409, "checkout_configuration_invalid")

    @pytest.mark.parametrize("plan", ["basic", "team", "free"])
    def test_a_lost_answer_is_booked_once(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
        plan: str,
    ) -> None:
        provider.fail("lost", door="POST /v1/subscriptions")

        lost, done = (post(subscribed, planCode=plan) for _ in range(2))
        provider.deliver()

        assert [lost.status_code, done.status_code] == [502, 200]
        assert state(subscribed) == (("team", None) if plan == "team" else ("pro", plan))

    def test_a_booking_taken_back_whose_answer_was_lost_is_taken_back_once(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
    ) -> None:
        post(subscribed, planCode="basic")
        provider.deliver()
        provider.fail("lost", door="POST /v1/subscriptions")

        lost, done = (post(subscribed, "/cancel", key="c") for _ in range(2))
        provider.deliver()

        assert [lost.status_code, done.status_code] == [502, 200]
        assert state(subscribed) == ("pro", None)

    def test_choosing_the_present_plan_again_takes_back_what_was_booked(
        self,
        subscribed: APIClient,
        provider: Provider,  # noqa: F811
    ) -> None:
        post(subscribed, planCode="basic")
        provider.deliver()

        answer = post(subscribed, key="k2", planCode="pro")
        provider.deliver()

        assert (answer.json()["mode"], state(subscribed)) == ("applied", ("pro", None))

    def test_nothing_booked_is_nothing_to_take_back(self, subscribed: APIClient) -> None:
        assert post(subscribed, "/cancel").json() == {"canceled": False}

    def test_a_plan_of_other_intervals_is_left_to_the_portal(self, subscribed: APIClient) -> None:
        sold("yearly", 1200, checkout_interval="year")

        answer = post(subscribed, planCode="yearly")

        assert (answer.status_code, answer.json()["code"]) == (409, "subscription_exists_use_portal")
