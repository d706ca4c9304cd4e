"""
The sockets of one process, and what they hear: one subscriber of the channel layer for all of them.

A group of the layer is joined while somebody here listens to it, and left a little later. When the layer is away, sockets stay:
what they want to hear is remembered, and joined as soon as the layer is back. What a visitor may do is asked again when the
layer brings news of them, and of everybody once in ``SWEEP_SECONDS``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, Protocol, TypeVar

from channels.db import DatabaseSyncToAsync
from channels.layers import get_channel_layer

from mozaiks.kit import clock
from realtime import admission, publisher, telemetry
from realtime.admission import Standing, Visitor

P = ParamSpec("P")
T = TypeVar("T")

SWEEP_SECONDS = 15.0
#: How long the layer may take over one word; beyond that it is away.
BOUND_SECONDS = 1.0
AGAIN_SECONDS = 1.0
#: How long a client that subscribes is kept waiting for the layer, so that it misses nothing after the answer.
SETTLE_SECONDS = 3.0
#: Visitors whose standing is asked in one go.
BATCH = 500
DATABASE_THREADS = 4

_threads = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="realtime-db")


async def in_database(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the database in one of few threads, so that a thousand sockets that come back at once wait for one another."""
    asked = DatabaseSyncToAsync(ask, thread_sensitive=False, executor=_threads)
    result: T = await asked(*args, **kwargs)
    return result


class Listener(Protocol):
    """A socket, as the hub knows it."""

    visitor: Visitor

    def offer(self, frame: str) -> None:
        """Take a text frame to send; never waits."""

    def workspace_ids(self) -> Collection[int]:
        """Where it hears something."""

    def look_again(self) -> None:
        """News of the visitor: what was asked before may be true no more."""

    def settle(self, standing: Standing) -> None:
        """Give up what ``standing`` does not allow any more."""

    def shut_out(self) -> None:
        """Close: who let the visitor in does so no more."""


