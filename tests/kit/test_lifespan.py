"""What starts and stops with the server process."""

from collections.abc import Mapping
from typing import Any

import pytest

from mozaiks.kit import lifespan


class Server:
    """The other end of the lifespan protocol."""

    def __init__(self) -> None:
        self.told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        self.heard: list[str] = []

    async def receive(self) -> Mapping[str, Any]:
        return self.told.pop(0)

    async def send(self, message: Mapping[str, Any]) -> None:
        self.heard.append(message["type"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(lifespan, "STARTUP", [])
    monkeypatch.setattr(lifespan, "SHUTDOWN", [])
    return Server()


async def test_hooks_run_in_order_and_stop_in_reverse(server: Server) -> None:
    ran: list[str] = []

    async def note(name: str) -> None:
        ran.append(name)

    lifespan.on_startup(lambda: note("start"))
    lifespan.on_shutdown(lambda: note("first"))
    lifespan.on_shutdown(lambda: note("second"))

    await lifespan.lifespan(server.receive, server.send)

    assert ran == ["start", "second", "first"]
    assert server.heard == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_start_that_fails_is_told(server: Server) -> None:
    @lifespan.on_startup
    async def fail() -> None:
        raise RuntimeError("no")

    await lifespan.lifespan(server.receive, server.send)

    assert server.heard == ["lifespan.startup.failed"]


async def test_one_hook_that_fails_does_not_keep_the_others_from_finishing(server: Server) -> None:
    ran: list[str] = []

    @lifespan.on_shutdown
    async def last() -> None:
        ran.append("last")

    @lifespan.on_shutdown
    async def fail() -> None:
        raise RuntimeError("no")

    await lifespan.lifespan(server.receive, server.send)

    assert ran == ["last"]
    assert server.heard[-1] == "lifespan.shutdown.complete"
