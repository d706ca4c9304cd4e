"""``POST /api/billing/limitations/check``: a decision for each question, and nothing consumed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Balance, Consumption, Definition
from tests import NOON
from tests.api.goldens import assert_golden
from tests.api.lives import lived_in
from tests.api.world import World
from tests.factories import GrantFactory, PlanFactory, PlanTemplateFactory, ProductFactory, ProductTemplateFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.limits import CHARGE, CREDITS, ENTER, PLACES, PRESS, PRESSES, PRINT, PULSE, TAKE_PLACE

URL = "/api/billing/limitations/check"


def check(world: World, *items: Any, who: str = "viewer") -> Any:
    return world.in_acme(who).post(URL, {"items": list(items)})


def offers() -> None:
    """What would unlock presses: a plan and, cheaper, a product."""
    PlanTemplateFactory(
        plan=PlanFactory(code="pro", name="Pro", checkout_unit_amount_minor=900, checkout_currency="EUR"),
        definition=PressesFactory(),
        amount=1000,
    )
    ProductTemplateFactory(product=ProductFactory(code="pack", name="Pack"), definition=PressesFactory(), amount=500)


def test_decisions_are_the_contract_to_the_letter(world: World) -> None:
    lived_in(world.entity)
    offers()

    response = check(
        world,
        {"capability": PRESS},
        {"capability": PRESS, "amount": 31},
        {"code": PRESSES, "amount": 30},
        {"capability": TAKE_PLACE, "amount": 2},
        {"capability": CHARGE, "amount": 16},
        {"capability": PULSE, "amount": 7},
        {"capability": "gadgets.read", "amount": 1_000_000},
        {"capability": ENTER},
        {"capability": PRINT, "amount": 16},
    )

    assert response.status_code == 200
    assert_golden("check", response.json())


def test_nothing_is_consumed(world: World) -> None:
    lived_in(world.entity)
    before = list(Balance.objects.values()), Consumption.objects.count()

    assert check(world, {"capability": PRESS, "amount": 5}, {"capability": PRESS, "amount": 5}).status_code == 200

    assert before == (list(Balance.objects.values()), Consumption.objects.count())


def test_the_decision_and_the_use_after_it_agree(world: World) -> None:
    GrantFactory(subject=world.entity, amount=10)

    for amount in (4, 7, 6, 1):
        (decision,) = check(world, {"capability": PRESS, "amount": amount}).json()["items"]
        used = world.in_acme("member").post("/api/gadgets/press", {"amount": amount})
        assert (used.status_code == 201) is decision["allowed"]
        if used.status_code != 201:
            shared = (
                "limitationCode",
                "reason",
                "requestedAmount",
                "limit",
                "used",
                "remaining",
                "windowEndAt",
                "unlock",
            )
            assert {name: used.json()["details"][name] for name in shared} == {name: decision[name] for name in shared}


def test_where_quotas_are_not_enforced_it_is_allowed_and_said_all_the_same(world: World, settings: Any) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    PressesFactory()

    (decision,) = check(world, {"capability": PRESS}).json()["items"]

    assert (decision["allowed"], decision["code"]) == (True, "BILLING_LIMIT_EXCEEDED")


def test_tokens_are_asked_of_the_budgets_that_were_given(world: World) -> None:
    GrantFactory(subject=world.entity, definition=Definition.objects.get(code="ai.tokens.daily"), amount=100)

    fits, exceeds = check(
        world, {"capability": "ai.tokens", "amount": 100}, {"capability": "ai.tokens", "amount": 101}
    ).json()["items"]

    assert (fits["limitationCode"], fits["allowed"], exceeds["allowed"]) == ("ai.tokens.daily", True, False)


@pytest.mark.parametrize(
    ("items", "path"),
    [
        ([{"capability": PRESS, "amount": 0}], "items[0].amount"),
        ([{"capability": PRESS}, {"code": CREDITS}, {"capability": PRESS, "amount": -1}], "items[2].amount"),
        ([{"capability": PRESS, "amount": 1.0}], "items[0].amount"),
        ([{"capability": PRESS, "amount": "1"}], "items[0].amount"),
        ([{"capability": PRESS, "amount": True}], "items[0].amount"),
        ([{"capability": PRESS, "amount": None}], "items[0].amount"),
        ([{"capability": PRESS, "amount": 2**62}], "items[0].amount"),
        ([{"capability": PRESS, "amount": 10**4000}], "items[0].amount"),
        ([{"capability": PRESS, "ammount": 5}], "items[0].ammount"),
        ([{}], "items[0]"),
        ([{"amount": 1}], "items[0]"),
        ([{"capability": PRESS, "code": PRESSES}], "items[0]"),
        ([{"capability": PRESS}, "press"], "items[1]"),
        ([None], "items[0]"),
        ([[]], "items[0]"),
        ([{"capability": 5}], "items[0].capability"),
        ([{"capability": ""}], "items[0].capability"),
        ([{"capability": "x" * 121}], "items[0].capability"),
        ([{"code": PRESSES}, {"capability": "no.such.thing"}], "items[1].capability"),
        ([{"code": "no.such.limit"}], "items[0].code"),
        ([{"code": PRESS}], "items[0].code"),
        ([], "items"),
        ([{"code": PRESSES}] * 51, "items"),
    ],
)
def test_bad_input_is_refused_with_its_path(world: World, items: list[Any], path: str) -> None:
    PressesFactory(), CreditsFactory()

    response = check(world, *items)

    assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")
    assert list(response.json()["fieldErrors"]) == [path]
    assert response.json()["error"].startswith(path)


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": {}}, {"items": "all"}, [], "x", 5, None])
def test_a_body_of_another_shape_is_refused(world: World, body: Any) -> None:
    response = world.in_acme("viewer").post(URL, body)

    assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("body", ["{", "", '{"items": [{"capability": "\\ud800"}]}', "[" * 5000, '{"items": NaN}'])
def test_what_is_no_json_is_refused(world: World, body: str) -> None:
    response = world.in_acme("viewer").post(URL, body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")


def test_a_body_without_end_is_refused(world: World) -> None:
    response = world.in_acme("viewer").post(URL, '"' + "x" * 2_000_000 + '"', content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_capability_whose_limit_is_not_configured_is_a_409(world: World) -> None:
    response = check(world, {"capability": PRESS})

    assert (response.status_code, response.json()["code"]) == (409, "BILLING_LIMIT_NOT_CONFIGURED")
    assert response.json()["details"]["limitationCode"] == PRESSES


def test_a_limit_that_was_switched_off_is_unknown(world: World) -> None:
    Definition.objects.filter(pk=PressesFactory().pk).update(is_active=False)

    assert check(world, {"code": PRESSES}).status_code == 400
    assert check(world, {"capability": PRESS}).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_fifty_questions_cost_no_more_than_a_few(world: World) -> None:
    lived_in(world.entity)
    offers()
    AccessFactory(), PlacesFactory()

    def statements(*items: Any) -> int:
        client = world.in_acme("viewer")
        with CaptureQueriesContext(connection) as captured:
            assert client.post(URL, {"items": list(items)}).status_code == 200
        return len(captured)

    few = [{"capability": PRESS, "amount": 10**6}, {"code": PLACES, "amount": 5}, {"capability": "ai.tokens"}]
    statements(*few)

    assert statements(*(few * 16)) <= statements(*few) <= 12


def test_it_is_noon(world: World) -> None:
    GrantFactory(subject=world.entity, expires_at=NOON.replace(hour=13))

    assert check(world, {"capability": PRESS}).json()["items"][0]["allowed"]
