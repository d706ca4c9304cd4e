"""
Publishes without waiting: the caller leaves a message in a bounded queue, and a thread of its own carries it to the layer.

One second a message, no more; what cannot be carried is counted and logged and fails nobody. With Redis any process may publish.
The layer in memory lives in one process, on the loop that was remembered when the server started; where no server runs, nobody
listens and nothing is carried. News about who may hear what (``look_again``) is not given up like an event: it is owed until the
layer takes it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Final

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import close_old_connections, connection

from mozaiks.kit import clock
from realtime import telemetry
from realtime.topics import Event

CONTROL: Final = "realtime.control"
EVENT: Final = "realtime.event"
LOOK_AGAIN: Final = "realtime.look_again"
SIGNED_OUT: Final = "realtime.signed_out"

#: Messages that wait in a process. Beyond that new ones are dropped: browsers ask again every half minute.
CAPACITY: Final = 10_000
BOUND_SECONDS: Final = 1.0
#: An event that waited longer than this is no news.
LATEST_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 1.0
COMPLAIN_EVERY_SECONDS: Final = 10.0

Compose = Callable[[], Event | None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event to be composed and carried, and since when it waits (monotonic seconds)."""

    compose: Compose
    since: float


@dataclass(frozen=True, slots=True)
class _Message:
    """Words for the hubs of all processes."""

    content: dict[str, Any]


#: An event of ``threading`` is a mark: everything before it was carried or given up.
_Item = _Waiting | _Message | threading.Event


class Publisher:
    """The queue, and the one thread that empties it, started at the first message."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.starting = threading.Lock()
        self.thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owed: dict[int | None, None] = {}
        self._complained_at = -COMPLAIN_EVERY_SECONDS
        self._failures = 0

    def put(self, item: _Item) -> None:
        """Returns at once, whatever the layer does."""
        if self.waiting.qsize() >= CAPACITY:
            self._failed("full", None)
            return
        self.waiting.put(item)
        if self.thread is None or not self.thread.is_alive():
            self._start()

    @property
    def is_heard(self) -> bool:
        """Whether there can be anybody to hear it."""
        return bool(self.loops) or not _in_memory()

    def _start(self) -> None:
        with self.starting:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="realtime-publisher", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        while True:
            try:
                item = self.waiting.get(timeout=AGAIN_SECONDS if self._owed else None)
            except queue.Empty:
                self._pay()
                continue
            try:
                self._carry(item)
            except Exception as error:  # the thread outlives whatever one message does to it
                self._failed("layer", error)

    def _carry(self, item: _Item) -> None:
        match item:
            case threading.Event():
                item.set()
            case _Message():
                self._carry_word(item.content)
            case _Waiting():
                self._carry_event(item)

    def _carry_event(self, item: _Waiting) -> None:
        if clock.monotonic() - item.since > LATEST_SECONDS:
            self._failed("late", None)
            return
        try:
            event = _composed(item.compose)
            message = None if event is None else {"type": EVENT, "group": event.group, "frame": event.frame()}
        except Exception as error:
            self._failed("composing", error)
            return
        if event is None or message is None:
            return
        if self._send(event.group, message):
            telemetry.PUBLISHED.labels(topic=event.topic).inc()

    def _carry_word(self, content: dict[str, Any]) -> None:
        self._pay()
        if not self._send(CONTROL, content):
            users = content["users"]
            self._owed |= dict.fromkeys([None] if users is None else users)

    def _pay(self) -> None:
        """Say once more what the layer did not take."""
        if not self._owed:
            return
        whole = None in self._owed or len(self._owed) > CAPACITY
        users = None if whole else [user_id for user_id in self._owed if user_id is not None]
        if self._send(CONTROL, {"type": LOOK_AGAIN, "users": users}):
            self._owed.clear()

    def _send(self, group: str, message: dict[str, Any]) -> bool:
        """Hand one message to the layer within the bound; False where it did not take it."""
        try:
            if _in_memory():
                self._send_in_memory(group, message)
            else:
                self._send_far(group, message)
        except (Exception, CancelledError) as error:
            self._failed("layer", error)
            return False
        return True

    def _send_in_memory(self, group: str, message: dict[str, Any]) -> None:
        for loop in tuple(self.loops):
            sending = asyncio.run_coroutine_threadsafe(get_channel_layer().group_send(group, message), loop)
            try:
                sending.result(BOUND_SECONDS)
            except FutureTimeout:
                sending.cancel()
                raise

    def _send_far(self, group: str, message: dict[str, Any]) -> None:
        layer = get_channel_layer()

        async def send() -> None:
            try:
                async with asyncio.timeout(BOUND_SECONDS):
                    await layer.group_send(group, message)
            except BaseException:
                async with asyncio.timeout(BOUND_SECONDS):
                    await layer.flush()  # a connection that was cut off in the middle of a word is not used again
                raise

        if self._loop is not None:
            self._loop.run_until_complete(send())

    def _failed(self, reason: str, error: BaseException | None) -> None:
        """Count it, and say so now and then."""
        telemetry.FAILED.labels(reason=reason).inc()
        self._failures += 1
        if clock.monotonic() - self._complained_at >= COMPLAIN_EVERY_SECONDS:
            self._complained_at = clock.monotonic()
            telemetry.log.warning("publish_failed", reason=reason, failures=self._failures, error=repr(error))
            self._failures = 0


def _composed(compose: Compose) -> Event | None:
    """Composing may ask the database, from a thread whose connection nobody else would close."""
    close_old_connections()
    try:
        return compose()
    finally:
        if connection.connection is not None:
            connection.close()


def _in_memory() -> bool:
    return isinstance(get_channel_layer(), InMemoryChannelLayer)


_publisher = Publisher()


def publish(event: Event | Compose) -> None:
    """
    Tell everybody who may hear it. Returns at once, and never fails; call it after the commit.

    A function is called in the background, where it may ask the database; None from it means that there is nobody to tell.
    """
    if _publisher.is_heard:
        _publisher.put(_Waiting(event if callable(event) else _already(event), clock.monotonic()))


def look_again(user_ids: Iterable[int] | None) -> None:
    """What these users (None: all) may hear has changed: let every process ask again at once. Call it after the commit."""
    users = None if user_ids is None else list(user_ids)
    if _publisher.is_heard:
        _publisher.put(_Message({"type": LOOK_AGAIN, "users": users}))


def signed_out(user_id: int, session_key: str) -> None:
    """A session has ended: its sockets close."""
    if _publisher.is_heard:
        _publisher.put(_Message({"type": SIGNED_OUT, "users": [user_id], "session": session_key}))


def remember(loop: asyncio.AbstractEventLoop) -> None:
    """Sockets live on this loop."""
    _publisher.loops = [each for each in _publisher.loops if not each.is_closed() and each is not loop] + [loop]


def forget(loop: asyncio.AbstractEventLoop) -> None:
    """No sockets live on this loop any more."""
    _publisher.loops = [each for each in _publisher.loops if each is not loop]


def flush(*, patience_seconds: float = 5.0) -> bool:
    """Wait until everything published so far was carried or given up; False where that took too long. For tests and ends."""
    if _publisher.waiting.empty() and (_publisher.thread is None or not _publisher.is_heard):
        return True
    mark = threading.Event()
    _publisher.put(mark)
    return mark.wait(patience_seconds)


def _already(event: Event) -> Compose:
    return lambda: event


def _after_fork() -> None:
    """A thread does not survive a fork: the child begins with a queue of its own."""
    global _publisher
    _publisher = Publisher()


os.register_at_fork(after_in_child=_after_fork)
