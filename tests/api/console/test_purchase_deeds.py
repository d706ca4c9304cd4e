"""Refunds, voids and corrections by staff over HTTP: once, answered again from the adjustment they made."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from billing.payments import by_hand
from tests.api.world import client_of
from tests.console.support import staff
from tests.entitlements.proof import assert_no_difference
from tests.gadgets.factories import CreditsFactory
from tests.payments.support import Given, Refunding, bought, given

pytestmark = pytest.mark.django_db

BASE = "/api/console/billing/purchases"
WHY = {"reason": "It did not help."}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Refunding:
    made = Refunding()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    return made


@pytest.fixture
def purchase(provider: Refunding) -> Purchase:
    """A pack for 10.00 EUR: 100 credits."""
    return bought((CreditsFactory(), 100))


@pytest.fixture
def bert() -> APIClient:
    return client_of(staff("billing.adjust_purchases", username="bert"))


def post(client: APIClient, row: int | Purchase, deed: str, body: Any = None, *, key: str = "a-key") -> Any:
    number = row.pk if isinstance(row, Purchase) else row
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"{BASE}/{number}/{deed}", {**WHY, **(body or {})}, format="json", headers=headers)


def test_half_is_refunded(bert: APIClient, purchase: Purchase, provider: Refunding) -> None:
    answer = post(bert, purchase, "refund", {"amountMinor": 500})

    told = answer.json()
    assert answer.status_code == 200
    assert (told["adjustment"]["amountMinor"], told["adjustment"]["status"]) == (-500, "succeeded")
    assert (told["adjustment"]["requestedBy"], told["adjustment"]["reason"]) == ("bert", "It did not help.")
    assert (told["purchase"]["status"], len(told["purchase"]["adjustments"])) == ("partially_refunded", 1)
    assert given(purchase) == [Given(100, 50, False, False)]
    assert BillingEvent.objects.filter(event_type="operator", actor="bert").count() == 1
    assert_no_difference()


def test_a_repeat_gives_nothing_back_again(bert: APIClient, purchase: Purchase, provider: Refunding) -> None:
    first = post(bert, purchase, "refund")

    again = post(bert, purchase, "refund")
    other = post(bert, purchase, "refund", {"amountMinor": 1})

    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (200, first.json(), "true")
    assert (other.status_code, other.json()["code"]) == (409, "PURCHASE_ADJUSTMENT_DUPLICATE")
    assert provider.count("refund") == 1


def test_what_is_not_allowed_says_how_much_would_be(bert: APIClient, purchase: Purchase) -> None:
    much = post(bert, purchase, "refund", {"amountMinor": 1001})
    post(bert, purchase, "refund", {"amountMinor": 1}, key="2")
    void = post(bert, purchase, "void", key="3")

    assert (much.status_code, much.json()["code"]) == (409, "PURCHASE_REFUND_NOT_ALLOWED")
    assert much.json()["details"]["refundableMinor"] == 1000
    assert (void.status_code, void.json()["code"]) == (409, "PURCHASE_VOID_NOT_ALLOWED")
    assert PurchaseAdjustment.objects.filter(status="failed").count() == 2, "every attempt leaves a row"


def test_a_provider_that_does_not_answer_is_asked_again(
    bert: APIClient, purchase: Purchase, provider: Refunding
) -> None:
    provider.loses_answer()

    lost = post(bert, purchase, "refund")
    again = post(bert, purchase, "refund")

    assert (lost.status_code, lost.json()["code"]) == (502, "checkout_provider_error")
    assert again.status_code == 200
    assert provider.count("refund") == 1


def test_a_provider_nobody_speaks_to_any_more_cannot_refund(bert: APIClient) -> None:
    purchase = bought((CreditsFactory(), 100))
    Purchase.objects.update(provider="gone")

    answer = post(bert, purchase, "refund")

    assert (answer.status_code, answer.json()["code"]) == (501, "PROVIDER_OPERATION_NOT_SUPPORTED")
    assert given(purchase)[0].taken == 0


def test_a_purchase_is_voided_and_another_corrected(bert: APIClient, purchase: Purchase, provider: Refunding) -> None:
    corrected = post(bert, purchase, "corrections", {"amountMinor": -250}, key="1")
    void = post(bert, purchase, "void", key="2")

    assert (corrected.json()["adjustment"]["action"], corrected.json()["purchase"]["status"]) == (
        "correction",
        "confirmed",
    )
    assert (void.status_code, void.json()["purchase"]["status"]) == (200, "voided")
    assert given(purchase) == [Given(100, 100, False, True)]
    assert provider.calls == []


@pytest.mark.parametrize(
    ("deed", "body", "field"),
    [
        ("refund", {"amountMinor": 0}, "amountMinor"),
        ("refund", {"amountMinor": "5"}, "amountMinor"),
        ("refund", {"amountMinor": 2**63}, "amountMinor"),
        ("refund", {"reason": " "}, "reason"),
        ("void", {"reason": None}, "reason"),
        ("corrections", {}, "amountMinor"),
        ("corrections", {"amountMinor": 0}, "amountMinor"),
        ("corrections", {"amountMinor": -1001}, "amountMinor"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(
    bert: APIClient, purchase: Purchase, deed: str, body: dict[str, Any], field: str
) -> None:
    answer = post(bert, purchase, deed, body)

    assert (answer.status_code, list(answer.json()["fieldErrors"])) == (400, [field])
    assert not PurchaseAdjustment.objects.exists()


@pytest.mark.parametrize("deed", ["refund", "void", "corrections"])
def test_a_key_the_permission_and_a_purchase_are_needed(bert: APIClient, purchase: Purchase, deed: str) -> None:
    looking = client_of(staff("billing.view_purchase", "billing.set_plan"))
    body = {"amountMinor": 5} if deed == "corrections" else {}

    keyless, denied, nothing = (
        post(bert, purchase, deed, body, key=""),
        post(looking, purchase, deed, body),
        post(bert, 999_999, deed, body),
    )

    assert (keyless.status_code, keyless.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert (denied.status_code, denied.json()["details"]["permission"]) == (403, "billing.adjust_purchases")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "PURCHASE_NOT_FOUND")
    assert not PurchaseAdjustment.objects.exists()
