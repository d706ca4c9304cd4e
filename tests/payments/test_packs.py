"""A pack bought twice, once two at a time: room rises by what was paid for, and leaves with the sixty days it was paid for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from billing.engine.types import Replenish
from billing.entitlements.boundaries import refresh_due_limitations_for_subject
from billing.entitlements.limitations import resolve_effective_limitations
from billing.errors import CapacityLocked
from billing.models import BillableEntity, Grant, Product, Purchase
from billing.models.catalog import ProductGrantKind
from billing.payments.checkout import open_checkout
from billing.payments.connectors import choosing
from tests import NOON
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, GrantFactory, ProductTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.limits import PLACES, PRESSES
from tests.gadgets.models import Place
from tests.gadgets.services import press, take_place
from tests.payments.provider import Provider, provider
from tests.payments.shop import pack, wanted

__all__ = ["provider"]

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def entity() -> BillableEntity:
    """Somebody with 3 places and 20 presses a month for good, in front of a pack of 5 places and 100 presses for 60 days."""
    places, presses = PlacesFactory(), PressesFactory()
    made: BillableEntity = BillableEntityFactory()
    GrantFactory(definition=places, subject=made, amount=3)
    GrantFactory(definition=presses, subject=made, amount=20, replenish=Replenish.PER_WINDOW)
    product = pack(unit_amount_minor=900, currency="EUR")
    for definition, amount in ((places, 5), (presses, 100)):
        ProductTemplateFactory(
            product=product,
            definition=definition,
            amount=amount,
            grant_kind=ProductGrantKind.TIMEBOXED_ADDON,
            duration_days=60,
        )
    return made


def buy(entity: BillableEntity, provider: Provider, *, quantity: int, at: datetime) -> None:
    """The whole way: a checkout, the customer's payment, the signed events."""
    provider.advance(at)
    product = Product.objects.get(code="pack")
    key = f"buy-{at:%j}"
    opened = open_checkout(
        entity,
        wanted(product=product, quantity=quantity),
        connector=choosing.connector(),
        operation_key=key,
        now=at,
    )
    provider.pay(opened.provider_session_id or "")
    provider.deliver()


def room(entity: BillableEntity, *, now: datetime) -> tuple[int | None, int | None]:
    """Places and presses granted at ``now``."""
    found = resolve_effective_limitations(entity, now=now, codes=[PLACES, PRESSES]).limitations
    granted = {each.code: each.granted_amount for each in found}
    return granted[PLACES], granted[PRESSES]


def test_two_purchases_of_three_packs_come_and_go_with_their_days(entity: BillableEntity, provider: Provider) -> None:
    provider.price("price_pack", amount_minor=900, name="Pack")
    assert room(entity, now=NOON) == (3, 20)

    buy(entity, provider, quantity=1, at=NOON)
    assert room(entity, now=NOON) == (8, 120)
    buy(entity, provider, quantity=2, at=NOON + 3 * DAY)
    provider.deliver(provider.events())  # all of it again
    assert room(entity, now=NOON + 3 * DAY) == (18, 320)

    take_place(entity, "desk", number=18, now=NOON + 4 * DAY)
    press(entity, "hard", now=NOON + 4 * DAY)
    with pytest.raises(CapacityLocked):
        take_place(entity, "one more", now=NOON + 4 * DAY)

    assert room(entity, now=NOON + 60 * DAY - timedelta(milliseconds=1)) == (18, 320)
    assert room(entity, now=NOON + 60 * DAY) == (13, 220)
    assert room(entity, now=NOON + 63 * DAY) == (3, 20)
    refresh_due_limitations_for_subject(entity, now=NOON + 63 * DAY)
    assert room(entity, now=NOON + 63 * DAY) == (3, 20)

    assert Place.objects.count() == 18  # what was built stays: no more can be added until fifteen are gone
    assert sorted(Purchase.objects.values_list("quantity", "amount_minor", "status")) == [
        (1, 900, "confirmed"),
        (2, 1800, "confirmed"),
    ]
    assert Grant.objects.filter(source_type="billing_purchase").count() == 4
    assert_no_difference()
