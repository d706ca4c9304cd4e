"""Somebody in front of a browser: signs in, goes to pages, and notices what a person would not."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import Group
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from console.roles import ConsoleRole
from tests.factories import UserFactory

PATIENCE = 10_000  # milliseconds until what should be seen is missing
PASSWORD = "open sesame"
DEMO_PASSWORD = "demo"
#: The JSON editor marks an error of the text before, where a shorter one has just taken its place; the next look mends it.
HARMLESS = re.compile(r"RangeError: Invalid position \d+ in document of length \d+\b.*svelte_jsoneditor\.js", re.DOTALL)


class Visitor:
    """Opens windows of one browser. ``elsewhere`` are requests to other hosts, ``complaints`` what the console said."""

    def __init__(self, browser: Browser, home: str) -> None:
        self.browser = browser
        self.home = home
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.expected: list[str] = []
        expect.set_options(timeout=PATIENCE)

    def sign_in(self, name: str, *roles: ConsoleRole, width: int = 1280, height: int = 900) -> Page:
        """A window of its own, ``width`` times ``height`` pixels, for a new colleague in the groups of ``roles``."""
        user = UserFactory(username=name, is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        page = self.window(width=width, height=height)
        page.goto(f"{self.home}/admin/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("searchbox", name="Find a customer")).to_be_visible()
        return page

    def come_in(self, name: str, path: str, **window: Any) -> Page:
        """A window of its own for a member of the demo, signed in, at ``path``."""
        page = self.window(**window)
        page.goto(f"{self.home}/login/?next={path}")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(DEMO_PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.home}{path}")
        return page

    def window(self, *, width: int = 1280, height: int = 900, **options: Any) -> Page:
        """A window in which nobody is signed in."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self._complained(str(error.error)))
        return context.new_page()

    def expects(self, words: str) -> None:
        """What the browser's console will say of a refusal is no surprise."""
        self.expected.append(words)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}"
        if parts.scheme not in {"data", "blob"} and origin != self.home:
            self.elsewhere.append(url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complained(f"{message.text} ({message.location.get('url', '')})")

    def _complained(self, words: str) -> None:
        if not HARMLESS.match(words) and not any(each in words for each in self.expected):
            self.complaints.append(words)
