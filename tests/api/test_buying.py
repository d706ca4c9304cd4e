"""A whole purchase over HTTP with a provider behind it: only what is confirmed grants, and nothing goes wrong twice."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.models import CheckoutSession, Grant, PlanAssignment, Purchase
from billing.payments.reconciling import reconcile
from billing.payments.sessions import LIFETIME, STALE
from tests import NOON
from tests.api.world import World
from tests.factories import DefinitionFactory, PlanTemplateFactory, ProductTemplateFactory
from tests.payments.provider import Provider, provider  # noqa: F401 - a fixture
from tests.payments.shop import pack, pro

CHECKOUT = "/api/billing/checkout"


@pytest.fixture
def admin(world: World) -> APIClient:
    limit = DefinitionFactory(code="calls", balance=True)
    ProductTemplateFactory(product=pack(), definition=limit, amount=100)
    PlanTemplateFactory(plan=pro(), definition=limit, amount=1000)
    return world.in_acme("admin")


def post(client: APIClient, key: str = "k", url: str = CHECKOUT, **body: Any) -> Any:
    return client.post(url, body, headers={"Idempotency-Key": key})


def has(client: APIClient) -> dict[str, Any]:
    """What the customer has, as far as any client can see."""
    limits = client.get("/api/billing/limitations").json()["limitations"]
    plan = client.get("/api/billing/plan-state").json()
    bought = client.get("/api/billing/purchases").json()["entries"]
    return {
        "calls": [limit["grantedAmount"] for limit in limits if limit["code"] == "calls"],
        "plan": plan["currentPlan"] and plan["currentPlan"]["plan"]["code"],
        "purchases": len(bought),
        "facts": (Grant.objects.count(), PlanAssignment.objects.count(), Purchase.objects.count()),
    }


@pytest.mark.parametrize("body", [{"productCode": "pack", "quantity": 2}, {"planCode": "pro"}])
def test_neither_a_checkout_nor_the_way_back_from_it_changes_anything(
    admin: APIClient,
    world: World,
    provider: Provider,  # noqa: F811
    body: dict[str, Any],
) -> None:
    nothing = has(admin)
    opened = post(admin, **body, successPath="/w/acme/billing?paid=1").json()
    session = provider.get(opened["sessionId"])
    browser = Client()
    browser.force_login(world.people["admin"])

    assert has(admin) == nothing
    provider.pay(opened["sessionId"])
    for address in (session["success_url"], session["cancel_url"], "/w/acme/billing?paid=1&session_id=cs_1"):
        way_back = urlsplit(address)
        browser.get(f"{way_back.path}?{way_back.query}")
        browser.post(f"{way_back.path}?{way_back.query}")
    assert has(admin) == nothing
    reconcile(now=NOON + LIFETIME)
    assert has(admin) == nothing

    provider.deliver()
    found = has(admin)
    assert found["purchases"] == 1
    if "planCode" in body:
        assert found["plan"] == "pro"
    else:
        assert found["calls"] in ([200], [])
        assert Grant.objects.get().amount == 200


def test_a_paid_checkout_blocks_until_its_fact_has_come(admin: APIClient, provider: Provider) -> None:  # noqa: F811
    first = post(admin, planCode="pro").json()
    provider.pay(first["sessionId"])

    early = post(admin, "k2", planCode="pro")
    provider.deliver()
    late = post(admin, "k3", planCode="pro")
    beside = post(admin, "k4", productCode="pack")

    assert (early.status_code, early.json()["code"]) == (409, "checkout_completion_pending")
    assert (late.status_code, late.json()["code"]) == (409, "subscription_exists_use_portal")
    assert beside.status_code == 201
    assert CheckoutSession.objects.get(provider_session_id=first["sessionId"]).status == "completed"


@pytest.mark.parametrize("kind", ["down", "lost", "error", "busy", "nonsense"])
def test_whatever_goes_wrong_the_customer_pays_once(
    admin: APIClient,
    provider: Provider,  # noqa: F811
    kind: str,
) -> None:
    provider.fail(kind, door="POST /v1/checkout/sessions", times=10)
    failed = post(admin, productCode="pack")
    provider.heal()

    opened = post(admin, productCode="pack")
    again = post(admin, productCode="pack")
    provider.pay(opened.json()["sessionId"])
    provider.deliver()

    assert (failed.status_code, failed.json()["code"]) == (502, "checkout_provider_error")
    assert opened.status_code == 201
    assert again.json() == opened.json()
    assert len(sessions(provider)) == 1
    assert Purchase.objects.count() == Grant.objects.count() == 1


def test_what_a_lost_answer_left_is_found_again_without_the_customer(
    admin: APIClient,
    provider: Provider,  # noqa: F811
) -> None:
    provider.fail("lost", door="POST /v1/checkout/sessions", times=10)
    post(admin, productCode="pack")
    provider.heal()

    reconcile(now=NOON + STALE)

    row = CheckoutSession.objects.get()
    assert (row.status, len(sessions(provider))) == ("open", 1)
    assert post(admin, productCode="pack").json()["checkoutUrl"] == row.checkout_url


def test_an_event_for_a_checkout_whose_answer_was_lost_is_tied_to_it(
    admin: APIClient,
    provider: Provider,  # noqa: F811
) -> None:
    provider.fail("lost", door="POST /v1/checkout/sessions", times=10)
    post(admin, productCode="pack")
    provider.heal()
    (session,) = sessions(provider)
    provider.pay(session)

    provider.deliver()

    row = CheckoutSession.objects.get()
    assert (row.status, row.provider_session_id) == ("completed", session)
    assert Purchase.objects.get().billable_entity_id == row.billable_entity_id


def test_closing_a_checkout_closes_the_page(admin: APIClient, provider: Provider) -> None:  # noqa: F811
    opened = post(admin, productCode="pack").json()

    assert admin.delete(CHECKOUT).json() == {"closed": True}

    assert provider.get(opened["sessionId"])["status"] == "expired"
    provider.deliver()
    assert CheckoutSession.objects.get().status == "expired"


def test_the_portal_and_the_cards_are_those_of_who_bought(admin: APIClient, provider: Provider) -> None:  # noqa: F811
    opened = post(admin, planCode="pro").json()
    provider.pay(opened["sessionId"])
    provider.deliver()

    portal = post(admin, "k2", "/api/billing/portal", returnPath="/w/acme")
    (card,) = admin.get("/api/billing/payment-methods").json()["paymentMethods"]
    added = post(admin, "k3", "/api/billing/payment-methods")
    default = post(admin, "k4", f"/api/billing/payment-methods/{card['id']}/default")

    assert portal.status_code == 200, portal.content
    assert added.status_code == 200, added.content
    assert default.status_code == 200, default.content
    assert len(card["last4"]) == 4


def sessions(provider: Provider) -> list[str]:  # noqa: F811
    """Checkouts the provider has made."""
    return [str(row[0]) for row in provider.store.rows("SELECT id FROM objects WHERE kind = 'checkout.session'")]
