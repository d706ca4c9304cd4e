"""Where sockets are."""

from __future__ import annotations

from typing import Final

from realtime.consumers import Receive, Scope, Send, realtime

PATH: Final = "/ws/realtime"


async def sockets(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a socket to who serves its path; there is one. Elsewhere: 403 before the handshake."""
    if scope["path"] != PATH:
        await receive()
        await send({"type": "websocket.close", "code": 4404})
        return
    await realtime(scope, receive, send)
