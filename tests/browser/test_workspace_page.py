"""The pages of a workspace as people meet them: without scripts, with a keyboard, read aloud, on a telephone, at night."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.apps import apps
from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site, needs_guests
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

PLACES = ("billing", *(name for name in ("projects", "annuity") if apps.is_installed(name)))
CONFLICT = "status of 409"


def limit(page: Page, name: str = "Projects") -> Locator:
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name=name, exact=True))


def create(page: Page, name: str) -> None:
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Create").click()


def test_a_member_finds_their_workspaces_and_their_pages(people: Visitor) -> None:
    page = people.come_in("dana", "/")

    page.get_by_role("link", name="Billing of Globex").click()

    expect(page.get_by_role("heading", name="Billing", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Billing", exact=True)).to_have_attribute("aria-current", "page")
    expect(page.locator("[data-plan]")).to_have_text("Pro")


@needs_guests
def test_everything_works_without_scripts(people: Visitor, site: Site) -> None:
    people.expects(CONFLICT)
    team = site.team()
    page = people.come_in("alice", f"/w/{team}/projects", java_script_enabled=False)

    for number in range(4):
        create(page, f"Project {number}")

    expect(page.get_by_role("alert")).to_have_text("Projects: full, 3 of 3 in use.")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Project 3")
    page.get_by_role("link", name="Billing", exact=True).click()
    expect(limit(page)).to_contain_text("full")
    expect(limit(page)).to_contain_text("3 of 3 used, 0 left.")
    page.get_by_role("link", name="Annuity", exact=True).click()
    page.get_by_role("button", name="Calculate").click()
    expect(page.get_by_role("status").filter(has_text="The value is")).to_contain_text("The value is 15,528.23.")
    expect(limit(page, "Annuity calculations a month")).to_contain_text("1 of 20 used, 19 left.")


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_are_accessible_by_day_and_night_and_fit(people: Visitor, width: int) -> None:
    page = people.come_in("dana", "/", width=width)

    for path in ("/", *(f"/w/globex/{place}" for place in (*PLACES, "billing/timeline", "billing/plan?plan=free"))):
        page.goto(f"{people.home}{path}")
        page.evaluate("document.querySelectorAll('details').forEach((closed) => { closed.open = true; })")

        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path}, {scheme}: {found.generate_report()}"
        fits(page, width)


@needs_guests
def test_a_limit_that_is_full_is_accessible_too(people: Visitor, site: Site) -> None:
    people.expects(CONFLICT)
    team = site.team()
    page = people.come_in("alice", f"/w/{team}/projects", color_scheme="dark")
    for number in range(4):
        create(page, f"Project {number}")
        expect(page.get_by_role("textbox", name="Name")).to_have_value("" if number < 3 else "Project 3")

    meter = page.get_by_role("meter", name="Projects")

    expect(meter).to_have_attribute("aria-valuetext", "3 of 3 used, 0 left. full")
    assert (meter.get_attribute("aria-valuenow"), meter.get_attribute("aria-valuemax")) == ("3", "3")
    assert Axe().run(page).violations_count == 0


@needs_guests
def test_a_keyboard_is_enough(people: Visitor, site: Site) -> None:
    page = people.come_in("alice", f"/w/{site.team()}/projects")
    heard(page)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_role("textbox", name="Name").focus()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Archive By keyboard")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.get_by_role("button", name="Archive By keyboard").press("Space")
    expect(page.get_by_role("button", name="Bring back By keyboard")).to_be_visible()


@needs_guests
def test_who_is_typing_is_not_disturbed_and_who_listens_hears_of_a_new_state(people: Visitor, site: Site) -> None:
    team = site.team()
    alice, bob = (people.come_in(name, f"/w/{team}/projects") for name in ("alice", "bob"))
    heard(bob)
    bob.get_by_role("textbox", name="Name").press_sequentially("Half a na")

    for number in range(3):
        create(alice, f"Project {number}")
        expect(limit(alice)).to_contain_text(f"{number + 1} of 3 used")

    expect(limit(bob)).to_contain_text("3 of 3 used")
    expect(bob.locator("[data-live-said]")).to_have_text("Projects: full.")
    expect(bob.get_by_role("textbox", name="Name")).to_be_focused()
    expect(bob.get_by_role("textbox", name="Name")).to_have_value("Half a na")


def heard(page: Page) -> None:
    """The socket is open, so that whatever happens from now on is heard."""
    expect(page.locator("[data-live-page]")).to_have_attribute("data-line", "open")


def fits(page: Page, width: int) -> None:
    """Nothing of the page is beyond its right edge."""
    wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= width, f"{page.url} is {wide} wide"
