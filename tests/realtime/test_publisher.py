"""Publishing waits for nobody and fails nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mozaiks.kit.metrics import REGISTRY
from realtime import publisher
from realtime.publisher import CAPACITY, CONTROL, LOOK_AGAIN, Publisher
from realtime.topics import Event
from tests import NOON
from tests.realtime.talking import LIMITS

EVENT = Event(
    topic=LIMITS,
    event_type="workspace.billing.limits.updated",
    workspace_id=1,
    workspace_slug="acme",
    entity_type="billable_entity",
    entity_id=7,
    occurred_at=NOON,
    payload={},
)


class Layer:
    """A channel layer somewhere else, that may be away or hang."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.away = False
        self.hangs = False
        self.flushed = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.away:
            raise ConnectionError("no Redis here")
        self.sent.append((group, message))

    async def flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Layer]:
    """A publisher of its own before a layer of its own."""
    layer = Layer()
    monkeypatch.setattr(publisher, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(publisher, "_publisher", Publisher())
    monkeypatch.setattr(publisher, "AGAIN_SECONDS", 0.05)
    yield layer
    assert publisher.flush()


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("realtime_publish_failures_total", {"reason": reason}) or 0


def test_an_event_is_composed_and_carried_in_the_background(layer: Layer) -> None:
    threads: list[str] = []

    def compose() -> Event:
        threads.append(threading.current_thread().name)
        return EVENT

    publisher.publish(compose)
    publisher.publish(EVENT)
    assert publisher.flush()

    assert threads == ["realtime-publisher"]
    assert [(group, message["type"]) for group, message in layer.sent] == [(EVENT.group, "realtime.event")] * 2


def test_nobody_to_tell_is_no_failure(layer: Layer) -> None:
    publisher.publish(lambda: None)
    assert publisher.flush()

    assert layer.sent == []


@pytest.mark.parametrize("trouble", ["away", "hangs"])
def test_a_layer_in_trouble_costs_the_caller_nothing_and_is_counted(
    layer: Layer, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(publisher, "BOUND_SECONDS", 0.1)
    setattr(layer, trouble, True)
    before, begun = failures("layer"), time.perf_counter()

    for _ in range(3):
        publisher.publish(EVENT)
    waited = time.perf_counter() - begun
    assert publisher.flush()

    assert waited < 0.05
    assert failures("layer") == before + 3
    assert layer.flushed == 3

    setattr(layer, trouble, False)
    publisher.publish(EVENT)
    assert publisher.flush()
    assert len(layer.sent) == 1


def test_an_event_that_cannot_be_composed_is_counted_and_the_next_one_comes(layer: Layer) -> None:
    before = failures("composing")

    publisher.publish(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    publisher.publish(EVENT)
    assert publisher.flush()

    assert failures("composing") == before + 1
    assert len(layer.sent) == 1


def test_an_unknown_event_never_goes_over_the_wire(layer: Layer) -> None:
    before = failures("composing")

    publisher.publish(
        Event(
            topic=LIMITS,
            event_type="workspace.secret",
            workspace_id=1,
            workspace_slug="acme",
            entity_type="x",
            entity_id=1,
            occurred_at=NOON,
            payload={},
        )
    )
    assert publisher.flush()

    assert (failures("composing"), layer.sent) == (before + 1, [])


def test_the_queue_is_bounded(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()
    monkeypatch.setattr(publisher, "CAPACITY", 5)
    before = failures("full")

    def wait() -> None:
        going.wait(10)

    publisher.publish(wait)
    time.sleep(0.05)
    for _ in range(8):
        publisher.publish(EVENT)
    going.set()
    time.sleep(0.2)
    assert publisher.flush()

    assert failures("full") == before + 3
    assert len(layer.sent) == 5
    assert CAPACITY == 10_000


def test_what_waited_too_long_is_no_news(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "LATEST_SECONDS", -1.0)
    before = failures("late")

    publisher.publish(EVENT)
    assert publisher.flush()

    assert (failures("late"), layer.sent) == (before + 1, [])


def test_news_about_rights_is_owed_until_the_layer_takes_it(layer: Layer) -> None:
    layer.away = True
    publisher.look_again([7])
    publisher.look_again([8])
    publisher.signed_out(9, "key")
    assert publisher.flush()
    assert layer.sent == []

    layer.away = False
    deadline = time.monotonic() + 10
    while not layer.sent and time.monotonic() < deadline:
        time.sleep(0.01)

    assert layer.sent == [(CONTROL, {"type": LOOK_AGAIN, "users": [7, 8, 9]})]


def test_where_no_server_runs_nothing_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Publisher()
    monkeypatch.setattr(publisher, "_publisher", alone)
    monkeypatch.setattr(publisher, "_in_memory", lambda: True)

    publisher.publish(EVENT)
    publisher.look_again(None)

    assert alone.thread is None
    assert alone.waiting.empty()
