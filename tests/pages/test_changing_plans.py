"""Another plan by the page's forms: looked at first, then at once, later, or by paying; and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import BillableEntity, CheckoutSession, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.payments.connectors import choosing
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.services import take_place
from tests.pages.reader import Reader, words
from tests.pages.test_billing_page import Seller

PAGE = "/w/acme/billing"
PRICED = {"checkout_currency": "EUR", "checkout_interval": "month"}


@pytest.fixture
def plans(acme: BillableEntity) -> dict[str, Plan]:
    """Acme is on silver, for which nobody invoices; gold costs more, and grey nothing."""
    made: dict[str, Any] = {
        "grey": PlanFactory(code="grey", name="Grey"),
        "silver": PlanFactory(code="silver", name="Silver", checkout_unit_amount_minor=900, **PRICED),
        "gold": PlanFactory(
            code="gold",
            name="Gold",
            checkout_unit_amount_minor=1900,
            checkout_provider="stripe",
            checkout_provider_price_id="price_gold",
            **PRICED,
        ),
    }
    for code, amount in (("grey", 2), ("silver", 10), ("gold", 100)):
        PlanTemplateFactory(plan=made[code], definition=PressesFactory(), amount=amount)
    assign(acme, made["silver"], source=AssignmentSource.MANUAL, now=NOON)
    return made


def send(owner: Reader, path: str, **form: str) -> str:
    return words(owner.client.post(f"{PAGE}/{path}", form, follow=True).content.decode())


def test_what_costs_less_is_looked_at_first_booked_for_later_and_taken_back(
    acme: BillableEntity, owner: Reader, plans: dict[str, Plan]
) -> None:
    looked = owner.text(f"{PAGE}/plan?plan=grey")
    assert "Free, from 2026-03-21 12:00 UTC on. Limit Now Then Presses 10 2 Change Not now" in looked
    assert PlanAssignment.objects.count() == 1

    assert "The plan changes to Grey at 2026-03-21 12:00 UTC." in send(owner, "plan", plan="grey", key="k1")
    assert "Changes to Grey in 28 days, 2026-03-21 12:00 UTC. Keep the present plan" in owner.text()

    assert "The plan stays." in send(owner, "plan/stay", key="k2")
    assert "Plan Silver No change is scheduled." in owner.text()


def test_what_would_be_over_its_limit_is_said_before(
    acme: BillableEntity, owner: Reader, plans: dict[str, Plan]
) -> None:
    for code, amount in (("gold", 3), ("grey", 1)):
        PlanTemplateFactory(plan=plans[code], definition=PlacesFactory(name="Places"), amount=amount)
    assign(acme, plans["gold"], source=AssignmentSource.MANUAL, now=NOON)
    take_place(acme, "desk", number=3)

    assert "Places 2 too many 3 1" in owner.text(f"{PAGE}/plan?plan=grey")


def test_what_costs_something_is_paid_for_first(
    acme: BillableEntity, owner: Reader, plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "connector", lambda: Seller("https://checkout.example.org/cs_1"))

    assert "19.00 EUR a month. It begins when the payment is confirmed." in owner.text(f"{PAGE}/plan?plan=gold")
    assert "You are on your way to checkout.example.org." in send(owner, "plan", plan="gold", key="k")
    assert CheckoutSession.objects.get().plan == plans["gold"]
    assert "Plan Silver" in owner.text()


def test_a_form_that_is_sent_twice_is_carried_out_once(owner: Reader, plans: dict[str, Plan]) -> None:
    first, second = (send(owner, "plan", plan="grey", key="k") for _ in range(2))

    assert first == second
    assert PlanAssignment.objects.count() == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_plan_that_is_not_there(owner: Reader, method: Any) -> None:
    response = getattr(owner.client, method)(f"{PAGE}/plan", {"plan": "nonsense"}, follow=True)

    assert "There is no such plan." in words(response.content.decode())


def test_who_may_only_look_changes_nothing(viewer: Reader, plans: dict[str, Plan]) -> None:
    for path in ("plan", "plan/stay"):
        assert viewer.client.post(f"{PAGE}/{path}", {"plan": "grey"}).status_code == 403

    assert PlanAssignment.objects.count() == 1


def test_the_timeline_tells_members_what_happened(acme: BillableEntity, viewer: Reader, plans: dict[str, Plan]) -> None:
    assert "The plan is Silver. 2026-02-21 12:00 UTC" in viewer.text(f"{PAGE}/timeline")
