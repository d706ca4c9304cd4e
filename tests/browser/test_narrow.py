"""On a telephone: every page fits its width, and only tables of their own scroll sideways."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from console.roles import ConsoleRole
from tests.browser.support import acme, gold
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

TELEPHONE = {"width": 390, "height": 844}


def test_index_plan_and_customer_fit_a_telephone(visitor: Visitor) -> None:
    plan = gold()
    customer = acme(plan)

    page = visitor.sign_in("dora", ConsoleRole.CATALOG_EDITOR, ConsoleRole.BILLING_OPERATOR, **TELEPHONE)
    fits(page)

    page.goto(f"{visitor.home}/admin/billing/plan/{plan.pk}/change/")
    expect(page.locator(".console-editor .cm-content")).to_be_visible()
    expect(page.get_by_role("button", name="Insert Places")).to_be_visible()
    fits(page)

    page.goto(f"{visitor.home}/admin/billing/billableentity/{customer.pk}/change/")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_role("link", name="Grant units")).to_be_visible()
    fits(page)


def fits(page: Page) -> None:
    """Nothing of the page is beyond its right edge, and it would not scroll there."""
    page.evaluate("window.scrollTo(1000, 0)")
    wide = page.evaluate("[window.scrollX, document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert wide[0] == 0, f"{page.url} scrolls sideways"
    assert max(wide) <= TELEPHONE["width"], f"{page.url} is {wide} wide"
