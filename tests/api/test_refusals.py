"""Every row of the error table, as a client meets it: status, headers and body to the letter."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from billing.api.keyed import keyed_command_of
from billing.errors import IdempotencyKeyRequired
from billing.models import Definition, Operation
from mozaiks.kit.api import exception_handler
from tests.api.goldens import assert_golden, told
from tests.api.world import World
from tests.factories import GrantFactory, PlanFactory, PlanTemplateFactory, ProductFactory, ProductTemplateFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.models import Place, Press

LIMITATIONS = "/api/billing/limitations"


def use(world: World, verb: str, amount: Any = 1, *, who: Any = "member", **headers: str) -> Any:
    return world.in_acme(who, **headers).post(f"/api/gadgets/{verb}", {"amount": amount})


@pytest.fixture
def pressed(world: World) -> World:
    """Ten presses a month, eight of them used, and two ways to more."""
    GrantFactory(subject=world.entity, of_plan=True, amount=10)
    PlanTemplateFactory(
        plan=PlanFactory(code="pro", name="Pro", checkout_unit_amount_minor=900, checkout_currency="EUR"),
        definition=PressesFactory(),
        amount=1000,
    )
    ProductTemplateFactory(product=ProductFactory(code="pack", name="Pack"), definition=PressesFactory(), amount=500)
    assert use(world, "press", 8).status_code == 201
    return world


@pytest.fixture
def seated(world: World) -> World:
    """Two places, both taken."""
    GrantFactory(subject=world.entity, definition=PlacesFactory(), of_plan=True, amount=2)
    assert use(world, "place", 2).status_code == 201
    return world


@pytest.fixture
def platform(settings: Settings) -> None:
    settings.MOZAIKS_MODE = "platform"


class TestLimits:
    def test_a_quota_that_is_exhausted(self, pressed: World) -> None:
        assert_golden("refusal-quota-exhausted", told(use(pressed, "press", 3)))
        assert Press.objects.count() == 1

    @pytest.mark.usefixtures("platform")
    def test_a_quota_that_is_exhausted_on_the_platform(self, pressed: World) -> None:
        assert_golden("refusal-quota-exhausted-platform", told(use(pressed, "press", 3)))

    def test_credits_that_are_exhausted(self, world: World) -> None:
        GrantFactory(subject=world.entity, definition=CreditsFactory(), amount=5)

        assert_golden("refusal-credits-exhausted", told(use(world, "charge", 6)))

    @pytest.mark.usefixtures("platform")
    def test_credits_that_are_exhausted_on_the_platform(self, world: World) -> None:
        GrantFactory(subject=world.entity, definition=CreditsFactory(), amount=5)

        assert_golden("refusal-credits-exhausted-platform", told(use(world, "charge", 6)))

    def test_a_rolling_quota_cannot_say_when_to_come_back(self, world: World) -> None:
        GrantFactory(subject=world.entity, definition=PulsesFactory(), of_plan=True, amount=2)

        refused = told(use(world, "pulse", 3))

        assert refused["status"] == 429
        assert refused["headers"] == {}
        assert refused["body"]["details"]["retryAfterSeconds"] is None

    def test_of_several_limits_the_one_that_refuses_is_named(self, world: World) -> None:
        GrantFactory(subject=world.entity, amount=10)
        GrantFactory(subject=world.entity, definition=CreditsFactory(), amount=1)

        assert told(use(world, "print", 2))["body"]["details"]["limitationCode"] == "gadgets.credits"

    @pytest.mark.parametrize("mode", ["self-hosted", "platform"])
    def test_a_capacity_that_is_full(self, seated: World, settings: Settings, mode: str) -> None:
        settings.MOZAIKS_MODE = mode

        assert_golden("refusal-capacity-full", told(use(seated, "place")))
        assert Place.objects.count() == 2

    def test_a_capacity_that_is_over_its_limit(self, seated: World) -> None:
        Place.objects.bulk_create(
            Place(entity=seated.entity, name="from before", created_at=seated.acme.created_at) for _ in range(3)
        )

        assert_golden("refusal-capacity-over-limit", told(use(seated, "place", 2)))

    def test_a_state_that_was_not_granted(self, world: World) -> None:
        AccessFactory(name="Access to gadgets")

        assert_golden("refusal-state-not-granted", told(use(world, "enter")))

    @pytest.mark.usefixtures("platform")
    def test_a_state_that_was_not_granted_on_the_platform(self, world: World) -> None:
        AccessFactory(name="Access to gadgets")

        assert_golden("refusal-state-not-granted-platform", told(use(world, "enter")))

    @pytest.mark.parametrize("switched_off", [False, True])
    def test_a_limit_that_is_not_configured(self, world: World, switched_off: bool) -> None:
        if switched_off:
            Definition.objects.filter(pk=PressesFactory().pk).update(is_active=False)

        assert_golden("refusal-not-configured", told(use(world, "press")))

    def test_a_capacity_nobody_counts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        from billing.entitlements import capabilities

        GrantFactory(subject=world.entity, definition=PlacesFactory())
        monkeypatch.delitem(capabilities._counters, "gadgets.places")

        assert told(use(world, "place"))["body"]["code"] == "BILLING_LIMIT_NOT_CONFIGURED"


class TestKeys:
    KEY = {"Idempotency-Key": "order-1"}

    def test_the_first_answer_is_given_again(self, pressed: World) -> None:
        first = told(use(pressed, "press", **self.KEY))
        again = told(use(pressed, "press", **self.KEY))

        assert again == {**first, "headers": {"Idempotent-Replayed": "true"}}
        assert Press.objects.count() == 2

    def test_the_same_key_for_something_else(self, pressed: World) -> None:
        use(pressed, "press", **self.KEY)

        assert_golden("refusal-idempotency-conflict", told(use(pressed, "press", 2, **self.KEY)))

    def test_a_refusal_is_not_kept(self, pressed: World) -> None:
        assert use(pressed, "press", 3, **self.KEY).status_code == 429
        assert not Operation.objects.exists()
        GrantFactory(subject=pressed.entity, amount=5)

        again = told(use(pressed, "press", 3, **self.KEY))

        assert (again["status"], again["headers"]) == (201, {})

    def test_the_other_name_of_the_header(self, pressed: World) -> None:
        use(pressed, "press", **{"X-Command-Id": "order-1"})

        assert use(pressed, "press", **{"X-Command-Id": "order-1"})["Idempotent-Replayed"] == "true"

    @pytest.mark.parametrize("key", ["", "with space", "x" * 192, "tab\there", "ü"])
    def test_a_key_that_is_none(self, pressed: World, key: str) -> None:
        refused = told(use(pressed, "press", **{"Idempotency-Key": key}))

        assert (refused["status"], list(refused["body"]["fieldErrors"])) == (400, ["Idempotency-Key"])

    def test_a_key_that_is_missing_where_one_is_needed(self, rf: Any) -> None:
        with pytest.raises(IdempotencyKeyRequired) as refused:
            keyed_command_of(rf.post("/api/billing/checkout"))

        response = exception_handler(refused.value, {})
        assert response is not None
        assert_golden("refusal-key-required", {"status": response.status_code, "body": response.data})

    def test_a_key_that_is_there(self, rf: Any) -> None:
        command = keyed_command_of(rf.post("/api/billing/checkout", headers=self.KEY))

        assert command.operation_key == "order-1"


class TestAccess:
    def test_a_role_that_does_not_allow_it(self, world: World) -> None:
        assert_golden("refusal-permission-denied", told(world.in_acme("member").post("/api/billing/limits/refresh")))

    def test_nobody_is_signed_in(self, world: World) -> None:
        assert_golden("refusal-not-authenticated", told(APIClient().get(LIMITATIONS)))

    def test_a_token_that_is_not_valid(self, world: World) -> None:
        refused = told(APIClient().get(LIMITATIONS, headers={"Authorization": "Bearer mzk_no"}))

        assert (refused["status"], refused["body"]["code"]) == (401, "NOT_AUTHENTICATED")
        assert refused["headers"]["WWW-Authenticate"].startswith("Bearer")

    def test_an_entity_one_may_not_know_of(self, world: World) -> None:
        foreign = told(world.client("owner").get(LIMITATIONS, headers={"x-billable-entity-id": "8"}))
        unknown = told(world.client("owner").get(LIMITATIONS, headers={"x-billable-entity-id": "80"}))

        assert foreign == unknown
        assert_golden("refusal-not-found", foreign)

    def test_a_workspace_one_may_not_know_of(self, world: World) -> None:
        owner = world.client("owner")
        foreign = told(owner.get(LIMITATIONS, {"workspaceSlug": "globex"}))

        assert foreign == told(owner.get(LIMITATIONS, {"workspaceSlug": "nowhere"}))
        assert_golden("refusal-workspace-not-found", foreign)

    def test_a_door_that_is_not_there(self, world: World) -> None:
        assert_golden("refusal-no-such-door", told(APIClient().get("/api/v1/nothing")))


class TestInput:
    def test_input_that_breaks_rules(self, world: World) -> None:
        body = {"items": [{"capability": "gadgets.press", "amount": 0}, {"amount": 1}, {"code": "x", "capability": 5}]}

        refused = world.in_acme("viewer").post("/api/billing/limitations/check", body)

        assert_golden("refusal-validation", told(refused))

    def test_an_id_that_is_none(self, world: World) -> None:
        refused = world.client("viewer").get(LIMITATIONS, {"billableEntityId": "seven"})

        assert_golden("refusal-malformed-id", told(refused))

    def test_a_body_that_is_no_json(self, world: World) -> None:
        refused = world.in_acme("viewer").post(
            "/api/billing/limitations/check", "{'items': []}", content_type="application/json"
        )

        assert_golden("refusal-no-json", told(refused))

    def test_a_body_of_another_type(self, world: World) -> None:
        refused = world.in_acme("viewer").post(
            "/api/billing/limitations/check", "<items/>", content_type="application/xml"
        )

        assert_golden("refusal-media-type", told(refused))

    def test_a_method_the_door_does_not_know(self, world: World) -> None:
        refused = world.in_acme("owner").delete(LIMITATIONS)

        assert_golden("refusal-method", told(refused))
        assert {"GET", "HEAD", "OPTIONS"} <= {method.strip() for method in refused["Allow"].split(",")}

    def test_an_answer_in_another_type(self, world: World) -> None:
        refused = world.in_acme("owner").get(LIMITATIONS, headers={"Accept": "text/html"})

        assert_golden("refusal-not-acceptable", told(refused))

    def test_a_host_that_is_not_ours(self, world: World) -> None:
        refused = Client().get(LIMITATIONS, headers={"Host": "evil.example"})

        assert told(refused)["body"]["code"] == "INVALID_REQUEST"


class TestOurSide:
    def test_a_database_that_does_not_answer_now(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*_: Any, **__: Any) -> None:
            raise OperationalError(2013, "Lost connection to server during query")

        monkeypatch.setattr("billing.api.limitations.resolve_effective_limitations", gone)

        assert_golden("refusal-unavailable", told(world.in_acme("viewer").get(LIMITATIONS)))

    def test_what_nobody_foresaw_tells_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def bug(*_: Any, **__: Any) -> None:
            raise RuntimeError("mysql://root:hunter2@host")

        monkeypatch.setattr("billing.api.limitations.resolve_effective_limitations", bug)
        client = world.in_acme("viewer")
        client.raise_request_exception = False

        assert_golden("refusal-internal-error", told(client.get(LIMITATIONS)))


def test_every_refusal_repeats_its_code_and_is_private(pressed: World) -> None:
    refused = pressed.in_acme("member").post("/api/billing/limits/refresh")

    assert refused.json()["details"]["code"] == refused.json()["code"]
    assert refused["Cache-Control"] == "private, no-cache"
