"""
One socket: who it is, what it asks, what it hears. The protocol is in ``docs/contracts.md``.

Whatever a client sends costs a bounded amount: frames over ``LARGEST_FRAME`` bytes are not looked at, more messages than the
stated rate end the socket, and a reader who is too slow for what he asked to hear is dropped.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from mozaiks.kit import clock
from realtime import admission, telemetry
from realtime.admission import Seat, Standing, Visitor
from realtime.hub import Hub, hub, in_database
from realtime.requests import Problem, Request, Subscription, read
from realtime.topics import Surface, group_of

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PROTOCOL: Final = "mozaiks.v1"
TOKEN_PREFIX: Final = "token."  # noqa: S105 - how a token is announced, no secret itself
LARGEST_FRAME: Final = 8 * 1024
#: Messages a client may send: so many at once, and so many a second for as long as it likes.
BURST: Final = 60
A_SECOND: Final = 20
MOST_SUBSCRIPTIONS: Final = 100
MOST_SOCKETS_A_USER: Final = 100
#: Frames that wait for a slow reader, and the seconds one of them may take.
MOST_WAITING: Final = 256
SLOWEST_SECONDS: Final = 10.0

UNAUTHENTICATED: Final = 4401
TOO_MANY: Final = 4429
TRY_LATER: Final = 1013
WENT_WRONG: Final = 1011


async def realtime(scope: Scope, receive: Receive, send: Send) -> None:
    """Let a socket in, or say why not: 403 for a wrong origin, 4401 for nobody, 4429 for too many of one user."""
    await receive()
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    offered = [word for word in scope.get("subprotocols", ()) if word]
    secret = next((word.removeprefix(TOKEN_PREFIX) for word in offered if word.startswith(TOKEN_PREFIX)), None)
    if not _origin_passes(scope, headers, with_token=secret is not None):
        telemetry.REFUSED.labels(reason="origin").inc()
        await send({"type": "websocket.close", "code": 4403})
        return
    house = hub()
    news = house.news
    code, visitor = await _greet(headers.get(b"cookie", ""), secret, house)
    await send({"type": "websocket.accept", "subprotocol": PROTOCOL if PROTOCOL in offered else None})
    if visitor is None:
        await send({"type": "websocket.close", "code": code})
        return
    await Socket(visitor, house, receive, send).run(as_of=news)


def _origin_passes(scope: Scope, headers: Mapping[bytes, str], *, with_token: bool) -> bool:
    """Browsers always name the origin; programs, which name none, bring a token: a cookie alone is not theirs to send."""
    origin = headers.get(b"origin")
    if origin is None:
        return with_token
    return admission.origin_allowed(origin, host=headers.get(b"host", ""), scheme=scope.get("scheme", "ws"))


async def _greet(cookies: str, secret: str | None, house: Hub) -> tuple[int, Visitor | None]:
    """The visitor, or the code that says why there is none."""
    try:
        if secret is not None:
            visitor = await in_database(admission.visitor_of_token, secret, now=clock.now())
        else:
            visitor = await in_database(admission.visitor_of_cookies, cookies)
    except Exception as error:  # the database is away: the client comes back
        telemetry.log.warning("visitor_not_known", error=repr(error))
        telemetry.REFUSED.labels(reason="unavailable").inc()
        return TRY_LATER, None
    if visitor is None:
        telemetry.REFUSED.labels(reason="unauthenticated").inc()
        return UNAUTHENTICATED, None
    if house.sockets_of(visitor.user_id) >= MOST_SOCKETS_A_USER:
        telemetry.REFUSED.labels(reason="too_many").inc()
        return TOO_MANY, None
    return 1000, visitor


def _text_of(message: Mapping[str, Any]) -> str | None:
    """The text of a frame, None of a binary one. :raises Problem: it is too large to be looked at."""
    text: str | None = message.get("text")
    size = len(message.get("bytes") or b"") if text is None else len(text)
    if size > LARGEST_FRAME or (text is not None and len(text.encode("utf-8", "surrogatepass")) > LARGEST_FRAME):
        raise Problem("payload_too_large", f"A frame has at most {LARGEST_FRAME} bytes.")
    return text


class Socket:
    """One open socket; its hub calls it on the loop, and nothing here waits but reading and writing."""

    def __init__(self, visitor: Visitor, house: Hub, receive: Receive, send: Send) -> None:
        self.visitor = visitor
        self._hub, self._receive, self._send = house, receive, send
        self._subscriptions: dict[tuple[str, int], Subscription] = {}
        self._outbox: deque[str] = deque()
        self._something = asyncio.Event()
        self._ending: int | None = None
        self._gone = False
        self._looks = 0
        self._may_send = float(BURST)
        self._counted_at = asyncio.get_running_loop().time()
        self._writer: asyncio.Task[None] | None = None

    # --- life

    async def run(self, *, as_of: int) -> None:
        """Serve until either side has enough. ``as_of``: the hub's news when the visitor was asked after."""
        self._hub.admit(self)
        if self._hub.news != as_of:
            self._hub.ask_again(self)
        reader = asyncio.create_task(self._read())
        self._writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, self._writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._gone = True
            self._hub.dismiss(self, [group_of(*key) for key in self._subscriptions])
            for task in (reader, self._writer):
                task.cancel()
            await asyncio.gather(reader, self._writer, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._gone = True
                self._something.set()
                return
            if self._ending is not None:
                continue
            if not self._within_rate():
                self._end(TOO_MANY, "flood")
                continue
            try:
                request = read(_text_of(message))
                await self._follow(request)
            except Problem as problem:
                self._complain(problem)

    async def _write(self) -> None:
        while not self._gone:
            await self._something.wait()
            self._something.clear()
            while self._outbox and not self._gone:
                await self._put(self._outbox.popleft())
            if self._ending is not None and not self._gone:
                async with asyncio.timeout(SLOWEST_SECONDS):
                    await self._send({"type": "websocket.close", "code": self._ending})
                return

    async def _put(self, frame: str) -> None:
        try:
            async with asyncio.timeout(SLOWEST_SECONDS):
                await self._send({"type": "websocket.send", "text": frame})
        except TimeoutError:
            self._drop()
            raise
        telemetry.FRAMES.inc()

    # --- what the hub says

    def offer(self, frame: str) -> None:
        """Queue a frame; a reader who has too many waiting is dropped."""
        if self._gone or self._ending is not None:
            return
        if len(self._outbox) >= MOST_WAITING:
            self._drop()
            return
        self._outbox.append(frame)
        self._something.set()

    def workspace_ids(self) -> Collection[int]:
        return {workspace_id for _, workspace_id in self._subscriptions}

    def look_again(self) -> None:
        self._looks += 1

    def settle(self, standing: Standing) -> None:
        """Give up at once what is not allowed any more, and say so."""
        for (topic, workspace_id), subscription in tuple(self._subscriptions.items()):
            if workspace_id not in standing.workspaces:
                continue  # subscribed since the question was asked, and looked at then
            permissions = standing.permissions_of(self.visitor, workspace_id)
            for surface in tuple(subscription.surfaces):
                if permissions is None or not subscription.topic.lets_hear(surface, permissions):
                    self._unsubscribe(topic, workspace_id, surface)
                    self._tell("unsubscribed", None, subscription.slug, surface, [topic])

    def shut_out(self) -> None:
        self._end(UNAUTHENTICATED, "shut_out")

    def _end(self, code: int, reason: str) -> None:
        """Close with ``code`` once what waits is sent."""
        if self._ending is None and not self._gone:
            telemetry.DROPPED.labels(reason=reason).inc()
            self._ending = code
            if reason == "shut_out":
                self._outbox.clear()
            self._something.set()

    def _drop(self) -> None:
        """Let go of a reader who takes nothing: there is no way to tell them."""
        if not self._gone:
            telemetry.DROPPED.labels(reason="slow").inc()
            self._gone = True
            self._outbox.clear()
            if self._writer is not None:
                self._writer.cancel()

    # --- what the client says

    def _within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._may_send = min(float(BURST), self._may_send + (now - self._counted_at) * A_SECOND)
        self._counted_at = now
        self._may_send -= 1
        return self._may_send >= 0

    async def _follow(self, request: Request) -> None:
        """:raises Problem: it is not allowed, or it could not be done."""
        try:
            if request.type == "ping":
                self.offer('{"type":"pong"}')
            elif request.type == "subscribe":
                await self._subscribe(request)
            else:
                self._unsubscribe_all(request)
        except Problem:
            raise
        except Exception as error:
            telemetry.log.exception("message_failed")
            raise Problem("internal_error", "This could not be done now; try again.", request.id) from error

    async def _subscribe(self, request: Request) -> None:
        """All of the topics or none. News that come while the database is asked make the question be asked again."""
        while True:
            looks = self._looks
            seat = await in_database(admission.seat_of, self.visitor, request.slug, now=clock.now())
            if looks == self._looks:
                break
        if seat is None:
            raise Problem("forbidden", "You cannot listen in this workspace.", request.id)
        keys = self._note(request, seat)
        await self._hub.settled([group_of(*key) for key in keys])
        if not all(key in self._subscriptions for key in keys):  # taken away while the layer was asked
            raise Problem("forbidden", "You cannot listen in this workspace any more.", request.id)
        self._tell("subscribed", request.id, request.slug, request.surface, [topic.name for topic in request.topics])

    def _note(self, request: Request, seat: Seat) -> list[tuple[str, int]]:
        """Hear what was asked for, in one go. :raises Problem: some of it is not allowed, or it is too much."""
        for topic in request.topics:
            if not topic.lets_hear(request.surface, seat.permissions):
                raise Problem("forbidden", f"Your role does not allow you to hear {topic.name}.", request.id)
        keys = [(topic.name, seat.workspace_id) for topic in request.topics]
        if len(self._subscriptions.keys() | set(keys)) > MOST_SUBSCRIPTIONS:
            raise Problem("forbidden", f"A socket hears at most {MOST_SUBSCRIPTIONS} topics.", request.id)
        for key, topic in zip(keys, request.topics, strict=True):
            known = self._subscriptions.setdefault(key, Subscription(topic=topic, slug=request.slug))
            known.surfaces.add(request.surface)
            self._hub.listen(group_of(*key), self)
        return keys

    def _unsubscribe_all(self, request: Request) -> None:
        names = {topic.name for topic in request.topics}
        for (name, workspace_id), subscription in tuple(self._subscriptions.items()):
            if subscription.slug == request.slug and name in names:
                self._unsubscribe(name, workspace_id, request.surface)
        self._tell("unsubscribed", request.id, request.slug, request.surface, [topic.name for topic in request.topics])

    def _unsubscribe(self, topic: str, workspace_id: int, surface: Surface) -> None:
        subscription = self._subscriptions.get((topic, workspace_id))
        if subscription is None:
            return
        subscription.surfaces.discard(surface)
        if not subscription.surfaces:
            del self._subscriptions[topic, workspace_id]
            self._hub.leave(group_of(topic, workspace_id), self)

    # --- what it is told

    def _tell(self, type_: str, request_id: str | int | None, slug: str, surface: Surface, topics: list[str]) -> None:
        answer = {"type": type_, "requestId": request_id, "workspaceSlug": slug, "surface": surface, "topics": topics}
        self.offer(json.dumps(answer))

    def _complain(self, problem: Problem) -> None:
        answer = {"type": "error", "requestId": problem.request_id, "code": problem.code, "message": problem.message}
        self.offer(json.dumps(answer))
