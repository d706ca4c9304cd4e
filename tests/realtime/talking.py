"""Clients of the socket as tests speak with them: in process, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from mozaiks.asgi import application
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import User, Workspace
from realtime import publisher
from realtime.routing import PATH
from realtime.topics import WORKSPACE_BILLING_LIMITS, WORKSPACE_BILLING_LIMITS_UPDATED, Event
from tests import NOON

P = ParamSpec("P")
T = TypeVar("T")

LIMITS = WORKSPACE_BILLING_LIMITS
HOME = "https://billing.example.org"
#: On two busy cores a second is not always enough for what takes a millisecond.
PATIENCE = 10


class Client(WebsocketCommunicator):
    """One browser or program."""

    def __init__(
        self,
        *,
        cookie: str = "",
        origin: str | None = HOME,
        subprotocols: list[str] | None = None,
        path: str = PATH,
        host: str = "billing.example.org",
    ) -> None:
        headers = [(b"host", host.encode())]
        headers += [(b"origin", origin.encode())] if origin is not None else []
        headers += [(b"cookie", cookie.encode())] if cookie else []
        super().__init__(application, path, headers=headers, subprotocols=subprotocols)

    async def say(self, **message: Any) -> dict[str, Any]:
        """Send one message and hear the answer."""
        await self.send_to(text_data=json.dumps(message))
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(await self.receive_from(timeout=PATIENCE))
        return heard

    async def subscribe(
        self, workspace: Workspace, *, surface: str = "app", topics: tuple[str, ...] = (LIMITS,)
    ) -> Any:
        return await self.say(
            type="subscribe", requestId="r1", workspaceSlug=workspace.slug, surface=surface, topics=list(topics)
        )

    async def closed_with(self) -> int:
        """Wait for the end, whatever is said before."""
        while True:
            message = await self.receive_output(timeout=PATIENCE)
            if message["type"] == "websocket.close":
                return int(message["code"])


async def connected(**options: Any) -> Client:
    client = Client(**options)
    let_in, _ = await client.connect(timeout=PATIENCE)
    assert let_in
    return client


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something with the database, as a request would: in a thread of its own, whose connection is closed."""

    def alone() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connection.close()

    return await sync_to_async(alone, thread_sensitive=False)()


def signed_in(user: User) -> str:
    """The cookie of a session of ``user``."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


def token_of(user: User, *, expires_at: datetime | None = None) -> list[str]:
    """The sub-protocols by which a program of ``user`` comes in."""
    _, secret = tokens.issue(user, name="tests", now=NOON, expires_at=expires_at)
    return ["mozaiks.v1", f"token.{secret}"]


def limits_changed(workspace: Workspace, *codes: str) -> Event:
    return Event(
        topic=LIMITS,
        event_type=WORKSPACE_BILLING_LIMITS_UPDATED,
        workspace_id=workspace.pk,
        workspace_slug=workspace.slug,
        entity_type="billable_entity",
        entity_id=7,
        occurred_at=NOON,
        payload={"changedCodes": list(codes)},
    )


async def publish(event: Event) -> None:
    """Publish, and wait until the layer has it."""
    publisher.publish(event)
    assert await sync_to_async(publisher.flush, thread_sensitive=False)()
