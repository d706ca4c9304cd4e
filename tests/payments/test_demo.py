"""The demo as `make run` starts it: a plan is bought over HTTP, page and courier included, and survives a restart."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from tests.house.sources import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,
    pytest.mark.skipif("mysql" in settings.DATABASES["default"]["ENGINE"], reason="the demo has a database of its own"),
]

PATIENCE_SECONDS = 60
WORKS = "4242 4242 4242 4242"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Demo:
    """A demo of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "MOZAIKS_ENV_FILE": os.devnull,
            "DEBUG": "true",
            "MOZAIKS_ENFORCE_QUOTAS": "true",
            "BILLING_FAKE_PROVIDER": "true",
            "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        }

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            check=False,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = [sys.executable, "manage.py", "serve", "--port", str(self.port)]
        server = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            eventually(lambda: answers(f"{self.url}/health"))
            yield
        finally:
            server.terminate()
            server.wait(PATIENCE_SECONDS)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def eventually(holds: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def pay(url: str) -> str:
    """Pay on the page as a browser would; where it leads back to."""
    with httpx.Client(timeout=30) as browser:
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', browser.get(url).text)
        assert found
        form = {"csrfmiddlewaretoken": found[1], "card": WORKS}
        paid = browser.post(url, data=form, headers={"Referer": url})
    assert paid.status_code == 303, paid.text
    return paid.headers["Location"]


def test_a_plan_is_bought_in_the_demo(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.manage("migrate", "--verbosity", "0")
    token = re.findall(r"mzk_\S+", demo.manage("load_demo"))[0]
    headers = {"Authorization": f"Bearer {token}", "x-workspace-slug": "acme"}

    def plan() -> str:
        state = httpx.get(f"{demo.url}/api/billing/plan-state", headers=headers, timeout=30).json()
        code: str = state["currentPlan"]["assignment"]["planCode"]
        return code

    def checkout(key: str, **what: Any) -> str:
        keyed = {**headers, "Idempotency-Key": key}
        answer = httpx.post(f"{demo.url}/api/billing/checkout", json=what, headers=keyed, timeout=30)
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["checkoutUrl"]
        return url

    with demo.serving():
        before = plan()
        left = pay(checkout("plan", planCode="pro"))
        eventually(lambda: plan() == "pro")
        page = checkout("credits", productCode="calculation_credits_100")

    with demo.serving():
        pay(page)
        purchases = f"{demo.url}/api/billing/purchases"
        eventually(lambda: len(httpx.get(purchases, headers=headers, timeout=30).json()["entries"]) == 2)

    assert before == "free"
    assert left == f"{demo.url}/w/acme/billing"
    assert (tmp_path / "fake_provider.sqlite3").exists()
