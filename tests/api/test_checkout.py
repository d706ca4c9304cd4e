"""Checkout, portal and payment links over HTTP: whose they are, what may be said, and the same key twice."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import BillingCustomer, CheckoutSession
from tests.api.world import World, own_entity
from tests.house.rows import insert
from tests.payments.scripted import Scripted
from tests.payments.shop import pack, pro

CHECKOUT, PORTAL, LINKS = "/api/billing/checkout", "/api/billing/portal", "/api/billing/payment-links"

TRICKS = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%2Fevil.example",
    "/%5Cevil.example",
    "/%252Fevil.example",
    "/.//evil.example",
    "/a/..//evil.example",
    "/%2e%2e/%2fevil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil",
    "",
    "/a\r\nLocation: https://evil.example",
    "/%0d%0aLocation:x",
    "/\t/evil.example",
    "/%09/evil.example",
    " /a",
    "/ä",
    "/" + "a" * 1000,
]


@pytest.fixture
def admin(world: World) -> APIClient:
    return world.in_acme("admin", **{"Idempotency-Key": "k"})


def post(client: APIClient, url: str = CHECKOUT, *, key: str = "k", **body: Any) -> Any:
    return client.post(url, body, headers={"Idempotency-Key": key})


def test_a_checkout_names_the_page_and_what_it_is_for(admin: APIClient, stripe: Scripted) -> None:
    pro()

    answer = post(admin, planCode="pro", successPath="/w/acme/billing?paid=1", cancelPath="/w/acme")

    assert answer.status_code == 201
    session = CheckoutSession.objects.get()
    assert answer.json() == {
        "checkoutUrl": session.checkout_url,
        "sessionId": session.provider_session_id,
        "status": "open",
        "planCode": "pro",
        "productCode": None,
        "quantity": 1,
        "expiresAt": "2026-02-21T13:00:00.000Z",
    }
    ((_, order),) = stripe.calls
    assert order.success_url == "http://testserver/w/acme/billing?paid=1"
    assert (order.cancel_url, order.customer_email) == ("http://testserver/w/acme", "admin@example.org")


def test_without_paths_the_customer_comes_back_to_the_workspace(
    admin: APIClient, world: World, stripe: Scripted, settings: Any
) -> None:
    settings.PUBLIC_BASE_URL = "https://billing.example.org/"
    pack()
    own_entity(world.people["admin"])

    post(admin, productCode="pack")
    post(world.client("admin"), productCode="pack")

    assert [order.success_url for _, order in stripe.calls] == [
        "https://billing.example.org/w/acme/billing",
        "https://billing.example.org/",
    ]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("field", ["successPath", "cancelPath"])
def test_a_path_that_leads_elsewhere_is_refused_by_name(
    admin: APIClient, stripe: Scripted, field: str, path: str
) -> None:
    pack()

    answer = post(admin, productCode="pack", **{field: path})

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == [field]
    assert not stripe.calls


@pytest.mark.parametrize(
    "path", ["/", "/w/acme/billing?paid=1#top", "/a%20b/%C3%A4", "/done?next=https%3A%2F%2Felse.example/x"]
)
def test_a_path_of_this_site_is_kept_as_it_is(admin: APIClient, stripe: Scripted, path: str) -> None:
    pack()

    answer = post(admin, productCode="pack", successPath=path)

    assert answer.status_code == 201
    assert stripe.calls[0][1].success_url == f"http://testserver{path}"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"planCode": "pro", "productCode": "pack"},
        {"planCode": "pro", "quantity": 2},
        {"productCode": "pack", "quantity": 0},
        {"productCode": "pack", "quantity": 1000},
        {"productCode": "pack", "quantity": "1"},
        {"productCode": "pack", "amountMinor": 1},
        {"productCode": "pack", "priceId": "price_cheap"},
        {"productCode": "pack", "unitAmount": 0, "currency": "XTS"},
    ],
)
def test_what_it_costs_is_not_for_clients_to_say(admin: APIClient, stripe: Scripted, said: dict[str, Any]) -> None:
    pro(), pack()

    answer = post(admin, **said)

    assert answer.status_code == 400
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert not stripe.calls
    assert not CheckoutSession.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"planCode": "none"}, 404, "checkout_plan_not_found"),
        ({"productCode": "none"}, 404, "checkout_product_not_found"),
        ({"planCode": "free"}, 409, "checkout_configuration_invalid"),
    ],
)
def test_what_is_not_for_sale_has_its_code(
    admin: APIClient, stripe: Scripted, body: dict[str, str], status: int, code: str
) -> None:
    pro(code="free", checkout_unit_amount_minor=0)

    answer = post(admin, **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("url", "body"), [(CHECKOUT, {"productCode": "pack"}), (PORTAL, {}), (LINKS, {"productCode": "pack"})]
)
def test_the_same_key_is_the_same_answer_and_other_content_a_conflict(
    admin: APIClient, world: World, stripe: Scripted, url: str, body: dict[str, Any]
) -> None:
    pack()
    insert(BillingCustomer, billable_entity=world.entity, provider="stripe", provider_customer_id="cus_1")
    first = post(admin, url, **body)
    calls = len(stripe.calls)

    again = post(admin, url, **body)
    other = post(admin, url, **body, **({"returnPath": "/a"} if url == PORTAL else {"quantity": 2}))
    keyless = world.in_acme("admin").post(url, body)

    assert first.status_code in {200, 201}
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert len(stripe.calls) == calls


def test_a_provider_that_is_down_is_a_502_and_the_repeat_charges_once(admin: APIClient, stripe: Scripted) -> None:
    pack()
    stripe.loses_answer()
    stripe.down()

    down, lost, answered = (post(admin, productCode="pack") for _ in range(3))

    assert [down.status_code, lost.status_code, answered.status_code] == [502, 502, 201]
    assert down.json()["code"] == "checkout_provider_error"
    assert stripe.count("checkout") == 1


def test_a_refusal_is_not_kept(admin: APIClient, stripe: Scripted) -> None:
    pack()
    stripe.refuses()

    assert [post(admin, productCode="pack").status_code for _ in range(2)] == [502, 201]


def test_another_checkout_waits_until_the_open_one_is_closed(admin: APIClient, stripe: Scripted) -> None:
    pro(), pack()
    post(admin, productCode="pack")

    refused = post(admin, key="k2", planCode="pro")
    closed = admin.delete(CHECKOUT)
    begun = post(admin, key="k2", planCode="pro")

    assert (refused.status_code, refused.json()["code"]) == (409, "checkout_session_open")
    assert refused.json()["details"]["checkoutUrl"].startswith("https://pay.example.org/")
    assert (closed.status_code, closed.json()) == (200, {"closed": True})
    assert begun.status_code == 201


def test_the_portal_needs_something_bought_before(admin: APIClient, world: World, stripe: Scripted) -> None:
    nothing = post(admin, PORTAL)
    insert(BillingCustomer, billable_entity=world.entity, provider="stripe", provider_customer_id="cus_1")

    portal = post(admin, PORTAL, returnPath="/w/acme")

    assert (nothing.status_code, nothing.json()["code"]) == (409, "portal_subscription_required")
    assert portal.json() == {"portalUrl": "https://pay.example.org/portal/cus_1"}
    assert stripe.calls[-1][1] == ("cus_1", "http://testserver/w/acme")


def test_a_link_sells_a_product(admin: APIClient, stripe: Scripted) -> None:
    pack()

    link = post(admin, LINKS, productCode="pack", quantity=2)

    assert (link.status_code, link.json()["paymentLinkUrl"]) == (201, "https://pay.example.org/link")


def test_the_mock_has_no_page_so_nothing_waits_for_it(admin: APIClient) -> None:
    pro(), pack()

    answers = [post(admin, productCode="pack"), post(admin, key="k2", planCode="pro")]

    assert [(answer.status_code, answer.json()["checkoutUrl"]) for answer in answers] == [(201, "self_hosted_mode")] * 2
