"""What the provider tells after a payment: refunds with their own amounts, disputes; and what of it takes units back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from billing.errors import LimitExceeded
from billing.models import GrantAdjustment, PurchaseAdjustment
from billing.models.catalog import ProductGrantKind
from billing.models.purchases import PurchaseActionStatus, PurchaseStatus
from billing.payments.connectors.facts import DisputeState, RefundStatus
from billing.payments.purchases import NotYetTied
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.entitlements.proof import assert_no_difference
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.services import charge, press
from tests.payments.support import PRICE, Given, bought, disputed, given, refunded, tell

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_drift(db: None) -> Iterator[None]:
    yield
    assert_no_difference()


def status_of(row: PurchaseAdjustment) -> tuple[str, str]:
    """Of the attempt, and of the purchase."""
    row.purchase.refresh_from_db()
    return row.status, row.purchase.status


def test_a_refund_takes_its_share_rounded_down() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))

    row = tell(refunded(PRICE // 4), now=LATER)

    assert numbers(purchase.billable_entity, money) == Numbers(8, 0, 8)
    assert status_of(row) == ("succeeded", PurchaseStatus.PARTIALLY_REFUNDED)
    assert (row.amount_minor, row.provider_reference) == (-250, "re_1")


def test_used_units_stay_used() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    charge(purchase.billable_entity, 7)

    tell(refunded(PRICE // 2), now=LATER)

    assert numbers(purchase.billable_entity, money) == Numbers(7, 7, 0)
    assert given(purchase) == [Given(10, 3, False, False)]


def test_the_refund_that_reaches_what_was_paid_takes_all_that_is_left_and_ends_the_grant() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    charge(purchase.billable_entity, 2)
    for number, amount in enumerate((333, 333, 334)):
        tell(refunded(amount, f"re_{number}"), now=LATER)

    assert given(purchase) == [Given(10, 8, False, True)]
    assert numbers(purchase.billable_entity, money) == Numbers(0, 0, 0)
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.REFUNDED


def test_more_than_was_paid_counts_for_nothing() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    tell(refunded(PRICE, "re_1"))

    tell(refunded(PRICE, "re_2"), now=LATER)

    assert [row.metadata_json["counted_minor"] for row in purchase.adjustments.order_by("pk")] == [PRICE, 0]
    assert given(purchase) == [Given(10, 10, False, True)]


def test_the_same_refund_again_takes_nothing_even_where_units_came_back_since() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    charge(purchase.billable_entity, 10, key="all")
    tell(refunded(500))
    facts = GrantAdjustment.objects.count()

    tell(refunded(500), now=LATER)

    assert (PurchaseAdjustment.objects.count(), GrantAdjustment.objects.count()) == (1, facts)
    assert given(purchase) == [Given(10, 0, False, False)]


def test_a_refund_before_its_payment_waits() -> None:
    with pytest.raises(NotYetTied):
        tell(refunded(100))


def test_a_refund_in_another_currency_waits_for_an_operator() -> None:
    bought((CreditsFactory(), 10))

    with pytest.raises(NotYetTied, match="EUR"):
        tell(refunded(100, currency="usd"))


def test_a_pending_refund_takes_nothing_until_it_has_succeeded() -> None:
    purchase = bought((CreditsFactory(), 10))

    row = tell(refunded(500, status=RefundStatus.PENDING))
    assert (status_of(row), given(purchase)) == (("recorded", "confirmed"), [Given(10, 0, False, False)])

    row = tell(refunded(500), now=LATER)
    assert (status_of(row), given(purchase)) == (("succeeded", "partially_refunded"), [Given(10, 5, False, False)])


@pytest.mark.parametrize("late", [RefundStatus.FAILED, RefundStatus.SUCCEEDED])
def test_a_refund_that_fails_after_all_is_for_an_operator_whatever_is_heard_first(late: RefundStatus) -> None:
    """The units stay taken: the customer was promised the money, and somebody has to find another way to give it."""
    purchase = bought((CreditsFactory(), 10))
    for status in sorted((RefundStatus.FAILED, RefundStatus.SUCCEEDED), key=lambda status: status is late):
        row = tell(refunded(500, status=status))

    assert status_of(row) == (PurchaseActionStatus.FAILED, PurchaseStatus.CONFIRMED)
    assert (row.purchase.flag, given(purchase)) == ("refund_failed", [Given(10, 5, False, False)])


def test_of_a_lot_that_renews_the_share_is_taken_and_the_running_window_keeps_what_it_paid() -> None:
    presses = PressesFactory()
    purchase = bought((presses, 10), kind=ProductGrantKind.TIMEBOXED_ADDON)
    press(purchase.billable_entity, "eight", amount=8)

    tell(refunded(500), now=LATER)

    assert given(purchase) == [Given(10, 5, False, False)]
    assert numbers(purchase.billable_entity, presses) == Numbers(8, 8, 0)
    with pytest.raises(LimitExceeded):
        press(purchase.billable_entity, "one more", now=LATER)


def test_capacities_states_and_unlimited_grants() -> None:
    places, access, money = PlacesFactory(), AccessFactory(), CreditsFactory()
    purchase = bought((places, 10), (access, 1), (money, None))
    entity = purchase.billable_entity

    tell(refunded(500, "re_1"), now=LATER)
    assert numbers(entity, places).granted == 5
    assert (numbers(entity, access).granted, numbers(entity, money).granted) == (1, None)

    tell(refunded(500, "re_2"), now=LATER)
    assert [numbers(entity, each).granted for each in (places, access, money)] == [0, 0, 0]
    assert all(each.ended for each in given(purchase))


# -- disputes ----------------------------------------------------------------------------------------------------------


def test_while_a_dispute_is_open_nothing_can_be_used_and_when_it_is_won_all_is_back() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    entity = purchase.billable_entity
    charge(entity, 4)

    row = tell(disputed(DisputeState.OPENED), now=LATER)
    assert status_of(row) == ("recorded", PurchaseStatus.DISPUTED)
    assert numbers(entity, money) == Numbers(0, 0, 0)
    with pytest.raises(LimitExceeded):
        charge(entity, 1, now=LATER)

    row = tell(disputed(DisputeState.WON), now=LATER)
    assert status_of(row) == ("noop", PurchaseStatus.CONFIRMED)
    assert numbers(entity, money) == Numbers(10, 4, 6)


def test_a_lost_dispute_takes_like_a_refund_of_its_amount_and_releases_the_rest() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    charge(purchase.billable_entity, 4)
    tell(disputed(DisputeState.OPENED, 500))

    row = tell(disputed(DisputeState.LOST, 500), now=LATER)

    assert status_of(row) == ("succeeded", PurchaseStatus.PARTIALLY_REFUNDED)
    assert given(purchase) == [Given(10, 5, False, False)]
    assert numbers(purchase.billable_entity, money) == Numbers(5, 4, 1)


def test_grants_are_frozen_while_one_of_several_disputes_is_open() -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    tell(disputed(DisputeState.OPENED, 100, "dp_1"))
    tell(disputed(DisputeState.OPENED, 100, "dp_2"))

    tell(disputed(DisputeState.WON, 100, "dp_1"), now=LATER)
    assert given(purchase) == [Given(10, 0, True, False)]

    tell(disputed(DisputeState.WON, 100, "dp_2"), now=LATER)
    assert given(purchase) == [Given(10, 0, False, False)]
    assert numbers(purchase.billable_entity, money) == Numbers(10, 0, 10)


def test_an_opening_that_is_heard_of_after_the_end_freezes_nothing() -> None:
    purchase = bought((CreditsFactory(), 10))
    tell(disputed(DisputeState.WON))

    row = tell(disputed(DisputeState.OPENED), now=LATER)

    assert (status_of(row), given(purchase)) == (("noop", "confirmed"), [Given(10, 0, False, False)])


def test_units_a_release_sets_free_pay_overage(settings: Any) -> None:
    money = CreditsFactory()
    purchase = bought((money, 10))
    tell(disputed(DisputeState.OPENED))
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    charge(purchase.billable_entity, 6, now=LATER)

    tell(disputed(DisputeState.WON), now=LATER)

    assert numbers(purchase.billable_entity, money) == Numbers(10, 6, 4)
