"""``GET /api/billing/plan-state``, ``GET /api/wallet`` and ``POST /api/billing/limits/refresh``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from billing import wallet
from billing.api.plan_state import PlanStateAnswer, present
from billing.models import Balance, Definition, OpenLot, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.state import read_plan_state
from billing.wallet import WalletBalance
from tests import NOON
from tests.api.goldens import assert_golden, with_stable_ids
from tests.api.lives import lived_in
from tests.api.world import World
from tests.factories import GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.limits import PRESSES
from tests.gadgets.services import press

PLAN_STATE = "/api/billing/plan-state"
WALLET = "/api/wallet"
REFRESH = "/api/billing/limits/refresh"


def on_two_plans_and_on_to_a_third(world: World) -> None:
    free = PlanFactory(code="free", name="Free", is_default=True, checkout_currency="EUR")
    pro = PlanFactory(code="pro", name="Pro", checkout_unit_amount_minor=900, checkout_currency="EUR")
    PlanFactory(code="gone", name="Gone", is_active=False)
    PlanTemplateFactory(plan=free, definition=PressesFactory(), amount=10)
    PlanTemplateFactory(plan=pro, definition=PressesFactory(), amount=None)
    assign(world.entity, free, source=AssignmentSource.INTERNAL, now=NOON - timedelta(days=2))
    assign(
        world.entity,
        pro,
        source=AssignmentSource.MANUAL,
        now=NOON - timedelta(days=1),
        period_end_at=NOON + timedelta(days=29),
    )
    PlanAssignment.objects.create(
        billable_entity=world.entity,
        plan=free,
        source=AssignmentSource.INTERNAL,
        status=AssignmentStatus.UPCOMING,
        period_start_at=NOON + timedelta(days=29),
        anchor_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def test_the_plan_state_is_the_contract_to_the_letter(world: World) -> None:
    on_two_plans_and_on_to_a_third(world)

    response = world.in_acme("viewer").get(PLAN_STATE)

    assert response.status_code == 200
    assert list(response.json()) == ["currentPlan", "nextPlanChange", "availablePlans", "history", "settings"]
    assert_golden("plan-state", with_stable_ids(response.json()))
    assert response.json() == world.in_acme("viewer").get("/api/v1/billing/plan-state").json()


def test_a_change_whose_time_has_come_is_shown_as_done(world: World) -> None:
    on_two_plans_and_on_to_a_third(world)

    with time_machine.travel(NOON + timedelta(days=30), tick=False):
        state = world.in_acme("viewer").get(PLAN_STATE).json()

    assert (state["currentPlan"]["plan"]["code"], state["nextPlanChange"]) == ("free", None)


def test_without_any_plan_there_is_still_an_answer(world: World) -> None:
    state = world.in_acme("viewer").get(PLAN_STATE).json()

    assert (state["currentPlan"], state["nextPlanChange"], state["history"]) == (None, None, [])


def test_the_fast_way_gives_what_the_serializers_describe(world: World) -> None:
    on_two_plans_and_on_to_a_third(world)
    state = read_plan_state(world.entity, now=NOON)

    assert present(state) == PlanStateAnswer(state).data


class TestWallet:
    @pytest.fixture
    def kept(self) -> Iterator[dict[int, WalletBalance]]:
        """Somebody keeps wallets."""
        wallets: dict[int, WalletBalance] = {}
        wallet.register_reader(wallets.get)
        yield wallets
        wallet._readers.pop()

    def test_where_nobody_keeps_wallets_there_is_none(self, world: World) -> None:
        assert world.in_acme("viewer").get(WALLET).json() == {"wallet": None}

    def test_the_one_of_the_entity_is_shown(self, world: World, kept: dict[int, WalletBalance]) -> None:
        kept[world.entity.pk] = WalletBalance(amount_minor=1250, currency="EUR")

        assert world.in_acme("viewer").get(WALLET).json() == {"wallet": {"amountMinor": 1250, "currency": "EUR"}}
        assert world.client("viewer").get("/api/v1/wallet").json() == {"wallet": None}


class TestRefresh:
    def test_the_balances_are_rebuilt_from_the_ledger_and_answered(self, world: World) -> None:
        lived_in(world.entity)
        owner = world.in_acme("owner")
        good = owner.get("/api/billing/limitations").json()["limitations"]
        Balance.objects.filter(subject=world.entity).update(consumed_amount=1, effective_amount=1)
        OpenLot.objects.filter(subject=world.entity).update(remaining=1)

        answered = owner.post(REFRESH)

        assert answered.status_code == 200
        assert _figures(answered.json()["limitations"]) == _figures(good)
        assert answered.json() == owner.get("/api/billing/limitations").json()

    def test_versions_rise(self, world: World) -> None:
        GrantFactory(subject=world.entity)
        press(world.entity, "first")
        owner = world.in_acme("owner")
        before = _version(owner.get("/api/billing/limitations").json())

        assert _version(owner.post(REFRESH).json()) == before + 1

    def test_who_has_nothing_can_be_refreshed_too(self, world: World) -> None:
        assert world.in_acme("owner").post(REFRESH).status_code == 200
        assert not Balance.objects.exists()

    def test_a_definition_that_was_switched_off_is_no_hindrance(self, world: World) -> None:
        GrantFactory(subject=world.entity)
        Definition.objects.filter(code=PRESSES).update(is_active=False, updated_at=NOON + timedelta(seconds=1))

        answered = world.in_acme("owner").post(REFRESH)

        assert answered.status_code == 200
        assert PRESSES not in {each["code"] for each in answered.json()["limitations"]}


def _figures(limitations: list[dict[str, object]]) -> list[dict[str, object]]:
    moving = {"version", "lastRecomputedAt"}
    return [{name: value for name, value in each.items() if name not in moving} for each in limitations]


def _version(answer: Any) -> Any:
    return next(each["version"] for each in answer["limitations"] if each["code"] == PRESSES)
