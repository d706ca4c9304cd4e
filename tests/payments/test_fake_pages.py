"""The pages of the fake provider: what a customer sees there, and that nothing on them grants."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from billing.models import BillableEntity, Grant, Plan, PlanAssignment, Product, Purchase
from billing.payments.connectors.base import CheckoutOrder
from billing.payments.fake import courier
from billing.payments.fake.courier import Courier
from tests import NOON
from tests.api.world import client_of, make_world
from tests.console.support import signed_in
from tests.factories import PlanFactory, PlanTemplateFactory, ProductFactory, ProductTemplateFactory, UserFactory
from tests.payments.connectors.gateway import Gateway
from tests.payments.provider import Provider, order_of, provider

__all__ = ["provider"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.payments.pretending")]

WORKS, DECLINED, FAILS = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0000 0000 0341"


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def visitor() -> Client:
    """Somebody with a browser, whom nobody knows."""
    return Client(enforce_csrf_checks=True)


def opened(provider: Provider, **more: Any) -> str:
    """The path of a page on which Pro can be paid."""
    provider.price("price_pro", amount_minor=1900, interval="month", name="Pro")
    return path_of(provider, order_of("price_pro", **more))


def path_of(provider: Provider, order: CheckoutOrder) -> str:
    return provider.connector().checkout(order).url.removeprefix("https://pay.example.org")


def submit(visitor: Client, path: str, **fields: str) -> Any:
    """Look at the page and send its form."""
    page = visitor.get(path).content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return visitor.post(path, {"csrfmiddlewaretoken": found[1], **fields})


def test_the_page_says_what_is_paid_for(provider: Provider, visitor: Client) -> None:
    page = visitor.get(opened(provider, trial_days=14))

    said = re.sub(r"\s+", " ", page.content.decode())
    assert page.status_code == 200
    assert "1 × Pro" in said
    assert "19.00 EUR a month" in said
    assert "14 days" in said
    assert "form-action 'self' https://example.org" in page.headers["Content-Security-Policy"]


def test_paying_leads_back_to_the_shop_and_tells(provider: Provider, visitor: Client) -> None:
    paid = submit(visitor, opened(provider), card=WORKS)

    assert (paid.status_code, paid.headers["Location"]) == (303, "https://example.org/done")
    assert provider.events("checkout.session.completed")


def test_going_back_pays_nothing_and_leaves_the_page_open(provider: Provider, visitor: Client) -> None:
    path = opened(provider)

    left = submit(visitor, path, cancel="1")

    assert (left.status_code, left.headers["Location"]) == (303, "https://example.org/back")
    assert provider.events() == []
    assert visitor.get(path).status_code == 200


@pytest.mark.parametrize("card", [DECLINED, FAILS, "1234", ""])
def test_a_card_that_is_refused_says_so_and_may_be_followed_by_another(
    provider: Provider, visitor: Client, card: str
) -> None:
    path = opened(provider)

    refused = submit(visitor, path, card=card)

    assert refused.status_code == 402
    assert "Your card" in refused.content.decode()
    assert submit(visitor, path, card=WORKS).status_code == 303


def test_a_page_is_paid_once(provider: Provider, visitor: Client) -> None:
    path = opened(provider)
    submit(visitor, path, card=WORKS)

    again = visitor.get(path)

    assert again.status_code == 410
    assert "is complete" in again.content.decode()


def test_another_site_cannot_pay_for_anybody(provider: Provider, visitor: Client) -> None:
    path = opened(provider)

    assert visitor.post(path, {"card": WORKS}).status_code == 403
    assert provider.events() == []


def test_the_pages_are_not_there_where_nobody_plays(provider: Provider, visitor: Client, settings: Settings) -> None:
    path = opened(provider)
    settings.BILLING_FAKE_PROVIDER = False

    assert visitor.get(path).status_code == 404
    assert visitor.get("/pretend/").status_code == 404


def test_what_is_not_there_is_not_found(provider: Provider, visitor: Client) -> None:
    for path in ("/pretend/checkout/cs_test_x", "/pretend/link/plink_x", "/pretend/portal/bps_x"):
        assert visitor.get(path).status_code == 404


def test_a_link_leads_to_a_page(provider: Provider, visitor: Client) -> None:
    provider.price("price_pro", amount_minor=1900, interval="month")
    link = provider.connector().payment_link(order_of("price_pro"))

    followed = visitor.get(link.url.removeprefix("https://pay.example.org"), follow=True)

    assert followed.status_code == 200
    assert "19.00 EUR" in followed.content.decode()


def portal_of(provider: Provider, customer: str) -> str:
    url = provider.connector().portal(customer, return_url="https://example.org/", operation_key=f"portal-{customer}")
    return url.removeprefix("https://pay.example.org")


def subscribed(provider: Provider, *, key: str = "operation-1") -> dict[str, Any]:
    path = opened(provider, operation_key=key)
    return provider.get(provider.pay(path.rpartition("/")[2])["subscription"])


def test_a_customer_cancels_and_comes_back_at_the_portal(provider: Provider, visitor: Client) -> None:
    subscription = subscribed(provider)
    path = portal_of(provider, subscription["customer"])

    submit(visitor, path, cancel=subscription["id"])
    booked = provider.get(subscription["id"])["cancel_at_period_end"]
    submit(visitor, path, resume=subscription["id"])

    assert booked is True
    assert provider.get(subscription["id"])["cancel_at_period_end"] is False


def test_a_customer_pays_an_open_invoice_with_another_card(provider: Provider, visitor: Client) -> None:
    subscription = subscribed(provider)
    path = portal_of(provider, subscription["customer"])
    submit(visitor, path, card=FAILS)
    provider.advance(NOON + timedelta(days=30))
    past_due = provider.get(subscription["id"])["status"]

    submit(visitor, path, card=WORKS)
    submit(visitor, path, pay="1")

    assert (past_due, provider.get(subscription["id"])["status"]) == ("past_due", "active")


def test_a_customer_cannot_touch_what_is_anothers(provider: Provider, visitor: Client) -> None:
    mine, theirs = subscribed(provider, key="mine"), subscribed(provider, key="theirs")

    refused = submit(visitor, portal_of(provider, mine["customer"]), cancel=theirs["id"])

    assert refused.status_code == 402
    assert provider.get(theirs["id"])["cancel_at_period_end"] is False


def test_the_desk_is_for_operators(provider: Provider, visitor: Client) -> None:
    assert visitor.get("/pretend/").status_code == 302
    assert signed_in(UserFactory()).get("/pretend/").status_code == 302


def test_an_operator_plays_fate(provider: Provider) -> None:
    operator = signed_in(UserFactory(is_staff=True))
    subscribed(provider)
    (payment,) = provider.payments()

    for deed in (
        {"refund": payment["id"], "amount": "500"},
        {"dispute": payment["id"]},
        {"days": "31"},
        {"fault": "lost"},
    ):
        assert operator.post("/pretend/", deed).status_code == 302
    (dispute,) = provider.store.all("dispute")
    operator.post("/pretend/", {"lost": dispute["id"]})
    page = operator.get("/pretend/").content.decode()

    assert [event["data"]["object"]["amount"] for event in provider.events("refund.created")] == [500]
    assert provider.get(dispute["id"])["status"] == "lost"
    assert len(provider.events("invoice.paid")) == 2
    assert "2026-03-24" in page
    assert "charge.dispute.closed" in page


@pytest.mark.parametrize("deed", [{"days": "0"}, {"days": "x"}, {"refund": "pi_x"}, {"won": "du_x"}, {}])
def test_a_deed_that_makes_no_sense_does_nothing(provider: Provider, deed: dict[str, str]) -> None:
    operator = signed_in(UserFactory(is_staff=True))

    assert operator.post("/pretend/", deed).status_code == 302
    assert provider.events() == []
    assert provider.now() == NOON


def world_with_offers() -> tuple[BillableEntity, Any, Plan, Product]:
    """Somebody who manages a workspace, and what they can buy."""
    world = make_world()
    plan = PlanFactory(
        code="pro",
        name="Pro",
        checkout_provider="stripe",
        checkout_provider_price_id="price_pro",
        checkout_unit_amount_minor=1900,
        checkout_currency="EUR",
        checkout_interval="month",
    )
    PlanTemplateFactory(plan=plan)
    product = ProductFactory(
        code="pack", provider="stripe", provider_price_id="price_pack", unit_amount_minor=900, currency="EUR"
    )
    ProductTemplateFactory(product=product, amount=100)
    return world.entity, client_of(world.people["owner"], **{"x-workspace-slug": "acme"}), plan, product


def bought(api: Any, **what: Any) -> str:
    """The path of the page the API sends the customer to."""
    answer = api.post("/api/billing/checkout", what, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 201, answer.json()
    url: str = answer.json()["checkoutUrl"]
    return url.removeprefix("https://pay.example.org")


def test_a_plan_arrives_with_the_signed_events_and_with_nothing_else(provider: Provider, visitor: Client) -> None:
    entity, api, plan, _ = world_with_offers()
    path = bought(api, planCode="pro", successPath="/w/acme/billing?paid=1")

    left = submit(visitor, path, card=WORKS)
    assert entity.owner_user is not None
    signed_in(entity.owner_user).get(left.headers["Location"])
    before = (PlanAssignment.objects.filter(plan=plan).count(), Grant.objects.count(), Purchase.objects.count())
    provider.deliver()
    provider.deliver(provider.events())

    assert before == (0, 0, 0)
    current = PlanAssignment.objects.get(billable_entity=entity, status="current")
    assert (current.plan, current.source, current.subscription_status) == (plan, "provider", "active")
    assert Grant.objects.filter(subject=entity).count() == 1
    assert [row.amount_minor for row in Purchase.objects.all()] == [1900]


def test_a_product_arrives_in_the_quantity_that_was_paid(provider: Provider, visitor: Client) -> None:
    entity, api, _, product = world_with_offers()
    submit(visitor, bought(api, productCode="pack", quantity=3), card=WORKS)

    provider.deliver()
    provider.deliver(provider.events()[::-1])

    (purchase,) = Purchase.objects.all()
    (grant,) = Grant.objects.filter(subject=entity)
    assert (purchase.product, purchase.quantity, purchase.amount_minor) == (product, 3, 2700)
    assert grant.amount == 300


def test_the_courier_brings_every_event_and_again_where_the_door_was_shut(provider: Provider) -> None:
    subscribed(provider)
    told = len(provider.events())
    with Gateway() as door:
        door.answer((503, b""))
        bringing = Courier(provider, door=door.url + courier.DOOR)

        taken = [bringing.round(now=NOON + timedelta(seconds=seconds)) for seconds in (0, 0, 2, 3)]

    assert taken == [told - 1, 0, 1, 0]
    assert len(door.asked) == told + 1
    assert {asked["path"] for asked in door.asked} == {"/api/billing/webhooks/stripe"}
    assert provider.undelivered() == []


def test_a_door_that_is_not_there_is_tried_again_later(provider: Provider) -> None:
    subscribed(provider)

    assert Courier(provider, door="http://127.0.0.1:1").round(now=NOON) == 0
    assert provider.undelivered(due_before=NOON.timestamp()) == []
    assert provider.undelivered()
