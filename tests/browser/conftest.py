"""
A browser for the stories: Debian's chromium against a live server, watched for what goes wrong unseen.

Where there is no chromium the stories are skipped; ``REQUIRE_BROWSER=1`` makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Browser, sync_playwright
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from console.roles import create_roles
from tests.browser.site import Site, served
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


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """The whole site in a process of its own, for all stories that need sockets."""
    folder: Path = tmp_path_factory.mktemp("site")
    if connection.vendor == "sqlite":
        with served(folder, f"sqlite:///{folder / 'site.sqlite3'}") as found:
            yield found
        return
    name = f"{connection.settings_dict['NAME']}_site"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    with served(folder, f"{os.environ['TEST_DATABASE_URL'].rpartition('/')[0]}/{name}") as found:
        yield found
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE `{name}`")


@pytest.fixture
def people(chromium: Browser, site: Site) -> Iterator[Visitor]:
    """Members in front of browsers, on the whole site; nothing may have left the machine or failed unseen."""
    came = Visitor(chromium, site.url)
    yield came
    assert came.elsewhere == []
    assert came.complaints == []
