"""Half of a purchase is refunded by somebody who never touches the mouse, and its customer's limits follow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from billing.models import Purchase
from billing.payments import by_hand
from console.roles import ConsoleRole
from mozaiks.kit import clock
from tests.browser.support import acme, gold
from tests.browser.test_narrow import TELEPHONE, fits
from tests.browser.visitor import Visitor
from tests.gadgets.factories import PressesFactory
from tests.payments.support import Refunding, confirm, pack, paid

pytestmark = pytest.mark.browser


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Refunding:
    made = Refunding()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    return made


def test_half_a_purchase_is_refunded_by_keyboard(visitor: Visitor, provider: Refunding) -> None:
    customer = acme(gold())
    pack((PressesFactory(), 40))
    purchase = confirm(paid(paid_at=clock.now()), customer, now=clock.now()).purchase

    page = visitor.sign_in("bert", ConsoleRole.BILLING_OPERATOR)
    finds_the_purchase(page)
    asks_for_half(page)
    sees_what_it_would_change(page)
    refunds(page)
    reads_the_limits(page)

    assert provider.count("refund") == 1
    assert Purchase.objects.get(pk=purchase.pk).status == "partially_refunded"


def test_the_pages_of_a_purchase_fit_a_telephone(visitor: Visitor, provider: Refunding) -> None:
    customer = acme(gold())
    pack((PressesFactory(), 40))
    purchase = confirm(paid(paid_at=clock.now()), customer, now=clock.now()).purchase
    page = visitor.sign_in("bert", ConsoleRole.BILLING_OPERATOR, **TELEPHONE)

    page.goto(f"{visitor.home}/admin/billing/purchase/{purchase.pk}/change/")
    expect(page.get_by_role("heading", name="What it granted")).to_be_visible()
    fits(page)
    page.goto(f"{visitor.home}/admin/billing/purchase/{purchase.pk}/refund/")
    page.get_by_label("Reason").fill("It did not help.")
    content(page).get_by_role("button", name="Show what it would change").click()
    expect(page.get_by_role("status")).to_contain_text("Not done yet.")
    fits(page)


def finds_the_purchase(page: Page) -> None:
    page.get_by_role("searchbox", name="Find a customer").fill("acme")
    page.keyboard.press("Enter")
    presses(page, page.get_by_role("link", name="Acme").first)
    presses(page, page.get_by_role("region", name="Latest purchases").get_by_role("rowheader").get_by_role("link"))

    expect(page.get_by_role("heading", name="Pack, 10.00 EUR")).to_be_visible()
    expect(page.get_by_label("In short")).to_contain_text("Nothing went back.")
    expect(row(page, "gadgets.presses")).to_contain_text("40")


def asks_for_half(page: Page) -> None:
    presses(page, page.get_by_role("link", name="Refund"))
    page.get_by_label("Amount (EUR)").focus()
    page.keyboard.type("5.00")
    page.keyboard.press("Tab")
    page.keyboard.type("Half of it did not work.")
    presses(page, content(page).get_by_role("button", name="Show what it would change"))


def sees_what_it_would_change(page: Page) -> None:
    expect(page.get_by_role("status")).to_contain_text("stripe would be asked to refund 5.00 EUR")
    expect(page.get_by_role("status")).to_contain_text("Not done yet.")
    expect(row(page, "Presses")).to_contain_text("-20 granted")


def refunds(page: Page) -> None:
    presses(page, content(page).get_by_role("button", name="Refund", exact=True))

    expect(page.get_by_text("Refunded: 5.00 EUR.")).to_be_visible()
    expect(page.get_by_label("In short")).to_contain_text("5.00 EUR of 10.00 EUR went back; 5.00 EUR is left.")
    expect(row(page, "gadgets.presses")).to_contain_text("20 taken back")
    expect(row(page, "Half of it did not work.")).to_contain_text("bert")


def reads_the_limits(page: Page) -> None:
    presses(page, content(page).get_by_role("link", name="Acme"))

    limit = page.get_by_role("article").filter(has=page.get_by_role("heading", name="Presses"))
    expect(limit).to_contain_text("3 of 30")
    timeline = page.get_by_role("listitem").filter(has_text="Half of it did not work.")
    expect(timeline).to_contain_text("Money was refunded: 5.00 EUR")


def presses(page: Page, what: Locator) -> None:
    """Go there with the keyboard, and press Enter."""
    what.focus()
    expect(what).to_be_focused()
    page.keyboard.press("Enter")


def content(page: Page) -> Locator:
    return page.locator("#main")


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)
