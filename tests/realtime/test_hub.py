"""One subscriber of the layer for all sockets of a process: groups that come and go, a layer that is away, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mozaiks.kit.metrics import REGISTRY
from realtime import consumers, hub
from realtime.admission import Visitor
from realtime.consumers import Socket
from realtime.publisher import CONTROL
from tests.realtime.conftest import Town
from tests.realtime.talking import connected, limits_changed, publish


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_sockets_are_counted_while_they_are_open(town: Town) -> None:
    before = sample("realtime_sockets")
    client = await connected(cookie=town.of_alice)
    await client.say(type="ping")
    assert sample("realtime_sockets") == before + 1

    await client.disconnect()

    assert sample("realtime_sockets") == before
    assert hub.hub().by_user == {}


async def test_a_group_is_left_when_nobody_listens_any_more(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "AGAIN_SECONDS", 0.01)
    client = await connected(cookie=town.of_alice)
    await client.subscribe(town.acme)
    assert len(hub.hub().joined) == 2

    await client.disconnect()

    await until(lambda: hub.hub().joined == {CONTROL})
    assert hub.hub().listeners == {}


async def test_a_layer_that_is_away_does_not_keep_anybody_out_and_is_joined_when_it_is_back(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(hub, "SETTLE_SECONDS", 0.1)
    house = hub.hub()
    real = house._layer
    await until(lambda: CONTROL in house.joined)

    class Away:
        async def group_add(self, *_: Any) -> None:
            raise ConnectionError("no Redis here")

    house._layer = Away()
    client = await connected(cookie=town.of_alice)
    assert (await client.subscribe(town.acme))["type"] == "subscribed"
    assert len(house.joined) == 1

    house._layer = real
    await until(lambda: len(house.joined) == 2)
    await publish(limits_changed(town.acme))
    assert (await client.hear())["type"] == "event"


async def test_delivery_is_counted(town: Town) -> None:
    clients = [await connected(cookie=town.of_alice) for _ in range(3)]
    for client in clients:
        await client.subscribe(town.acme)
    before = sample("realtime_events_delivered_total")

    await publish(limits_changed(town.acme))
    for client in clients:
        await client.hear()

    assert sample("realtime_events_delivered_total") == before + 3


class Stalled:
    """A reader who takes nothing: the server's write never ends."""

    def __init__(self) -> None:
        self.nothing = asyncio.Event()
        self.taken = 0

    async def receive(self) -> dict[str, Any]:
        await self.nothing.wait()
        return {}

    async def send(self, message: Any) -> None:
        self.taken += 1
        await self.nothing.wait()


async def test_a_reader_who_takes_nothing_is_dropped_when_too_much_waits() -> None:
    reader, house = Stalled(), hub.hub()
    socket = Socket(Visitor(user_id=1, token_id=1), house, reader.receive, reader.send)
    serving = asyncio.create_task(socket.run(as_of=house.news))
    await asyncio.sleep(0)
    before = sample("realtime_sockets_dropped_total", reason="slow")

    for _ in range(consumers.MOST_WAITING * 3):
        socket.offer("news")
        await asyncio.sleep(0)

    await asyncio.wait_for(serving, 10)
    assert len(socket._outbox) == 0
    assert reader.taken == 1
    assert sample("realtime_sockets_dropped_total", reason="slow") == before + 1
    assert house.by_user == {}


async def test_a_reader_who_takes_one_frame_for_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "SLOWEST_SECONDS", 0.05)
    reader, house = Stalled(), hub.hub()
    socket = Socket(Visitor(user_id=1, token_id=1), house, reader.receive, reader.send)
    serving = asyncio.create_task(socket.run(as_of=house.news))
    await asyncio.sleep(0)

    socket.offer("news")

    await asyncio.wait_for(serving, 10)
    assert house.by_user == {}
