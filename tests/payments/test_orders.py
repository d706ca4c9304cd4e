"""Providers tell things late, twice and in any order: in the end it is as if they had been told once and in theirs."""

from __future__ import annotations

import os
import random
from difflib import ndiff
from itertools import permutations

import pytest

from tests.entitlements.proof import assert_no_difference
from tests.gadgets.limits import CREDITS
from tests.payments.ends import Final
from tests.payments.provider import Provider, provider  # noqa: F401 - a fixture
from tests.payments.told import DAY, Customer, Event, customer_at, live, tell, tell_late, undone

pytestmark = pytest.mark.django_db

#: How many lives, and in how many orders each is told. ``MOZAIKS_ORDERS=500`` is the long form.
ORDERS = int(os.environ.get("MOZAIKS_ORDERS", "60"))
TELLINGS = 10 if ORDERS <= 100 else 20
SEED = int(os.environ.get("MOZAIKS_SEED") or "20260221")
FIVE = (
    "checkout.session.completed",
    "customer.subscription.created",
    "invoice.paid",
    "payment_intent.succeeded",
    "customer.subscription.updated",
)


def told_in(customer: Customer, events: list[Event]) -> Final:
    """What has become of it, undone again; the projections are what the facts say, and nothing waits any more."""
    with undone():
        found = tell(customer, events)
        assert found.failed == ()
        assert_no_difference([customer.entity.pk])
    return found


def assert_the_same(found: Final, expected: Final, order: list[Event]) -> None:
    names = "\n".join(f"    {event['id'][-6:]} {event['type']}" for event in order)
    differences = [line for line in ndiff(str(expected).splitlines(), str(found).splitlines()) if line[0] in "-+"]
    assert not differences, "\n".join([*differences, "in another order:", names])


@pytest.mark.parametrize("default", [True, False], ids=["from the free plan", "from nothing"])
def test_all_120_orders_of_a_purchase_end_alike(provider: Provider, default: bool) -> None:  # noqa: F811
    customer = customer_at(provider, default=default)
    customer.buy("basic")
    five = [next(event for event in provider.events(name)) for name in FIVE]
    in_order = sorted(five, key=lambda event: (event["created"], event["id"]))
    expected = told_in(customer, in_order)
    assert any("basic" in row for row in expected.assignments)
    assert [row[6] for row in expected.purchases] == ["basic"]
    assert len(expected.grants) >= 4

    for order in permutations(in_order):
        assert_the_same(told_in(customer, list(order)), expected, list(order))


def test_what_a_report_begins_is_frozen_where_its_invoice_is_disputed_already(provider: Provider) -> None:  # noqa: F811
    customer = customer_at(provider)
    customer.buy("basic")
    (payment,) = provider.payments()
    provider.dispute(payment["id"])
    events = provider.take()
    expected = told_in(customer, events)
    (credits_,) = [row for row in expected.grants if row[0] == CREDITS]
    assert credits_[-1] is True
    reports = [event for event in events if event["type"].startswith("customer.subscription.")]

    order = [*(event for event in events if event not in reports), *reports]

    assert_the_same(told_in(customer, order), expected, order)


@pytest.mark.parametrize("seed", list(range(SEED, SEED + ORDERS // TELLINGS)))
def test_random_orders_of_longer_lives_end_alike(provider: Provider, seed: int) -> None:  # noqa: F811
    print(f"MOZAIKS_SEED={seed}")
    chance = random.Random(seed)
    customer = customer_at(provider)
    live(customer, seed=seed, deeds=chance.randint(6, 22))
    print(*customer.deeds, sep=", ")
    events = provider.take()
    expected = told_in(customer, events)
    assert expected.purchases

    for _ in range(TELLINGS):
        order = [*events, *chance.sample(events, len(events) // 4)]
        chance.shuffle(order)
        assert_the_same(told_in(customer, order), expected, order)


@pytest.mark.parametrize("seed", list(range(SEED, SEED + ORDERS // 20)))
def test_told_as_it_happens_it_ends_as_told_afterwards(provider: Provider, seed: int) -> None:  # noqa: F811
    """Late, in any order and more than once, while periods begin and end here by the clock."""
    print(f"MOZAIKS_SEED={seed}")
    chance = random.Random(seed)
    customer = customer_at(provider)
    live(customer, seed=seed, deeds=chance.randint(6, 22))
    print(*customer.deeds, sep=", ")
    events = provider.take()
    with undone():
        expected = tell(customer, events, at=customer.at + 3 * DAY)

    for _ in range(2):
        with undone():
            found = tell_late(customer, events, chance=chance)
            assert_no_difference([customer.entity.pk])
        assert_the_same(found, expected, events)
