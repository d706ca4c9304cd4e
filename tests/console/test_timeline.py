"""The timeline of a customer tells payments, refunds, disputes and renewals in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.entitlements.manual import ByHand
from billing.payments import adjustments
from billing.payments.connectors.facts import DisputeState
from console.customer import customer_page
from mozaiks.kit import clock
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.gadgets.factories import CreditsFactory
from tests.payments.support import Refunding, bought, disputed, refunded, tell
from tests.subscriptions.reporting import DAY, P1, P2, P3, report, reported, sold_plan

pytestmark = pytest.mark.django_db


def test_what_becomes_of_a_purchase_is_told_once_with_who_and_why() -> None:
    purchase = bought((CreditsFactory(), 100))
    by = ByHand(actor="bert", reason="Half of it did not work.")
    adjustments.refund(purchase, amount_minor=500, by=by, operation_key="k", now=NOON, connector=Refunding())
    tell(disputed(DisputeState.OPENED, 300))
    tell(refunded(100, "re_other"))

    page = customer_page(purchase.billable_entity, now=clock.now())

    told = [(item.what, item.detail, item.who) for item in page.timeline]
    number = f"purchase {purchase.pk}"
    assert ("A purchase was paid", "Pack, 10.00 EUR", "stripe") in told
    assert ("Money was refunded", f"5.00 EUR of {number}", "bert") in told
    assert ("Money was refunded", f"1.00 EUR of {number}", "the provider") in told
    assert ("The payment is disputed: its units are frozen", f"3.00 EUR of {number}", "the provider") in told
    assert [item.why for item in page.timeline].count("Half of it did not work.") == 1
    assert [row.went_back for row in page.purchases] == ["6.00 EUR"]  # type: ignore[attr-defined]


def test_renewals_are_told() -> None:
    gold, entity = sold_plan("gold"), BillableEntityFactory()
    report(entity, reported(gold, P1, P2), now=P1)
    report(entity, reported(gold, P2, P3), now=P2 + timedelta(minutes=1))

    page = customer_page(entity, now=P2 + DAY)

    assert "The plan was renewed" in [item.what for item in page.timeline]
