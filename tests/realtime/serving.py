"""Real servers of our own, each a process: two that serve HTTP and sockets, and the Redis between them, which can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = "https://billing.example.org"
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Redis:
    """A Redis without a disk, on a port of its own."""

    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for_port(self.port, self.process)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Server:
    """``manage.py serve`` in a process, on the database of the tests."""

    redis_url: str
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": database_url(),
            "TEST_REDIS_URL": self.redis_url,
            "TEST_RUN": settings.RUN,  # names the channels: whoever publishes here is heard there
            "BILLING_EMBEDDED_WORKER": "false",
            "REALTIME_ALLOWED_ORIGINS": ORIGIN,
            "PYTHONPATH": str(ROOT),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """:raises RuntimeError: it ended instead, with what it said."""
        try:
            _wait_for_port(self.port, self.process)
        except RuntimeError as ended:
            raise RuntimeError(self.log.read_text()[-2000:]) from ended
        assert httpx.get(f"http://{self.address}/health", timeout=PATIENCE).status_code == 200

    def stop(self) -> int:
        """Ask it to end, as a deployment would; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Town:
    redis: Redis
    servers: list[Server]


@contextmanager
def town(logs: Path, *, servers: int = 2) -> Iterator[Town]:
    """So many servers with one Redis between them."""
    redis = Redis()
    redis.start()
    made = [Server(redis.url, logs / f"server-{number}.log") for number in range(servers)]
    try:
        for server in made:
            server.start()
        for server in made:
            server.wait()
        yield Town(redis, made)
    finally:
        for server in made:
            server.kill()
        redis.kill()


def database_url() -> str:
    """The database the tests run on, which Django has renamed."""
    known: dict[str, Any] = connection.settings_dict
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{known['NAME']}"
    password = f":{known['PASSWORD']}" if known["PASSWORD"] else ""
    return f"mysql://{known['USER']}{password}@{known['HOST']}:{known['PORT'] or 3306}/{known['NAME']}"


def _wait_for_port(port: int, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError("it has ended")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody answers on port {port}")
