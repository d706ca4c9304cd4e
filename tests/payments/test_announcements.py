"""What becomes of a purchase is told to its workspace once for each change that commits, whatever it does to the limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billing.payments.connectors.facts import DisputeReported, DisputeState, RefundReported, RefundStatus
from tests.entitlements.hearing import heard, told
from tests.factories import BillableEntityFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.limits import CREDITS, PRESSES
from tests.payments.support import PRICE, bought, confirm, disputed, pack, paid, refunded, tell

pytestmark = pytest.mark.django_db


def test_a_purchase_is_one_event_with_all_it_grants_and_its_repeat_none() -> None:
    pack((CreditsFactory(), 10), (PressesFactory(), 5))
    entity = BillableEntityFactory()

    with heard() as events:
        confirm(paid(), entity)
    with heard() as again:
        confirm(paid(), entity)

    assert told(events) == [("purchase_grant", sorted([CREDITS, PRESSES]))]
    assert again == []


def test_a_purchase_of_nobody_knows_what_is_one_more_in_the_list() -> None:
    with heard() as events:
        confirm(paid(price_id="price_unknown"), BillableEntityFactory())

    assert told(events) == [("purchase_grant", [])]


@pytest.mark.parametrize(
    ("fact", "codes"),
    [
        (lambda: refunded(PRICE // 2), [CREDITS]),
        (lambda: refunded(PRICE), [CREDITS]),
        (lambda: disputed(DisputeState.OPENED), [CREDITS]),
        (lambda: disputed(DisputeState.LOST), [CREDITS]),
        (lambda: refunded(1), []),
    ],
)
def test_what_is_taken_back_is_one_event_and_its_repeat_none(
    fact: Callable[[], RefundReported | DisputeReported], codes: list[str]
) -> None:
    bought((CreditsFactory(), 10))

    with heard() as events:
        tell(fact())
    with heard() as again:
        tell(fact())

    assert told(events) == [("purchase_grant", codes)]
    assert again == []


def test_a_refund_that_is_under_way_changes_nothing_yet() -> None:
    bought((CreditsFactory(), 10))

    with heard() as events:
        tell(refunded(PRICE, status=RefundStatus.PENDING))

    assert events == []
