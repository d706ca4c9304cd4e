"""A subscriber's life told in the API of 2026 and in that of 2022 ends in the same way, from the inbox to the grants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from billing.entitlements.balances import verify
from billing.models import BillableEntity, BillingEvent, Grant, PlanAssignment, Purchase
from billing.models.checkouts import CheckoutPurpose
from billing.models.events import EventStatus
from billing.payments.fake import connecting
from billing.payments.fake.world import Habits
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)
from tests.payments.provider import Provider, order_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def entity() -> BillableEntity:
    """Somebody who can buy three plans and a pack."""
    for code, amount in (("mini", 500), ("pro", 1900), ("team", 4900)):
        price = {
            "checkout_provider": "stripe",
            "checkout_provider_price_id": f"price_{code}",
            "checkout_currency": "EUR",
        }
        plan = PlanFactory(code=code, checkout_unit_amount_minor=amount, checkout_interval="month", **price)
        PlanTemplateFactory(plan=plan)
    pack = ProductFactory(
        code="pack", provider="stripe", provider_price_id="price_pack", unit_amount_minor=900, currency="EUR"
    )
    ProductTemplateFactory(product=pack, amount=10)
    made: BillableEntity = BillableEntityFactory()
    return made


@pytest.fixture(params=[False, True], ids=["2026", "2022"])
def provider(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Provider]:
    settings.BILLING_FAKE_PROVIDER = True
    provider = Provider(habits=Habits(older_api=request.param))
    connecting.use(provider)
    yield provider
    connecting.use(None)


def live(provider: Provider, entity: BillableEntity) -> None:
    """Pro, two packs, one of them given back, up to Team, down to Mini for the next period, which is then cancelled."""
    connector = provider.connector()

    def order(price: str, key: str, **more: Any) -> str:
        session = connector.checkout(order_of(price, entity_id=entity.pk, operation_key=key, **more)).session_id
        return str(session)

    subscription = provider.pay(order("price_pro", "plan", plan_code="pro"))["subscription"]
    one_off = {"purpose": CheckoutPurpose.ONE_OFF, "product_code": "pack", "quantity": 2}
    payment = provider.pay(order("price_pack", "pack", **one_off))["payment_intent"]
    provider.deliver()
    provider.refund(payment, 900)
    provider.advance(NOON + 14 * DAY)
    connector.change_plan(subscription, "price_team", at_period_end=False, operation_key="up")
    provider.deliver()
    connector.change_plan(subscription, "price_mini", at_period_end=True, operation_key="down")
    provider.advance(NOON + 29 * DAY)
    connector.cancel(subscription, at_period_end=True, operation_key="end")
    provider.advance(NOON + 60 * DAY)
    provider.deliver()


def test_the_same_life_has_the_same_end_in_both_shapes(provider: Provider, entity: BillableEntity) -> None:
    live(provider, entity)

    purchases = Purchase.objects.order_by("purchased_at", "amount_minor").values_list(
        "purchase_kind", "amount_minor", "status", "plan__code", "product__code"
    )
    assert list(purchases) == [
        ("topup", 1800, "partially_refunded", None, "pack"),
        ("subscription_invoice", 1900, "confirmed", "pro", None),
        ("subscription_invoice", 1500, "confirmed", "team", None),
        ("subscription_invoice", 500, "confirmed", "mini", None),
    ]
    assert not Purchase.objects.filter(provider_payment_id=None).exists()
    assert list(PlanAssignment.objects.filter(status="past").order_by("pk").values_list("plan__code", flat=True))[
        :2
    ] == [
        "pro",
        "team",
    ]
    unfinished = BillingEvent.objects.exclude(status__in=[EventStatus.PROCESSED, EventStatus.IGNORED])
    assert [(event.event_name, event.error_text) for event in unfinished] == []
    assert Grant.objects.filter(subject=entity, kind="topup").count() == 1
    assert list(verify()) == []
