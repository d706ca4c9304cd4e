"""
A whole site as `make run` serves it: its own process, its own database, sockets and worker included.

Where the suite runs against MariaDB and Redis, so does the site. It has the demo, and ``TEAMS`` workspaces of alice, in which
bob works: a story takes one for itself.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.error import URLError

import pytest
from django.apps import apps

#: Stories in which something has to be done that is limited.
needs_guests = pytest.mark.skipif(
    not (apps.is_installed("projects") and apps.is_installed("annuity")), reason="the guests have left"
)

ROOT = Path(__file__).resolve().parents[2]
TEAMS = 24
PATIENCE_SECONDS = 180
PASSWORD = "demo"
PREPARE = f"""
from mozaiks.kit.clock import now
from mozaiks.workspaces.creation import create_workspace
from mozaiks.workspaces.members import add_member
from mozaiks.workspaces.models import User
from mozaiks.workspaces.roles import Role
alice, bob = (User.objects.get(username=name) for name in ("alice", "bob"))
for number in range({TEAMS}):
    team = create_workspace(name=f"Team {{number}}", slug=f"team-{{number}}", owner=alice, now=now())
    add_member(team, bob, role=Role.MEMBER, now=now())
"""


@dataclass
class Site:
    """Where it is, at each of its servers. ``team()`` is the slug of a workspace nobody has used yet."""

    urls: list[str]
    teams: list[str] = field(default_factory=lambda: [f"team-{number}" for number in range(TEAMS)])

    @property
    def url(self) -> str:
        return self.urls[0]

    def team(self) -> str:
        return self.teams.pop()


@contextmanager
def served(folder: Path, database: str, *, servers: int = 1) -> Iterator[Site]:
    """The site at ``database``, an empty one, for as long as the block lasts; several servers want a Redis between them."""
    ports = [_free_port() for _ in range(servers)]
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "MOZAIKS_ENV_FILE": os.devnull,
        "DEBUG": "true",
        "MOZAIKS_ENFORCE_QUOTAS": "true",
        "LOG_LEVEL": "WARNING",
        "DATABASE_URL": database,
        # What plays Stripe remembers beside a SQLite file; beside a server it would be in the developer's own folder.
        "BILLING_FAKE_PROVIDER": "true" if database.startswith("sqlite") else "false",
        "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
        "REDIS_PREFIX": f"mozaiks-site-{ports[0]}",
    }
    for command in (["migrate", "--verbosity", "0"], ["load_demo"], ["shell", "--no-imports", "-c", PREPARE]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with (folder / "serve.log").open("w") as log:
        processes = [_serve(environment | {"PORT": str(port)}, log) for port in ports]
        try:
            for url, process in zip(urls, processes, strict=True):
                _wait_for(f"{url}/health", process)
            yield Site(urls=urls)
        finally:
            for process in processes:
                process.terminate()
                process.wait(timeout=PATIENCE_SECONDS)


def _serve(environment: dict[str, str], log: IO[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "serve"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the site did not start; its log is beside its database"
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")
