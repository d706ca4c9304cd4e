"""A plan is mended and applied by the one who edits the catalog; the one who runs the billing helps a customer of it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from console.roles import ConsoleRole
from tests.browser.support import acme, gold
from tests.browser.visitor import Visitor
from tests.gadgets.limits import PRESSES

pytestmark = pytest.mark.browser


def test_a_plan_is_mended_applied_and_its_customer_helped(visitor: Visitor) -> None:
    acme(gold())

    editor = visitor.sign_in("edith", ConsoleRole.CATALOG_EDITOR)
    open_plan(editor)
    is_told_what_is_wrong(editor)
    mends_it(editor)
    saves_it(editor)
    applies_it(editor)

    operator = visitor.sign_in("bert", ConsoleRole.BILLING_OPERATOR)
    opens_the_customer(operator)
    grants(operator)
    corrects(operator)
    explains(operator)


def open_plan(page: Page) -> None:
    content(page).get_by_role("link", name="Plans", exact=True).click()
    row(page, "Gold").get_by_role("link", name="gold", exact=True).click()
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Gold")


def is_told_what_is_wrong(page: Page) -> None:
    """A misspelt code: named where it stands, under the field; what was typed is still there."""
    wrong = written({"code": "gadgets.press.monthly", "valueJson": {"amount": 50}})

    types(page, wrong)
    expect(preview(page)).to_contain_text("This cannot be saved yet")
    page.get_by_label("Reason for this change").fill("More presses for everybody.")
    save(page)

    expect(field(page)).to_contain_text("entitlements[0].code")
    expect(field(page)).to_contain_text(f"nearest known: {PRESSES}")
    expect(text(page)).to_have_value(wrong)
    expect(page.get_by_label("Reason for this change")).to_have_value("More presses for everybody.")


def mends_it(page: Page) -> None:
    """The code is corrected, and another entry comes from the gallery: the table tells what it becomes."""
    types(page, written({"code": PRESSES, "valueJson": {"amount": 50}}))
    page.get_by_role("button", name="Insert Places").click()

    expect(page.get_by_role("button", name="Insert Places")).to_have_text("Added")
    expect(row(preview(page), "Presses")).to_contain_text("50 per month")
    expect(row(preview(page), "Presses")).to_contain_text("was 10 per month")
    expect(row(preview(page), "Places")).to_contain_text("new")


def saves_it(page: Page) -> None:
    save(page)

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    expect(row(page, "Gold")).to_contain_text(f"{PRESSES}: 50")


def applies_it(page: Page) -> None:
    """Nothing changes before it was seen and a reason was given."""
    row(page, "Gold").get_by_role("link", name="gold", exact=True).click()
    page.get_by_role("link", name="Apply to current subscribers").click()
    expect(page.get_by_text("1 customer is on this plan now")).to_be_visible()
    page.get_by_role("button", name="Look whom it would change").click()
    expect(page.get_by_text("nothing was changed yet")).to_be_visible()
    expect(row(page, "Acme")).to_contain_text(f"{PRESSES}: 10 → 50, 3 used")
    expect(row(page, "Acme")).to_contain_text("gains")

    page.get_by_label("Reason").fill("Promised to all in spring.")
    page.get_by_role("button", name="Apply to 1 subscriber").click()

    expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()


def opens_the_customer(page: Page) -> None:
    page.get_by_role("searchbox", name="Find a customer").fill("acme")
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role("link", name="Acme").first.click()

    expect(page.get_by_role("heading", name="Acme", level=1)).to_be_visible()
    expect(page.get_by_label("In short")).to_contain_text("Gold")
    expect(limit(page)).to_contain_text("3 of 50")


def grants(page: Page) -> None:
    page.get_by_role("link", name="Grant units").click()
    page.get_by_label("Limitation").select_option(label=choice(page, PRESSES))
    page.get_by_label("Amount").fill("20")
    page.get_by_label("Reason").fill("For the outage.")
    looks_first(page)
    expect(page.get_by_role("status")).to_contain_text(f"Would grant: 20 of {PRESSES}. Not done yet.")

    page.get_by_role("button", name="Grant units").click()

    expect(page.get_by_text(f"Granted: 20 of {PRESSES}.")).to_be_visible()
    expect(limit(page)).to_contain_text("3 of 70")


def corrects(page: Page) -> None:
    page.get_by_role("link", name="Correct", exact=True).click()
    page.get_by_label("Limitation").select_option(label=choice(page, PRESSES))
    page.get_by_label("Amount").fill("-5")
    page.get_by_label("Reason").fill("Five were given too many.")
    looks_first(page)
    expect(page.get_by_role("status")).to_contain_text(f"Would correct: -5 of {PRESSES}. Not done yet.")

    page.get_by_role("button", name="Correct", exact=True).click()

    expect(page.get_by_text(f"Corrected: -5 of {PRESSES}.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Five were given too many.")).to_contain_text("bert")


def explains(page: Page) -> None:
    """Who gave what, and why, on the page and as text for an answer."""
    page.get_by_role("link", name="Explain Presses").click()

    expect(page.get_by_role("heading", name="Where it came from")).to_be_visible()
    expect(content(page)).to_contain_text("Plan “Gold” gives 50 in every window: 8 used, 42 left.")
    expect(content(page)).to_contain_text("bert gave it by hand: “For the outage”")
    expect(page.get_by_label("The explanation as text")).to_have_value(re.compile("Acme.*For the outage", re.DOTALL))
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()


def written(*entries: dict[str, object]) -> str:
    return json.dumps(list(entries), indent=2)


def types(page: Page, words: str) -> None:
    """Replace what the JSON editor shows, as by pasting."""
    page.locator(".console-editor .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(words)
    expect(text(page)).to_have_value(words)


def looks_first(page: Page) -> None:
    """Press the form's own button, which does nothing yet."""
    content(page).get_by_role("button", name="Show what it would change").click()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def text(page: Page) -> Locator:
    """The text area that is sent; the editor stands in its place."""
    return page.locator("textarea[name=entitlements]")


def field(page: Page) -> Locator:
    """The editor with its label and its errors, without the live preview."""
    return page.locator(".field-entitlements ul.errorlist")


def preview(page: Page) -> Locator:
    return page.locator("[data-preview]")


def content(page: Page) -> Locator:
    """The page without what stands beside every page."""
    return page.locator("#main")


def row(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("row").filter(has_text=name)


def limit(page: Page) -> Locator:
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name="Presses"))


def choice(page: Page, code: str) -> str:
    """The words of the option that names ``code``."""
    return page.get_by_label("Limitation").get_by_role("option").filter(has_text=code).inner_text()
