"""HTTP, sockets and the life of the process, for uvicorn."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mozaiks.settings")

from django.core.asgi import get_asgi_application

from mozaiks.kit.checks import refuse_unsafe_start
from mozaiks.kit.lifespan import lifespan

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

http = get_asgi_application()
refuse_unsafe_start()

from realtime.routing import sockets  # noqa: E402 - knows models, which are there once Django is set up


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand each kind of connection to whoever serves it."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await sockets(scope, receive, send)
        return
    await http(scope, receive, send)
