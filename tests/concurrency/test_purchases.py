"""One payment told by many at once is one purchase, granted once; its refunds and disputes take their share once."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Purchase, PurchaseAdjustment
from tests.concurrency import tasks
from tests.concurrency.crowd import all_at_once
from tests.entitlements.looking import Numbers, numbers
from tests.factories import BillableEntityFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.payments.support import Given, given, pack

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]

RIVALS = 6


def test_many_tell_of_one_payment_and_of_what_became_of_it() -> None:
    money, presses = CreditsFactory(), PressesFactory()
    pack((money, 100), (presses, 10))
    entity = BillableEntityFactory()

    told: list[Any] = all_at_once(tasks.tell_all, [(entity.pk, seed) for seed in range(RIVALS)])

    purchase = Purchase.objects.get()
    ids = (purchase.provider_invoice_id, purchase.provider_payment_id, purchase.provider_checkout_session_id)
    assert ids == ("in_1", "pi_1", "cs_1")
    assert PurchaseAdjustment.objects.count() == 3
    assert given(purchase) == [Given(100, 40, False, False), Given(10, 3, False, False)]
    assert numbers(entity, money) == Numbers(60, 0, 60)
    assert numbers(entity, presses) == Numbers(7, 0, 7)
    assert told == [purchase.pk] * RIVALS
