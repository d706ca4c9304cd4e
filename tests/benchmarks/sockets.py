"""
``python -m tests.benchmarks.sockets``: 1,000 sockets in 100 workspaces, how soon each hears, and what each costs in memory.

One server process on MariaDB, a Redis of its own, a process that publishes, and this one as a thousand browsers: the figure is
from handing an event over to a client having read it, so that a good part of it is the clients' own work on the same machine.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TEST_DATABASE_URL", "mysql://root@127.0.0.1:3306/mozaiks")
os.environ["TEST_RUN"] = f"bench_{os.getpid()}"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import argparse  # noqa: E402
import asyncio  # noqa: E402
import json  # noqa: E402
import multiprocessing  # noqa: E402
import resource  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402

from channels_redis.pubsub import RedisPubSubChannelLayer  # noqa: E402
from django.db import connection  # noqa: E402
from websockets.asyncio.client import ClientConnection, connect  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

from mozaiks.kit import clock  # noqa: E402
from mozaiks.workspaces import tokens  # noqa: E402
from mozaiks.workspaces.roles import Role  # noqa: E402
from realtime import publisher  # noqa: E402
from realtime.topics import WORKSPACE_BILLING_LIMITS, WORKSPACE_BILLING_LIMITS_UPDATED, Event  # noqa: E402
from tests.factories import MembershipFactory  # noqa: E402
from tests.realtime.serving import Server, town  # noqa: E402

MUST_MS, AIM_MS = 250.0, 50.0
AT_ONCE = 20
SPAWN = multiprocessing.get_context("spawn")


def settle(groups: int) -> list[tuple[int, str, str]]:
    """A workspace with one member each: its id, its slug and the member's token."""
    found = []
    for _ in range(groups):
        membership = MembershipFactory(role=Role.MEMBER)
        _, secret = tokens.issue(membership.user, name="benchmark", now=clock.now())
        found.append((membership.workspace_id, membership.workspace.slug, secret))
    return found


def memory_of(server: Server) -> int:
    """Resident memory in bytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


class Crowd:
    """All clients, and how long after it was published each heard what (seconds)."""

    def __init__(self) -> None:
        self.clients: list[ClientConnection] = []
        self.delays: list[float] = []
        self.lost: list[int | None] = []
        self._opening = asyncio.Semaphore(AT_ONCE)

    async def join(self, server: Server, slug: str, secret: str) -> None:
        async with self._opening:
            client = await connect(
                f"ws://{server.address}/ws/realtime",
                subprotocols=["mozaiks.v1", f"token.{secret}"],  # type: ignore[list-item]
                open_timeout=60,
                compression=None,
                ping_interval=None,
            )
            wish = {"type": "subscribe", "requestId": "1", "workspaceSlug": slug, "surface": "app"}
            await client.send(json.dumps({**wish, "topics": [WORKSPACE_BILLING_LIMITS]}))
            assert json.loads(await client.recv())["type"] == "subscribed"
        self.clients.append(client)

    async def listen(self, client: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            await self._hear(client)
        self.lost.append(client.close_code)

    async def _hear(self, client: ClientConnection) -> None:
        async for text in client:
            heard = time.perf_counter()
            self.delays.append(heard - json.loads(text)["event"]["payload"]["at"])


def publish_all(url: str, prefix: str, places: list[tuple[int, str, str]], rounds: int, pause: float) -> None:
    """In a process of its own: an event for each place, ``rounds`` times, with ``pause`` seconds between two of them."""
    layer = RedisPubSubChannelLayer(hosts=[{"address": url, "socket_timeout": None}], prefix=prefix)
    setattr(publisher, "get_channel_layer", lambda *_: layer)  # noqa: B010 - the layer of this run, not of the settings
    for _ in range(rounds):
        for workspace_id, slug, _secret in places:
            publisher.publish(event_of(workspace_id, slug))
            time.sleep(pause)
        publisher.flush(patience_seconds=60)
        time.sleep(0.5)


def event_of(workspace_id: int, slug: str) -> Event:
    """An event that says when it was handed over, by the clock all processes of the machine share."""
    return Event(
        topic=WORKSPACE_BILLING_LIMITS,
        event_type=WORKSPACE_BILLING_LIMITS_UPDATED,
        workspace_id=workspace_id,
        workspace_slug=slug,
        entity_type="billable_entity",
        entity_id=1,
        occurred_at=clock.now(),
        payload={"workspaceId": workspace_id, "workspaceSlug": slug, "changedCodes": ["a"], "at": time.perf_counter()},
    )


async def measure(
    server: Server, places: list[tuple[int, str, str]], *, each: int, rounds: int, url: str, prefix: str
) -> None:
    crowd = Crowd()
    before = memory_of(server)
    begun = time.perf_counter()
    await asyncio.gather(*(crowd.join(server, slug, secret) for _, slug, secret in places for _ in range(each)))
    opened = time.perf_counter() - begun
    number = len(crowd.clients)
    after = memory_of(server)
    print(f"{number} sockets in {len(places)} groups opened in {opened:.1f} s")
    print(f"memory: {(after - before) / number / 1024:.1f} KiB a socket ({after / 2**20:.0f} MiB in all)")
    listening = [asyncio.create_task(crowd.listen(client)) for client in crowd.clients]
    for what, pause in (("one after the other", 0.01), ("all groups at once", 0.0)):
        crowd.delays.clear()
        publishing = SPAWN.Process(target=publish_all, args=(url, prefix, places, rounds, pause))
        publishing.start()
        await asyncio.to_thread(publishing.join)
        await arrived(crowd, rounds * number)
        report(what, crowd.delays, expected=rounds * number)
    print(f"connections lost: {len(crowd.lost)} {sorted(map(str, crowd.lost))[:10]}")
    for task in listening:
        task.cancel()
    await asyncio.gather(*(client.close() for client in crowd.clients), return_exceptions=True)


async def arrived(crowd: Crowd, expected: int) -> None:
    for _ in range(100):
        if len(crowd.delays) >= expected:
            return
        await asyncio.sleep(0.1)


def report(what: str, delays: list[float], *, expected: int) -> None:
    ordered = sorted(delay * 1000 for delay in delays)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    print(
        f"{what}: {len(ordered)} of {expected} heard, median {p50:.1f} ms, p99 {p99:.1f} ms, last {ordered[-1]:.1f} ms"
        f" (p99 must {MUST_MS:.0f}, aim {AIM_MS:.0f})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sockets", description=__doc__)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--each", type=int, default=10, help="sockets in each group")
    parser.add_argument("--rounds", type=int, default=10, help="events for each group")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        places = settle(given.groups)
        with tempfile.TemporaryDirectory() as logs, town(Path(logs), servers=1) as running:
            prefix = os.environ["REDIS_PREFIX"]
            told = {"each": given.each, "rounds": given.rounds, "url": running.redis.url, "prefix": prefix}
            asyncio.run(measure(running.servers[0], places, **told))
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
