"""Why a limit is what it is, after money went back: taken, frozen and ended lots are told, and the sums fit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.entitlements.explain import explain
from billing.entitlements.explained import LotState
from billing.entitlements.origins import origins_of
from billing.models import Grant, Purchase
from billing.models.catalog import ProductGrantKind
from billing.payments.connectors.facts import DisputeState
from tests import NOON
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.limits import CREDITS, PRESSES
from tests.gadgets.services import charge, press
from tests.payments.support import PRICE, bought, disputed, refunded, tell

LATER = NOON + timedelta(hours=1)


def sentences(purchase: Purchase) -> str:
    """Where the purchase's one grant came from, and what happened to it."""
    (origin,) = origins_of(list(Grant.objects.filter(source_id=str(purchase.pk)))).values()
    return " ".join(origin.sentences)


@pytest.mark.parametrize("kind", ProductGrantKind)
def test_what_was_taken_back_is_told_and_the_lots_add_up(kind: ProductGrantKind) -> None:
    purchase = bought((PressesFactory(), 10), kind=kind)
    press(purchase.billable_entity, "seven", amount=7)
    tell(refunded(PRICE * 6 // 10), now=LATER)

    told = explain(purchase.billable_entity, PRESSES, now=LATER)

    (lot,) = told.lots
    limit = told.limitation
    assert (lot.granted, lot.used, lot.remaining) == (
        limit.granted_amount,
        limit.consumed_amount,
        limit.effective_amount,
    )
    assert (lot.amount, lot.granted, lot.used, lot.remaining) == (10, 7, 7, 0)
    taken = 3 if kind is ProductGrantKind.ONE_OFF_TOPUP else 6
    assert lot.taken == taken
    assert f"Purchase “Pack” gave 10, {taken} of which were taken back" in " ".join(told.steps)
    assert f"{taken} of it were taken back at" in sentences(purchase)
    assert f"refunded (billing purchase {purchase.pk})" in sentences(purchase)


def test_a_frozen_lot_says_so() -> None:
    purchase = bought((CreditsFactory(), 10))
    charge(purchase.billable_entity, 4)
    tell(disputed(DisputeState.OPENED), now=LATER)

    told = explain(purchase.billable_entity, CREDITS, now=LATER)

    assert [(lot.state, lot.used) for lot in told.lots] == [(LotState.FROZEN, 4)]
    assert "is frozen and does not count" in " ".join(told.steps)
    assert "It was frozen at" in sentences(purchase)


def test_a_purchase_that_was_given_back_whole_says_so() -> None:
    purchase = bought((CreditsFactory(), 10))
    charge(purchase.billable_entity, 10)
    tell(refunded(PRICE), now=LATER)

    told = explain(purchase.billable_entity, CREDITS, now=LATER)

    assert [lot.state for lot in told.lots] == [LotState.ENDED]
    assert "Nothing of it could be taken back" in sentences(purchase)
    assert "It ended at" in sentences(purchase)
