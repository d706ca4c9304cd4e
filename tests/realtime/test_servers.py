"""Two server processes and a Redis between them: what one commits, sockets of the other hear, whatever happens to Redis."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from mozaiks.kit import clock
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from realtime.hub import SWEEP_SECONDS
from realtime.topics import WORKSPACE_BILLING_LIMITS
from tests.factories import BillableEntityFactory, GrantFactory, MembershipFactory, UserFactory, WorkspaceFactory
from tests.gadgets.factories import CreditsFactory
from tests.gadgets.limits import CREDITS
from tests.realtime.serving import ORIGIN, Server, Town, town
from tests.realtime.talking import signed_in

pytestmark = [
    pytest.mark.server,
    pytest.mark.serial,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server to start one of its own"),
]

PATIENCE = 20.0


@dataclass(frozen=True)
class Acme:
    """A workspace with more credits than anybody uses, its owner, and the owner's token and session."""

    workspace: Workspace
    owner: User
    secret: str
    cookie: str


@pytest.fixture
def acme(transactional_db: None) -> Acme:
    workspace, owner = WorkspaceFactory(slug="acme"), UserFactory(username="alice")
    MembershipFactory(workspace=workspace, user=owner, role=Role.OWNER)
    GrantFactory(subject=BillableEntityFactory(workspace=workspace), definition=CreditsFactory(), amount=1_000_000)
    _, secret = tokens.issue(owner, name="tests", now=clock.now())
    return Acme(workspace, owner, secret, signed_in(owner))


@pytest.fixture
def servers(acme: Acme, tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as running:
        yield running


@asynccontextmanager
async def listening(server: Server, acme: Acme) -> AsyncIterator[ClientConnection]:
    """A socket of the owner's session that hears the limits of the workspace."""
    url, headers = f"ws://{server.address}/ws/realtime", {"Cookie": acme.cookie}
    async with connect(url, origin=Origin(ORIGIN), additional_headers=headers) as client:
        wish = {"type": "subscribe", "requestId": "1", "workspaceSlug": "acme", "surface": "app"}
        await client.send(json.dumps({**wish, "topics": [WORKSPACE_BILLING_LIMITS]}))
        assert (await hear(client))["type"] == "subscribed"
        yield client


async def hear(client: ClientConnection, *, patience: float = PATIENCE) -> dict[str, Any]:
    heard: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), patience))
    return heard


async def sign_out(http: httpx.AsyncClient, server: Server, acme: Acme) -> None:
    secret = "s" * 32
    answer = await http.post(
        f"http://{server.address}/logout/",
        data={"csrfmiddlewaretoken": secret},
        headers={"Cookie": f"{acme.cookie}; csrftoken={secret}"},
    )
    assert answer.status_code == 302, answer.text


async def charge(http: httpx.AsyncClient, server: Server, acme: Acme, **headers: str) -> float:
    """Use a credit over HTTP; the seconds it took."""
    begun = time.perf_counter()
    answer = await http.post(
        f"http://{server.address}/api/gadgets/charge",
        json={"amount": 1},
        headers={"Authorization": f"Bearer {acme.secret}", "x-workspace-slug": "acme", **headers},
    )
    assert answer.status_code == 201, answer.text
    return time.perf_counter() - begun


async def test_what_one_process_commits_is_heard_at_the_other_until_it_must_not_be(servers: Town, acme: Acme) -> None:
    here, there = servers.servers
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as http,
        listening(there, acme) as far,
        listening(here, acme) as near,
    ):
        await charge(http, here, acme, **{"X-Client-Id": "tab-1", "Idempotency-Key": "k1"})
        heard = [(await hear(client))["event"] for client in (far, near)]
        await charge(http, here, acme, **{"X-Client-Id": "tab-1", "Idempotency-Key": "k1"})
        await far.send('{"type":"ping"}')
        after_the_repeat = await hear(far)

        begun = time.perf_counter()
        await sign_out(http, here, acme)
        with pytest.raises(ConnectionClosed) as shut_out:
            await hear(far)
        took = time.perf_counter() - begun

    assert heard[0] == heard[1]
    assert heard[0]["payload"]["changedCodes"] == [CREDITS]
    assert (heard[0]["commandId"], heard[0]["sourceClientId"], heard[0]["actorUserId"]) == (
        "k1",
        "tab-1",
        acme.owner.pk,
    )
    assert after_the_repeat == {"type": "pong"}
    assert shut_out.value.rcvd is not None
    assert shut_out.value.rcvd.code == 4401
    assert took < SWEEP_SECONDS / 3


async def test_while_redis_is_gone_http_goes_on_and_when_it_is_back_sockets_do(servers: Town, acme: Acme) -> None:
    here, there = servers.servers
    slowest, served = 0.0, 0

    async with httpx.AsyncClient(timeout=PATIENCE) as http, listening(there, acme) as client:
        loading = True

        async def load() -> None:
            nonlocal slowest, served
            while loading:
                slowest = max(slowest, await charge(http, here, acme))
                served += 1

        working = [asyncio.create_task(load()) for _ in range(2)]
        assert (await hear(client))["type"] == "event"
        servers.redis.kill()
        before = served
        await asyncio.sleep(2.0)
        served_meanwhile = served - before
        servers.redis.start()
        heard_again = await _next_after_silence(client)
        loading = False
        await asyncio.gather(*working)

    assert served_meanwhile > 0
    assert slowest < 5.0
    assert heard_again["type"] == "event"


async def _next_after_silence(client: ClientConnection) -> dict[str, Any]:
    """What was under way when Redis went comes first; then the news of who works since it is back."""
    since = clock.now().isoformat()
    while True:
        heard = await hear(client)
        if heard["event"]["occurredAt"] > since:
            return heard


async def test_a_server_that_ends_asks_its_clients_to_come_back(servers: Town, acme: Acme) -> None:
    here, _ = servers.servers
    async with listening(here, acme) as client:
        code = await asyncio.to_thread(here.stop)
        with pytest.raises(ConnectionClosed) as ended:
            await hear(client)

    assert code in {0, -signal.SIGTERM}  # uvicorn passes the signal on once it has stopped
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1012
