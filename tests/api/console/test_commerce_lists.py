"""Purchases, assignments and subscriptions as lists for staff: narrowed, paged, and at a price that does not grow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from billing.models import AssignmentProviderDetail, PlanAssignment, ProviderSubscription, Purchase, PurchaseAdjustment
from tests import NOON
from tests.api.world import client_of
from tests.console.support import staff
from tests.factories import BillableEntityFactory, PlanFactory, ProductFactory
from tests.house.rows import insert

pytestmark = pytest.mark.django_db

BASE = "/api/console/billing"
LISTS = {
    "purchases": "billing.view_purchase",
    "plan-assignments": "billing.view_planassignment",
    "subscriptions": "billing.view_providersubscription",
}


@pytest.fixture
def support() -> APIClient:
    """Somebody who may look, and no more."""
    return client_of(staff(*LISTS.values()))


def subscribed(**said: Any) -> PlanAssignment:
    """A customer on a plan by a provider's subscription."""
    row: PlanAssignment = insert(PlanAssignment, source="provider", **said)
    number = f"sub_{row.pk}"
    ids = {"provider": "mock", "provider_subscription_id": number, "provider_customer_id": f"cus_{row.pk}"}
    AssignmentProviderDetail.objects.create(assignment=row, cancel_at_period_end=True, **ids)
    insert(ProviderSubscription, billable_entity=row.billable_entity, **ids)
    return row


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [entry["id"] for entry in answer.json()["entries"]]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_needs_the_permission_to_look(path: str) -> None:
    others = staff(*(permission for name, permission in LISTS.items() if name != path))

    answer = client_of(others).get(f"{BASE}/{path}")

    assert (answer.status_code, answer.json()["details"]["permission"]) == (403, LISTS[path])


@pytest.mark.parametrize("path", LISTS)
def test_a_list_costs_the_same_however_long_it_is(support: APIClient, path: str) -> None:
    costs = set()
    support.get(f"{BASE}/{path}")

    for _ in range(3):
        subscribed(plan=PlanFactory())
        insert(PurchaseAdjustment, purchase=insert(Purchase, product=ProductFactory(), plan=PlanFactory()))
        with CaptureQueriesContext(connection) as asked:
            assert support.get(f"{BASE}/{path}").status_code == 200
        costs.add(len(asked))

    assert len(costs) == 1, costs
    assert max(costs) <= 5, "the token, two for the permissions, the rows, what is told of them"


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_pages(support: APIClient, path: str) -> None:
    for _ in range(3):
        subscribed()
        insert(Purchase)

    first = support.get(f"{BASE}/{path}?pageSize=2").json()
    second = support.get(f"{BASE}/{path}?pageSize=2&page=2").json()

    assert (len(first["entries"]), first["page"], first["pageSize"], first["hasMore"]) == (2, 1, 2, True)
    assert (len(second["entries"]), second["page"], second["hasMore"]) == (1, 2, False)


def test_purchases_tell_what_was_done_to_them(support: APIClient) -> None:
    purchase = insert(
        Purchase, product=ProductFactory(code="pack"), amount_minor=900, provider_payment_id="pi_1", quantity=3
    )
    for amount in (-300, -200):
        insert(PurchaseAdjustment, purchase=purchase, status="succeeded", amount_minor=amount, reason="Too much.")

    (entry,) = support.get(f"{BASE}/purchases?billableEntityId={purchase.billable_entity_id}").json()["entries"]

    told = ("productCode", "planCode", "amountMinor", "quantity", "providerPaymentId", "providerInvoiceId")
    assert [entry[name] for name in told] == ["pack", None, 900, 3, "pi_1", None]
    assert [(each["action"], each["amountMinor"]) for each in entry["adjustments"]] == [
        ("refund", -300),
        ("refund", -200),
    ]


def test_purchases_are_narrowed(support: APIClient) -> None:
    entity = BillableEntityFactory()
    theirs = insert(Purchase, billable_entity=entity, provider_subscription_id="sub_9")
    flagged = insert(Purchase, flag="unknown_product", provider="stripe")
    refunded = insert(Purchase, status="refunded", purchase_kind="subscription_invoice")

    for query, expected in {
        "": [refunded, flagged, theirs],
        f"billableEntityId={entity.pk}": [theirs],
        "status=refunded": [refunded],
        "purchaseKind=subscription_invoice": [refunded],
        "flagged=true": [flagged],
        "flagged=false": [refunded, theirs],
        "provider=stripe": [flagged],
        "providerSubscriptionId=sub_9": [theirs],
        "provider=stripe&flagged=false": [],
    }.items():
        assert ids(support.get(f"{BASE}/purchases?{query}")) == [row.pk for row in expected], query


def test_assignments_are_narrowed(support: APIClient) -> None:
    gold = PlanFactory(code="gold")
    late = insert(PlanAssignment, plan=gold, subscription_status="past_due", past_due_since_at=NOON)
    past = insert(PlanAssignment, status="past", source="sync", period_end_at=NOON + timedelta(days=1))

    for query, expected in {
        "": [past, late],
        f"billableEntityId={late.billable_entity_id}": [late],
        "status=past": [past],
        "subscriptionStatus=past_due": [late],
        "source=sync": [past],
        "planCode=gold": [late],
        "planCode=nothing": [],
    }.items():
        assert ids(support.get(f"{BASE}/plan-assignments?{query}")) == [row.pk for row in expected], query


def test_a_subscription_tells_the_plan_that_comes_of_it(support: APIClient) -> None:
    row = subscribed(plan=PlanFactory(code="gold"))
    insert(ProviderSubscription, provider_subscription_id="sub_unpaid", billable_entity=None)

    unpaid, paid = support.get(f"{BASE}/subscriptions").json()["entries"]

    assert (unpaid["providerSubscriptionId"], unpaid["assignment"]) == ("sub_unpaid", None)
    assert (paid["providerSubscriptionId"], paid["assignment"]["planCode"]) == (f"sub_{row.pk}", "gold")
    assert paid["assignment"]["cancelAtPeriodEnd"] is True
    found = support.get(f"{BASE}/subscriptions?providerCustomerId=cus_{row.pk}").json()["entries"]
    assert [entry["billableEntityId"] for entry in found] == [row.billable_entity_id]


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("purchases", "status=paid", "status"),
        ("purchases", "flagged=yes", "flagged"),
        ("purchases", "billableEntityId=0", "billableEntityId"),
        ("purchases", f"provider={'x' * 192}", "provider"),
        ("plan-assignments", "status=", "status"),
        ("plan-assignments", "billableEntityId=99999999999999999999", "billableEntityId"),
        ("subscriptions", "page=0", "page"),
    ],
)
def test_a_filter_that_is_none_is_told(support: APIClient, path: str, query: str, name: str) -> None:
    answer = support.get(f"{BASE}/{path}?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == [name]
