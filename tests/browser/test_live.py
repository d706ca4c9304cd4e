"""What happens in one window is seen in the other: at once by the socket, and soon without it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, WebSocketRoute, expect

from tests.browser.site import Site, needs_guests
from tests.browser.test_workspace_page import create, heard, limit
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, needs_guests]

SOCKET = re.compile(r"/ws/realtime")
#: Milliseconds until an event would have arrived, had one been sent.
A_WHILE = 700


class Asked:
    """How often a page has asked for one of its parts."""

    def __init__(self, page: Page, part: str) -> None:
        self.times = 0
        self.part = part
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.times += f"part={self.part}" in request.url


def two(people: Visitor, site: Site, *, at: str = "projects") -> tuple[Page, Page]:
    """Alice at the projects of a new workspace, and bob at another page of it; both hear what happens."""
    team = site.team()
    alice, bob = people.come_in("alice", f"/w/{team}/projects"), people.come_in("bob", f"/w/{team}/{at}")
    heard(alice)
    heard(bob)
    return alice, bob


def test_what_one_does_moves_the_bar_of_the_other(people: Visitor, site: Site) -> None:
    alice, bob = two(people, site, at="billing")

    create(alice, "Apollo")

    expect(limit(bob)).to_contain_text("1 of 3 used, 2 left.", timeout=3000)


def test_a_project_of_somebody_else_appears_in_the_list(people: Visitor, site: Site) -> None:
    alice, bob = two(people, site)

    create(alice, "Apollo")
    expect(bob.get_by_role("button", name="Archive Apollo")).to_be_visible(timeout=3000)
    bob.get_by_role("button", name="Archive Apollo").click()

    expect(alice.get_by_role("button", name="Bring back Apollo")).to_be_visible(timeout=3000)


def test_the_tab_that_acts_reads_once_and_passes_its_own_event_over(people: Visitor, site: Site) -> None:
    alice, _ = two(people, site)
    alice.wait_for_timeout(A_WHILE)
    asked = Asked(alice, "limit")

    create(alice, "Apollo")

    expect(limit(alice)).to_contain_text("1 of 3 used")
    alice.wait_for_timeout(A_WHILE)
    assert asked.times == 1


def test_the_tab_that_acts_shows_it_at_once_without_a_socket(people: Visitor, site: Site) -> None:
    alice = people.window()
    alice.route_web_socket(SOCKET, silence)
    sign_in(alice, people, "alice", f"/w/{site.team()}/projects")

    create(alice, "Apollo")

    expect(limit(alice)).to_contain_text("1 of 3 used", timeout=3000)


def test_without_a_socket_others_are_right_within_thirty_seconds_and_never_ask_unseen(
    people: Visitor, site: Site
) -> None:
    team = site.team()
    alice = people.come_in("alice", f"/w/{team}/projects")
    bob = people.window()
    bob.route_web_socket(SOCKET, silence)
    bob.clock.install()
    sign_in(bob, people, "bob", f"/w/{team}/billing")
    asked = Asked(bob, "limits")
    create(alice, "Apollo")
    expect(limit(alice)).to_contain_text("1 of 3 used")

    seen(bob, "hidden")
    bob.clock.run_for(120_000)
    assert asked.times == 0
    seen(bob, "visible")
    expect(limit(bob)).to_contain_text("1 of 3 used")
    assert asked.times == 1

    create(alice, "Gemini")
    expect(limit(alice)).to_contain_text("2 of 3 used")
    bob.clock.run_for(29_000)
    expect(limit(bob)).to_contain_text("1 of 3 used")
    bob.clock.run_for(1_000)
    expect(limit(bob)).to_contain_text("2 of 3 used")
    expect(bob.locator("[data-live-state]")).to_contain_text("Live updates are interrupted")


def test_after_a_break_everything_is_read_again(people: Visitor, site: Site) -> None:
    """A server that goes down says 1012; what happened until the line is back is in nobody's events."""
    team = site.team()
    alice = people.come_in("alice", f"/w/{team}/projects")
    bob = people.window()
    lines: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        lines.append(route)
        if len(lines) != 2:
            route.connect_to_server()
        else:
            route.close(code=1012)

    bob.route_web_socket(SOCKET, through)
    sign_in(bob, people, "bob", f"/w/{team}/billing")
    heard(bob)
    asked = {part: Asked(bob, part) for part in ("plan", "limits", "usage", "purchases", "offers")}
    bob.wait_for_timeout(A_WHILE)
    before = {part: each.times for part, each in asked.items()}

    lines[0].close(code=1012)
    create(alice, "Apollo")

    expect(limit(bob)).to_contain_text("1 of 3 used")
    heard(bob)
    assert len(lines) == 3
    assert all(asked[part].times > before[part] for part in asked)


def test_who_signs_out_elsewhere_is_told_once_and_asks_no_more(people: Visitor, site: Site) -> None:
    people.expects("status of 4")
    page = people.come_in("alice", f"/w/{site.team()}/billing")
    heard(page)
    other = page.context.new_page()
    other.goto(f"{people.home}/")

    other.get_by_role("button", name="Sign out").click()

    expect(page.locator("[data-live-page]")).to_have_attribute("data-line", "unauthenticated")


def silence(route: WebSocketRoute) -> None:
    """A line that opens and says nothing: worse than none."""


def seen(page: Page, state: str) -> None:
    """Whether somebody looks at the page."""
    page.evaluate(
        """(state) => {
          Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def sign_in(page: Page, people: Visitor, name: str, path: str) -> None:
    page.goto(f"{people.home}/login/?next={path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{people.home}{path}")