class Hub:
    """All sockets of one event loop."""

    def __init__(self) -> None:
        self.by_user: dict[int, set[Listener]] = {}
        self.listeners: dict[str, set[Listener]] = {}
        self.joined: set[str] = set()
        self.news = 0
        self._layer: Any = get_channel_layer()
        self._channel: str | None = None
        self._joining = asyncio.Lock()
        self._why_not_joined = ""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life

    def start(self) -> None:
        """Begin to listen; the layer may be away."""
        self._spawn(self._listen())
        self._spawn(self._keep())

    async def stop(self) -> None:
        """End what was begun."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- sockets

    def admit(self, socket: Listener) -> None:
        self.by_user.setdefault(socket.visitor.user_id, set()).add(socket)
        telemetry.SOCKETS.inc()

    def dismiss(self, socket: Listener, groups: Iterable[str]) -> None:
        """Forget a socket that is closed."""
        for group in groups:
            self.leave(group, socket)
        mine = self.by_user.get(socket.visitor.user_id, set())
        mine.discard(socket)
        if not mine:
            self.by_user.pop(socket.visitor.user_id, None)
        telemetry.SOCKETS.dec()

    def sockets_of(self, user_id: int) -> int:
        return len(self.by_user.get(user_id, ()))

    def listen(self, group: str, socket: Listener) -> None:
        """Let ``socket`` hear ``group`` from now on."""
        self.listeners.setdefault(group, set()).add(socket)

    async def settled(self, groups: Iterable[str]) -> None:
        """Wait until the layer has ``groups``, though not for long: when it is away it gets them as soon as it is back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                for group in groups:
                    while group not in self.joined and not await self._join(group):
                        await asyncio.sleep(SETTLE_SECONDS / 30)

    def leave(self, group: str, socket: Listener) -> None:
        """At once for the socket; the layer is told later, for who leaves one page opens another."""
        heard = self.listeners.get(group)
        if heard is not None:
            heard.discard(socket)
            if not heard:
                del self.listeners[group]

    # --- what the layer says

    async def _listen(self) -> None:
        while True:
            try:
                if self._channel is None:
                    await self._connect()
                self._hear(await self._layer.receive(self._channel))
            except Exception as error:
                telemetry.log.warning("layer_not_heard", error=repr(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _connect(self) -> None:
        async with asyncio.timeout(BOUND_SECONDS):
            self._channel = await self._layer.new_channel()
        await self._join(publisher.CONTROL)

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case publisher.EVENT:
                hearers = self.listeners.get(message["group"], ())
                for socket in hearers:
                    socket.offer(message["frame"])
                telemetry.DELIVERED.inc(len(hearers))
            case publisher.LOOK_AGAIN:
                users = message["users"]
                self.news += 1
                found = self._sockets() if users is None else self._sockets_of(users)
                for socket in found:
                    socket.look_again()
                self._spawn(self._settle(found))
            case publisher.SIGNED_OUT:
                for socket in self._sockets_of(message["users"]):
                    if socket.visitor.session_key == message["session"]:
                        socket.shut_out()

    def _sockets(self) -> list[Listener]:
        return [socket for mine in self.by_user.values() for socket in mine]

    def _sockets_of(self, user_ids: Iterable[int]) -> list[Listener]:
        return [socket for user_id in user_ids for socket in self.by_user.get(user_id, ())]

    # --- what is true of visitors

    def ask_again(self, socket: Listener) -> None:
        """News came while ``socket`` was being let in."""
        self._spawn(self._settle([socket]))

    async def _settle(self, sockets: Collection[Listener]) -> None:
        """Ask who still may hear what; while the database does not answer, what was true stays true."""
        for some in _batches(sockets):
            workspace_ids = {workspace_id for socket in some for workspace_id in socket.workspace_ids()}
            visitors = [socket.visitor for socket in some]
            try:
                standing = await in_database(admission.standing_of, visitors, workspace_ids, now=clock.now())
            except Exception as error:
                telemetry.log.warning("standing_not_known", sockets=len(some), error=repr(error))
                continue
            for socket in some:
                if socket.visitor in standing.welcome:
                    socket.settle(standing)
                else:
                    socket.shut_out()

    # --- upkeep

    async def _keep(self) -> None:
        """Bring the layer's groups in line with who listens, and ask after everybody now and then."""
        swept = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            await self._align()
            if asyncio.get_running_loop().time() - swept >= SWEEP_SECONDS:
                await self._settle(self._sockets())
                await self._renew()
                swept = asyncio.get_running_loop().time()

    async def _align(self) -> None:
        wanted = {publisher.CONTROL, *self.listeners} if self._channel is not None else set()
        missing = wanted - self.joined
        for group in missing:
            if not await self._join(group):
                telemetry.log.warning("groups_not_joined", number=len(missing), error=self._why_not_joined)
                return
        for group in self.joined - wanted:
            await self._discard(group)

    async def _renew(self) -> None:
        """The layer in memory forgets members after a day, and those whose message waited for a minute."""
        for group in tuple(self.joined):
            self.joined.discard(group)
            if not await self._join(group):
                return

    async def _join(self, group: str) -> bool:
        async with self._joining:
            if group in self.joined:
                return True
            if self._channel is None:
                return False
            try:
                async with asyncio.timeout(BOUND_SECONDS):
                    await self._layer.group_add(group, self._channel)
            except Exception as error:
                self._why_not_joined = repr(error)
                return False
            self.joined.add(group)
            return True

    async def _discard(self, group: str) -> None:
        async with self._joining:
            if group in self.listeners:
                return
            self.joined.discard(group)
            try:
                async with asyncio.timeout(BOUND_SECONDS):
                    await self._layer.group_discard(group, self._channel)
            except Exception as error:
                telemetry.log.warning("group_not_left", group=group, error=repr(error))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _batches(sockets: Collection[Listener]) -> Iterable[list[Listener]]:
    waiting = list(sockets)
    for start in range(0, len(waiting), BATCH):
        yield waiting[start : start + BATCH]


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of the running loop, started by whoever asks first: the server's start, or its first socket."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        for old in [each for each in _hubs if each.is_closed()]:
            del _hubs[old]
        found = _hubs[loop] = Hub()
        found.start()
        publisher.remember(loop)
    return found


async def open_doors() -> None:
    """The server starts: remember its loop for those who publish from threads."""
    hub()


async def close_doors() -> None:
    """The server stops."""
    loop = asyncio.get_running_loop()
    publisher.forget(loop)
    found = _hubs.pop(loop, None)
    if found is not None:
        await found.stop()
