"""What an operator does about a purchase: shown first, done once, and to be read on the page of the purchase."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from billing.models import BillingEvent, Grant, Operation, Purchase, PurchaseAdjustment
from billing.payments import by_hand
from billing.payments.connectors.facts import DisputeState, RefundStatus
from billing.payments.connectors.mock import MockConnector
from tests.console.support import address
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, ProductFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.services import charge
from tests.payments.support import Given, Refunding, bought, confirm, disputed, given, pack, paid, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Refunding:
    """The provider that every purchase was paid through."""
    made = Refunding()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    return made


@pytest.fixture
def purchase(provider: Refunding) -> Purchase:
    """A pack for 10.00 EUR: 100 credits, of which 30 are used."""
    made = bought((CreditsFactory(), 100))
    charge(made.billable_entity, 30)
    return made


def page(row: Any, operation: str) -> str:
    return f"{address(type(row), 'change', row.pk).removesuffix('change/')}{operation}/"


def deed(**said: Any) -> dict[str, Any]:
    return {"reason": "It did not help.", "operation_key": "console-test", "_confirmed": "yes", **said}


def unconfirmed(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in deed(**said).items() if name != "_confirmed"}


def said_in(answer: Any) -> list[str]:
    assert answer.status_code == 302, answer.context["form"].errors
    return [str(message) for message in get_messages(answer.wsgi_request)]


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(said) for name, said in answer.context["form"].errors.items()}


def written() -> tuple[int, ...]:
    return tuple(model._default_manager.count() for model in (PurchaseAdjustment, BillingEvent, Operation, Grant))


def test_half_is_refunded_and_half_of_the_units_go(operator: Client, purchase: Purchase, provider: Refunding) -> None:
    before = written()

    shown = operator.post(page(purchase, "refund"), unconfirmed(amount="5.00"))
    unwritten, calls = written(), list(provider.calls)
    done = operator.post(page(purchase, "refund"), deed(amount="5.00"))

    change = shown.context["preview"].changes[0]
    assert (change.before.granted_amount, change.after.granted_amount) == (100, 50)
    assert "stripe would be asked to refund 5.00 EUR; 5.00 EUR could still be refunded then." in shown.content.decode()
    assert (unwritten, calls) == (before, []), "nothing is done before it is confirmed"
    assert said_in(done) == ["Refunded: 5.00 EUR."]
    assert done["Location"] == address(Purchase, "change", purchase.pk)
    assert given(purchase) == [Given(100, 50, False, False)]
    row = PurchaseAdjustment.objects.get()
    assert (row.amount_minor, row.status, row.requested_by, row.reason) == (
        -500,
        "succeeded",
        "operator",
        "It did not help.",
    )
    purchase.refresh_from_db()
    assert purchase.status == "partially_refunded"
    assert_no_difference()


def test_a_second_click_refunds_nothing_more(operator: Client, purchase: Purchase, provider: Refunding) -> None:
    operator.post(page(purchase, "refund"), deed(amount="5"))
    again = operator.post(page(purchase, "refund"), deed(amount="5"))
    other = operator.post(page(purchase, "refund"), deed(amount="4"))

    assert said_in(again)[-1] == "Refunded: 5.00 EUR."
    assert "used before" in errors_of(other)["__all__"][0]
    assert provider.count("refund") == 1
    assert given(purchase)[0].taken == 50


def test_an_empty_amount_is_all_that_is_left(operator: Client, purchase: Purchase, provider: Refunding) -> None:
    operator.post(page(purchase, "refund"), deed(amount="2.50"))

    rest = operator.post(page(purchase, "refund"), deed(amount="", operation_key="k2"))

    assert said_in(rest)[-1] == "Refunded: 7.50 EUR."
    assert given(purchase) == [Given(100, 70, False, True)]
    assert "Refund" not in _buttons(operator, purchase)


def test_a_provider_that_is_silent_is_asked_again_under_the_same_key(
    operator: Client, purchase: Purchase, provider: Refunding
) -> None:
    provider.loses_answer()

    lost = operator.post(page(purchase, "refund"), deed(amount="5"))
    again = operator.post(page(purchase, "refund"), deed(amount="5"))

    assert "did not answer" in errors_of(lost)["__all__"][0]
    assert lost.context["form"]["operation_key"].value() == "console-test"
    assert said_in(again)[-1] == "Refunded: 5.00 EUR."
    assert provider.count("refund") == 1


def test_a_refund_that_is_not_decided_yet_says_so(operator: Client, purchase: Purchase, provider: Refunding) -> None:
    provider.status = RefundStatus.PENDING

    done = operator.post(page(purchase, "refund"), deed(amount="5"))

    assert "has accepted to refund 5.00 EUR" in said_in(done)[0]
    assert given(purchase)[0].taken == 0


def test_a_provider_that_refuses_or_cannot_is_told(
    operator: Client, purchase: Purchase, provider: Refunding, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.refuses()
    refused = operator.post(page(purchase, "refund"), deed(amount="5"))
    monkeypatch.setattr(by_hand, "connector_named", lambda name: MockConnector(webhook_secrets=[]))
    cannot = operator.post(page(purchase, "refund"), deed(amount="5", operation_key="k2"))

    assert "refused" in errors_of(refused)["__all__"][0]
    assert errors_of(cannot)["__all__"]
    assert {row.status for row in PurchaseAdjustment.objects.all()} == {"failed"}
    assert given(purchase)[0].taken == 0


@pytest.mark.parametrize(
    ("amount", "field"), [("0", "amount"), ("-1", "amount"), ("1.005", "amount"), ("11", "amount"), ("x", "amount")]
)
def test_what_cannot_be_refunded_is_told_before_anybody_is_asked(
    operator: Client, purchase: Purchase, provider: Refunding, amount: str, field: str
) -> None:
    answer = operator.post(page(purchase, "refund"), unconfirmed(amount=amount))

    assert list(errors_of(answer)) == [field]
    assert provider.calls == []
    assert not PurchaseAdjustment.objects.exists()


def test_a_purchase_is_voided_without_money(operator: Client, purchase: Purchase, provider: Refunding) -> None:
    shown = operator.post(page(purchase, "void"), unconfirmed())
    done = operator.post(page(purchase, "void"), deed())
    again = operator.post(page(purchase, "void"), deed())

    assert "No money moves" in shown.context["announced"]
    assert said_in(done) == [f"Purchase {purchase.pk} is void: what was left of its grants is taken back."]
    assert said_in(again)
    assert provider.calls == []
    assert given(purchase) == [Given(100, 70, False, True)]
    assert PurchaseAdjustment.objects.count() == 1
    assert not {"Refund", "Void"} & _buttons(operator, purchase)


def test_a_correction_moves_no_units(operator: Client, purchase: Purchase) -> None:
    shown = operator.post(page(purchase, "correct"), unconfirmed(amount="-2.50"))
    done = operator.post(page(purchase, "correct"), deed(amount="-2.50"))

    assert shown.context["preview"].changes == ()
    assert said_in(done) == ["Noted: 2.50 EUR less than the provider told."]
    assert [row.amount_minor for row in PurchaseAdjustment.objects.all()] == [-250]
    assert given(purchase)[0].taken == 0


def test_a_payment_nobody_knew_what_for_is_given_its_product(operator: Client) -> None:
    flagged = confirm(paid(price_id="price_lost"), BillableEntityFactory()).purchase
    product = pack((PressesFactory(), 20), provider_price_id="price_other")
    assert flagged.flag == "unknown_product"
    assert {"Attach a product", "Looked at"} <= _buttons(operator, flagged)

    shown = operator.post(page(flagged, "attach-product"), unconfirmed(product=product.pk))
    done = operator.post(page(flagged, "attach-product"), deed(product=product.pk))
    again = operator.post(page(flagged, "attach-product"), deed(product=product.pk))

    assert [change.after.granted_amount for change in shown.context["preview"].changes] == [20]
    assert said_in(done) == ["It was for pack: 1 grant made."]
    assert said_in(again)[-1].startswith("Was done before")
    flagged.refresh_from_db()
    assert (flagged.product, flagged.flag) == (product, "")
    assert Grant.objects.count() == 1
    assert not {"Attach a product", "Looked at"} & _buttons(operator, flagged)


def test_a_flag_is_taken_away_by_somebody_who_says_why(operator: Client) -> None:
    flagged = confirm(paid(price_id="price_lost"), BillableEntityFactory()).purchase

    done = operator.post(page(flagged, "looked-at"), deed(reason="Sold by telephone, not ours."))
    again = operator.post(page(flagged, "looked-at"), deed(reason="Sold by telephone, not ours."))
    nothing = operator.post(page(flagged, "looked-at"), deed(operation_key="k2"))

    flagged.refresh_from_db()
    assert flagged.flag == ""
    assert said_in(done) == ["It has been looked at."]
    assert said_in(again)
    assert "Nothing of this purchase waits" in errors_of(nothing)["__all__"][0]
    noted = BillingEvent.objects.get(event_name="purchase.looked_at")
    assert (noted.actor, noted.reason) == ("operator", "Sold by telephone, not ours.")


def test_a_dispute_is_to_be_read_on_the_page(operator: Client, purchase: Purchase) -> None:
    tell(disputed(DisputeState.OPENED))

    answer = operator.get(address(Purchase, "change", purchase.pk))

    assert [(line.grant.amount, line.left, line.frozen) for line in answer.context["page"].grants] == [(100, 0, True)]
    assert [(tried.row.action, tried.word) for tried in answer.context["page"].tried] == [("dispute", "open")]
    assert b"A dispute is open" in answer.content
    assert answer.context["page"].tone == "bad"
    assert "Refund" not in _buttons(operator, purchase)


@pytest.mark.parametrize("operation", ["refund", "void", "correct", "attach-product", "looked-at"])
def test_every_deed_needs_a_reason(operator: Client, purchase: Purchase, operation: str) -> None:
    before = written()

    answer = operator.post(page(purchase, operation), deed(amount="1", product=ProductFactory().pk, reason=" "))

    assert "reason" in errors_of(answer)
    assert written() == before


def _buttons(client: Client, row: Purchase) -> set[str]:
    return {each["title"] for each in client.get(address(Purchase, "change", row.pk)).context["deeds"]}
