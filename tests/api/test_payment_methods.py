"""The ways to pay: the provider's list, written down; one added, made the default, removed; and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import AssignmentProviderDetail, BillingCustomer, PaymentMethod, PlanAssignment
from billing.payments.connectors.base import MethodSeen
from tests.api.world import World, own_entity
from tests.house.rows import insert
from tests.payments.scripted import Scripted

METHODS = "/api/billing/payment-methods"
VISA = MethodSeen(
    method_id="pm_1", method_type="card", brand="visa", last4="4242", exp_month=4, exp_year=2030, is_default=True
)
SEPA = MethodSeen(method_id="pm_2", method_type="sepa_debit", last4="3000")


@pytest.fixture
def admin(world: World, stripe: Scripted) -> APIClient:
    """Of a workspace that Stripe knows, with a card and an account."""
    insert(BillingCustomer, billable_entity=world.entity, provider="stripe", provider_customer_id="cus_1")
    stripe.methods = [VISA, SEPA]
    return world.in_acme("admin", **{"Idempotency-Key": "k"})


def listed(client: APIClient) -> list[dict[str, Any]]:
    answer = client.get(METHODS)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["paymentMethods"]
    return found


def test_the_list_is_what_the_provider_tells(admin: APIClient, stripe: Scripted) -> None:
    visa, sepa = listed(admin)

    assert visa == {
        "id": visa["id"],
        "methodType": "card",
        "brand": "visa",
        "last4": "4242",
        "expMonth": 4,
        "expYear": 2030,
        "isDefault": True,
    }
    assert (sepa["methodType"], sepa["isDefault"]) == ("sepa_debit", False)

    stripe.methods = [SEPA]
    assert [each["id"] for each in listed(admin)] == [sepa["id"]]


def test_while_the_provider_is_silent_it_is_what_it_last_told(admin: APIClient, stripe: Scripted) -> None:
    listed(admin)
    stripe.down()

    answer = admin.get(METHODS).json()

    assert (len(answer["paymentMethods"]), answer["stale"]) == (2, True)


def test_the_same_list_again_writes_nothing(admin: APIClient, django_assert_num_queries: Any) -> None:
    listed(admin)

    with django_assert_num_queries(5):
        listed(admin)


def test_without_a_customer_there_are_none_and_none_can_be_added(world: World, stripe: Scripted) -> None:
    client = world.in_acme("owner", **{"Idempotency-Key": "k"})

    assert listed(client) == []
    refused = client.post(METHODS, {})
    assert (refused.status_code, refused.json()["code"]) == (409, "portal_subscription_required")


def test_one_is_added_on_the_providers_page(admin: APIClient, stripe: Scripted) -> None:
    first, again = (admin.post(METHODS, {"returnPath": "/w/acme"}) for _ in range(2))

    assert (first.status_code, first.json()) == (200, {"url": "https://pay.example.org/methods/cus_1"})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stripe.calls == [("add_payment_method", ("cus_1", "http://testserver/w/acme"))]


def test_another_one_becomes_the_default(admin: APIClient, stripe: Scripted) -> None:
    _, sepa = listed(admin)

    answer = admin.post(f"{METHODS}/{sepa['id']}/default")

    assert (answer.status_code, answer.json()["isDefault"]) == (200, True)
    assert stripe.calls[-1] == ("default_payment_method", ("cus_1", "pm_2"))
    assert PaymentMethod.objects.get(is_default=True).pk == sepa["id"]


def test_a_removed_one_is_gone_once(admin: APIClient, stripe: Scripted) -> None:
    _, sepa = listed(admin)

    gone, again = (admin.delete(f"{METHODS}/{sepa['id']}") for _ in range(2))
    other = admin.delete(f"{METHODS}/{sepa['id']}", headers={"Idempotency-Key": "k2"})

    assert [gone.status_code, again.status_code, other.status_code] == [204, 204, 404]
    assert other.json()["code"] == "PAYMENT_METHOD_NOT_FOUND"
    assert stripe.count("remove_payment_method") == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_key(admin: APIClient, stripe: Scripted) -> None:
    _, sepa = listed(admin)
    stripe.loses_answer()

    lost, gone = (admin.delete(f"{METHODS}/{sepa['id']}") for _ in range(2))

    assert [lost.status_code, gone.status_code] == [502, 204]
    assert stripe.count("remove_payment_method") == 1


def test_the_default_one_stays_while_a_subscription_is_paid_by_it(
    admin: APIClient, world: World, stripe: Scripted
) -> None:
    visa, _ = listed(admin)
    assignment = insert(PlanAssignment, billable_entity=world.entity, status="current", source="provider")
    AssignmentProviderDetail.objects.create(assignment=assignment, provider="stripe", provider_subscription_id="sub_1")

    refused = admin.delete(f"{METHODS}/{visa['id']}")

    assert (refused.status_code, refused.json()["code"]) == (409, "BILLING_DEPENDENCY_CONFLICT")
    assert stripe.count("remove_payment_method") == 0


def test_somebody_elses_is_as_good_as_none(admin: APIClient, world: World, stripe: Scripted) -> None:
    foreign = insert(PaymentMethod, billable_entity=world.foreign_entity, provider="stripe")
    mine = insert(PaymentMethod, billable_entity=own_entity(world.people["admin"]), provider="stripe")

    theirs, none = (admin.delete(f"{METHODS}/{pk}") for pk in (foreign.pk, 10**30))
    my_own = admin.delete(f"{METHODS}/{mine.pk}", headers={"Idempotency-Key": "k2"})

    assert theirs.status_code == none.status_code == 404
    assert theirs.json() == none.json()
    assert (my_own.status_code, my_own.json()["code"]) == (409, "PAYMENT_METHOD_NOT_OWNED_BY_ENTITY")
    assert stripe.count("remove_payment_method") == 0


def test_a_key_with_other_content_is_a_conflict(admin: APIClient) -> None:
    admin.post(METHODS, {})

    refused = admin.post(METHODS, {"returnPath": "/elsewhere"})

    assert (refused.status_code, refused.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
