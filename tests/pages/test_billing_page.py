"""``/w/{slug}/billing``: who may see it, what it says of plan, usage and purchases, and what its forms do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from billing.models import BillableEntity, CheckoutSession, Grant, Purchase, UsageDay
from billing.models.assignments import AssignmentSource
from billing.payments.connectors import choosing
from billing.payments.connectors.base import CheckoutOpened
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import (
    GrantFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    UserFactory,
)
from tests.gadgets.factories import PressesFactory
from tests.pages.reader import Reader, words

PAGE = "/w/acme/billing"
#: Guests that count something.
COUNTED = int(apps.is_installed("projects"))


def test_who_is_not_signed_in_is_sent_to_sign_in(acme: BillableEntity) -> None:
    response = Client().get(PAGE)

    assert (response.status_code, response["Location"]) == (302, f"/login/?next={PAGE}")


def test_a_stranger_and_an_operator_do_not_hear_of_it(acme: BillableEntity) -> None:
    for person in (UserFactory(), UserFactory(is_staff=True, is_superuser=True)):
        client = Client()
        client.force_login(person)

        assert client.get(PAGE).status_code == client.get("/w/no-such/billing").status_code == 404


def test_no_browser_keeps_it(viewer: Reader) -> None:
    assert "no-store" in viewer.get()["Cache-Control"]


def test_the_plan_and_that_nothing_comes_next(acme: BillableEntity, viewer: Reader) -> None:
    assign(acme, PlanFactory(name="Gold"), source=AssignmentSource.MANUAL, now=NOON)

    assert "Plan Gold No change is scheduled." in viewer.text()


def test_without_a_plan_one_is_to_be_chosen(viewer: Reader) -> None:
    assert "Plan No plan Choose a plan to begin with." in viewer.text()


def test_a_plan_says_what_it_gives_and_costs(acme: BillableEntity, viewer: Reader) -> None:
    priced = {"checkout_unit_amount_minor": 1900, "checkout_currency": "EUR", "checkout_interval": "month"}
    PlanTemplateFactory(plan=PlanFactory(name="Gold", **priced), definition=PressesFactory(), amount=1000)
    PlanTemplateFactory(plan=PlanFactory(name="Diamond"), definition=PressesFactory(), amount=None)

    said = viewer.text()

    assert "Gold 19.00 EUR a month Presses: 1,000 a month" in said
    assert "Diamond Free Presses: unlimited" in said


def test_only_who_manages_billing_has_buttons(acme: BillableEntity, owner: Reader, viewer: Reader) -> None:
    ProductFactory(name="Ten more")

    assert "Buy Ten more" in owner.text()
    assert "Buy Ten more" not in viewer.text()
    assert "An owner or admin of the workspace can change the plan and buy." in viewer.text()


def test_the_month_by_the_day(acme: BillableEntity, viewer: Reader) -> None:
    presses = PressesFactory()
    for day, used, refused in ((3, 4, 0), (20, 11, 2)):
        UsageDay.objects.create(
            subject=acme, definition=presses, day=NOON.replace(day=day).date(), used=used, refused=refused
        )
    UsageDay.objects.create(subject=acme, definition=presses, day=NOON.replace(month=1).date(), used=500)

    page = viewer.get().content.decode()

    assert 'aria-label="Presses: 15 used in February 2026, refused 2 times; most on 20 February: 11."' in page
    assert "15 units so far, 2 refused; the scale ends at 11 a day" in words(page)
    assert "Day Used Refused 3 February 4 0 20 February 11 2" in words(page)


def test_purchases_with_what_became_of_them(acme: BillableEntity, viewer: Reader) -> None:
    for number, (status, name) in enumerate((("confirmed", "Ten more"), ("partially_refunded", "A hundred more"))):
        at = NOON - timedelta(days=number)
        Purchase.objects.create(
            billable_entity=acme,
            provider="stripe",
            purchase_kind="one_off",
            status=status,
            amount_minor=500,
            currency="EUR",
            quantity=2 - number,
            display_name=name,
            dedupe_key=f"p{number}",
            purchased_at=at,
            created_at=at,
            updated_at=at,
        )

    said = viewer.text()

    assert "2 × Ten more 2026-02-21 12:00 UTC paid 5.00 EUR" in said
    assert "A hundred more 2026-02-20 12:00 UTC partly refunded 5.00 EUR" in said


def test_a_part_is_a_part_and_an_unknown_one_the_page(acme: BillableEntity, viewer: Reader) -> None:
    GrantFactory(subject=acme)

    part = viewer.get(f"{PAGE}?part=limits").content.decode()

    assert "<html" not in part
    assert "10 left." in part
    assert "<html" in viewer.get(f"{PAGE}?part=nonsense").content.decode()


def test_the_part_with_the_limits_costs_the_same_however_much_was_granted(
    acme: BillableEntity, viewer: Reader, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(8):
        GrantFactory(subject=acme)

    # Who it is and where: 5. Rows, grants of rows that are missing, what was granted before, and a count of each capacity.
    with django_assert_max_num_queries(5 + 3 + COUNTED):
        viewer.get(f"{PAGE}?part=limits")


# --- buying


class Seller:
    """A connector whose page is at ``url``."""

    name = "stripe"
    abilities = frozenset[str]()

    def __init__(self, url: str) -> None:
        self.url = url

    def checkout(self, order: Any) -> CheckoutOpened:
        return CheckoutOpened(session_id="cs_1", url=self.url, expires_at=datetime(2026, 2, 22, tzinfo=UTC))


@pytest.fixture
def more(acme: BillableEntity) -> None:
    ProductFactory(code="ten", name="Ten more", provider="stripe", provider_price_id="price_ten")


def sold_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "connector", lambda: Seller(url))


def test_who_buys_is_led_to_the_provider_by_a_page_and_has_nothing_yet(
    acme: BillableEntity, owner: Reader, more: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sold_at("https://checkout.example.org/cs_1", monkeypatch)

    response = owner.client.post(f"{PAGE}/buy", {"product": "ten"})

    assert response.status_code == 200
    assert 'href="https://checkout.example.org/cs_1"' in response.content.decode()
    assert CheckoutSession.objects.get().product.code == "ten"  # type: ignore[union-attr]
    assert not Grant.objects.exists()


def test_a_page_of_our_own_is_gone_to_at_once(owner: Reader, more: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sold_at("http://testserver/pay/cs_1", monkeypatch)

    response = owner.client.post(f"{PAGE}/buy", {"product": "ten"})

    assert (response.status_code, response["Location"]) == (302, "http://testserver/pay/cs_1")


def test_where_nothing_is_sold_the_page_says_so(owner: Reader, more: None) -> None:
    response = owner.client.post(f"{PAGE}/buy", {"product": "ten"}, follow=True)

    assert "Nothing is sold here" in words(response.content.decode())


def test_what_is_not_there_cannot_be_bought(owner: Reader) -> None:
    response = owner.client.post(f"{PAGE}/buy", {"product": "nonsense"}, follow=True)

    assert "There is no such product." in words(response.content.decode())


def test_several_are_bought_at_once(owner: Reader, more: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sold_at("http://testserver/pay/cs_1", monkeypatch)

    owner.client.post(f"{PAGE}/buy", {"product": "ten", "quantity": "2"})

    assert CheckoutSession.objects.get().quantity == 2


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "²", "", "1000", "9" * 30])
def test_a_quantity_is_a_whole_number_within_bounds(owner: Reader, more: None, quantity: str) -> None:
    response = owner.client.post(f"{PAGE}/buy", {"product": "ten", "quantity": quantity}, follow=True)

    assert "The quantity must be a whole number from 1 to 999." in words(response.content.decode())
    assert not CheckoutSession.objects.exists()


def test_who_may_only_look_buys_nothing(viewer: Reader, more: None) -> None:
    response = viewer.client.post(f"{PAGE}/buy", {"product": "ten"})

    assert response.status_code == 403
    assert "Your role in this workspace does not allow this." in words(response.content.decode())
    assert not CheckoutSession.objects.exists()


def test_forms_are_guarded_against_other_sites(owner: Reader, more: None) -> None:
    guarded = Client(enforce_csrf_checks=True)
    guarded.cookies = owner.client.cookies

    assert guarded.post(f"{PAGE}/buy", {"product": "ten"}).status_code == 403


def test_billing_stays_open_where_access_has_run_out(acme: BillableEntity, viewer: Reader, settings: Settings) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"

    assert viewer.get().status_code == 200
