"""What a refused caller is offered: plans above the current one and products after which the request fits."""

from datetime import timedelta
from typing import Any

import pytest

from billing.errors import CapacityLocked, LimitExceeded
from billing.models import BillableEntity, Definition, Plan
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    GrantFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductTemplateFactory,
)
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.services import press, take_place


def plan_of(code: str, amount: int | None, price: int | None, definition: Definition | None = None) -> Plan:
    plan: Plan = PlanFactory(code=code, checkout_unit_amount_minor=price, checkout_currency="EUR")
    PlanTemplateFactory(plan=plan, definition=definition or PressesFactory(), amount=amount)
    return plan


def product_of(code: str, amount: int, price: int) -> None:
    ProductTemplateFactory(
        definition=PressesFactory(), amount=amount, product__code=code, product__unit_amount_minor=price
    )


def offered(entity: BillableEntity, amount: int) -> list[dict[str, Any]]:
    with pytest.raises(LimitExceeded) as refused:
        press(entity, "much", amount=amount)
    ways = refused.value.details["unlock"]
    assert isinstance(ways, list)
    return ways


def codes(ways: list[dict[str, Any]]) -> list[str]:
    return [way["code"] for way in ways]


@pytest.fixture
def entity(db: None) -> BillableEntity:
    """On the plan “starter” of 10 presses for 5.00, of which 8 are used."""
    entity = BillableEntityFactory()
    assign(entity, plan_of("starter", 10, 500), source=AssignmentSource.INTERNAL, now=NOON)
    press(entity, "eight", amount=8)
    return entity


def test_a_larger_plan_is_offered_with_what_it_would_give(entity: BillableEntity) -> None:
    plan_of("large", 100, 2000)

    assert offered(entity, 5) == [
        {
            "type": "plan",
            "code": "large",
            "name": "Plan large",
            "amountAfter": 100,
            "priceMinor": 2000,
            "currency": "EUR",
        }
    ]


def test_what_was_used_counts_against_the_plan_that_is_offered(entity: BillableEntity) -> None:
    plan_of("a little larger", 12, 600)
    plan_of("large", 100, 2000)

    assert codes(offered(entity, 5)) == ["large"]


def test_a_plan_below_the_current_one_is_not_offered(entity: BillableEntity) -> None:
    plan_of("cheap but large", 100, 100)

    assert offered(entity, 5) == []


def test_a_product_adds_to_what_there_is(entity: BillableEntity) -> None:
    product_of("pack", 20, 300)
    product_of("tiny pack", 1, 50)

    (way,) = offered(entity, 5)

    assert (way["type"], way["code"], way["amountAfter"]) == ("product", "pack", 30)


def test_the_cheapest_way_comes_first_and_what_has_no_price_last(entity: BillableEntity) -> None:
    plan_of("dear", 100, 9000)
    plan_of("by agreement", None, None)
    product_of("pack", 20, 300)

    assert codes(offered(entity, 5)) == ["pack", "dear", "by agreement"]


def test_at_most_five_ways_are_named(entity: BillableEntity) -> None:
    for number in range(7):
        product_of(f"pack {number}", 20, 300 + number)

    assert codes(offered(entity, 5)) == [f"pack {number}" for number in range(5)]


def test_without_a_plan_every_plan_is_offered() -> None:
    GrantFactory(amount=1)
    plan_of("free", 50, 0)

    assert codes(offered(BillableEntityFactory(), 5)) == ["free"]


def test_a_plan_that_is_withdrawn_is_offered_no_more(entity: BillableEntity) -> None:
    large = plan_of("large", 100, 2000)
    assert codes(offered(entity, 5)) == ["large"]

    Plan.objects.filter(pk=large.pk).update(is_active=False, updated_at=NOON + timedelta(minutes=1))

    assert offered(entity, 5) == []


def test_a_plan_made_in_another_process_is_offered_at_once(entity: BillableEntity) -> None:
    assert offered(entity, 5) == []

    plan_of("large", 100, 2000)

    assert codes(offered(entity, 5)) == ["large"]


def test_a_capacity_is_offered_by_what_it_would_hold() -> None:
    places, entity = PlacesFactory(), BillableEntityFactory()
    assign(entity, plan_of("starter", 1, 500, places), source=AssignmentSource.INTERNAL, now=NOON)
    plan_of("large", 3, 900, places)
    plan_of("larger", 9, 1900, places)
    take_place(entity, "desk")

    with pytest.raises(CapacityLocked) as refused:
        take_place(entity, "sofa", number=4)

    ways = refused.value.details["unlock"]
    assert [(way["code"], way["amountAfter"]) for way in ways] == [("larger", 9)]
