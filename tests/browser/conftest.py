"""
A browser for the stories: Debian's chromium against a live server, watched for what goes wrong unseen.

Where there is no chromium the stories are skipped; ``REQUIRE_BROWSER=1`` makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer

from console.roles import create_roles
from tests.browser.visitor import Visitor

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = "NO BROWSER: the console's stories did not run; apt-get install chromium"


@pytest.fixture(scope="session")
def executable() -> str:
    """Where chromium is."""
    found = shutil.which("chromium")
    if found:
        return found
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@pytest.fixture
def chromium(executable: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """
    One browser per story, gone before the database is emptied.

    Playwright keeps an event loop running in this thread, where Django would refuse to use the database.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser, live_server: LiveServer, transactional_db: None) -> Iterator[Visitor]:
    """Whoever comes to the console; nothing may have left the machine or failed unseen when the story is over."""
    create_roles()
    came = Visitor(chromium, live_server.url)
    yield came
    assert came.elsewhere == []
    assert came.complaints == []
