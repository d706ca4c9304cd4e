"""Refunds and disputes of one purchase, with its payment, in every order and more than once: the end is the same."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from billing.models import BillableEntity, Purchase
from billing.payments.connectors.facts import DisputeReported, DisputeState, PaymentConfirmed, RefundReported
from billing.payments.purchases import NotYetTied
from tests import NOON
from tests.entitlements.looking import numbers
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.services import charge, press
from tests.payments.support import confirm, disputed, given, pack, paid, refunded, tell

pytestmark = pytest.mark.django_db

Fact = PaymentConfirmed | RefundReported | DisputeReported
OPENED, WON, LOST = DisputeState.OPENED, DisputeState.WON, DisputeState.LOST

#: What may happen to a purchase of 10.00 EUR after it was paid, four or five events each.
STORIES: dict[str, list[Fact]] = {
    "two refunds in part, one of them told twice": [
        refunded(333, "re_1"),
        refunded(250, "re_2"),
        refunded(333, "re_1"),
        paid(invoice_id="in_1"),
    ],
    "a refund and a dispute that was lost, together more than was paid": [
        refunded(600, "re_1"),
        disputed(OPENED, 1000),
        disputed(LOST, 1000),
        refunded(100, "re_2"),
    ],
    "three refunds that reach what was paid, and a dispute that was won": [
        refunded(333, "re_1"),
        refunded(333, "re_2"),
        refunded(334, "re_3"),
        disputed(OPENED, 500),
        disputed(WON, 500),
    ],
    "two disputes, of which one is open still": [
        disputed(OPENED, 400, "dp_1"),
        disputed(LOST, 400, "dp_1"),
        disputed(OPENED, 300, "dp_2"),
        refunded(125, "re_1"),
    ],
    "two disputes, one won and one lost": [
        disputed(OPENED, 400, "dp_1"),
        disputed(WON, 400, "dp_1"),
        disputed(OPENED, 300, "dp_2"),
        disputed(LOST, 300, "dp_2"),
    ],
}


def live_through(order: tuple[Fact, ...], entity: BillableEntity) -> None:
    """Tell all; what cannot be tied yet is told again later, as the inbox does."""
    waiting = list(order)
    while waiting:
        left = [fact for fact in waiting if not _told(fact, entity)]
        assert len(left) < len(waiting), f"nothing can be tied any more: {left}"
        waiting = left


def _told(fact: Fact, entity: BillableEntity) -> bool:
    try:
        if isinstance(fact, PaymentConfirmed):
            confirm(fact, entity)
        else:
            tell(fact)
    except NotYetTied:
        return False
    return True


def state_of(entity: BillableEntity, purchase: Purchase) -> dict[str, Any]:
    """Balances, grants, where the purchase stands, and what of its money went back."""
    purchase.refresh_from_db()
    definitions = (CreditsFactory(), PressesFactory(), PlacesFactory())
    return {
        "numbers": [numbers(entity, definition) for definition in definitions],
        "grants": given(purchase),
        "status": purchase.status,
        "flag": purchase.flag,
        "ids": (purchase.provider_payment_id, purchase.provider_invoice_id, purchase.dedupe_key),
        "back": sum(row.metadata_json.get("counted_minor", 0) for row in purchase.adjustments.all()),
        "rows": sorted(purchase.adjustments.values_list("action", "provider_reference", "status", "amount_minor")),
    }


def a_customer() -> BillableEntity:
    """Somebody who has other units too, and has used some."""
    entity: BillableEntity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=5)
    GrantFactory(subject=entity, definition=PressesFactory(), amount=5)
    charge(entity, 3)
    press(entity, "three", amount=3)
    return entity


@pytest.mark.parametrize("story", STORIES)
def test_every_order_comes_to_the_same_end(story: str) -> None:
    pack((CreditsFactory(), 17), (PressesFactory(), 101), (PlacesFactory(), 7))
    facts = STORIES[story]
    ends: dict[str, list[tuple[Fact, ...]]] = {}

    for order in permutations(facts):
        entity = a_customer()
        purchase = confirm(paid(), entity).purchase
        live_through(order, entity)
        ends.setdefault(repr(state_of(entity, purchase)), []).append(order)
        Purchase.objects.filter(pk=purchase.pk).update(
            provider_payment_id=None, provider_invoice_id=None, dedupe_key=f"done:{purchase.pk}"
        )

    assert len(ends) == 1, "\n\n".join(ends)
    assert_no_difference()


@pytest.mark.parametrize("story", STORIES)
def test_the_payment_may_be_told_last(story: str) -> None:
    pack((CreditsFactory(), 17))
    first, last = a_customer(), a_customer()

    bought = confirm(paid(), first).purchase
    live_through(tuple(STORIES[story]), first)
    grants = given(bought)
    bought.refresh_from_db()
    status = bought.status
    Purchase.objects.filter(pk=bought.pk).update(
        provider_payment_id=None, provider_invoice_id=None, dedupe_key=f"done:{bought.pk}"
    )
    live_through((*STORIES[story], paid()), last)

    again = Purchase.objects.get(provider_payment_id="pi_1")
    assert (given(again), again.status) == (grants, status)
    assert numbers(last, CreditsFactory()) == numbers(first, CreditsFactory())
    assert_no_difference()


def test_units_used_in_between_stay_used_and_no_more_than_is_left_is_taken_in_any_order() -> None:
    pack((CreditsFactory(), 100))
    facts: list[Fact] = [refunded(500, "re_1"), refunded(250, "re_2"), disputed(LOST, 100)]
    for order in permutations(facts):
        entity: BillableEntity = BillableEntityFactory()
        purchase = confirm(paid(), entity).purchase
        charge(entity, 60, now=NOON)

        live_through(order, entity)

        assert [each.taken for each in given(purchase)] == [40]
        Purchase.objects.filter(pk=purchase.pk).update(provider_payment_id=None, dedupe_key=f"done:{purchase.pk}")
    assert_no_difference()
