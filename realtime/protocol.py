"""
The socket protocol of our server: uvicorn's own, which in the end lets go of peers who take nothing.

A transport that is closed first sends what it still holds. To a peer whose window is shut that never ends, and the connection
would stay for as long as they like; so it is cut off when it has had its time.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: From the end of a socket to the end of its connection: more than the closing handshake is given.
LINGER_SECONDS: Final = 15.0


class Sockets(WebSocketsSansIOProtocol):
    """One connection."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._cut_off_later()

    def keepalive_timeout(self) -> None:
        """The peer has not answered a ping."""
        super().keepalive_timeout()
        self._cut_off_later()

    def _cut_off_later(self) -> None:
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
