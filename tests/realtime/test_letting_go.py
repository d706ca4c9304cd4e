"""A real connection whose peer takes nothing is let go of, whatever still waits for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from realtime import protocol
from tests.realtime.serving import free_port

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def floods(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Accept, say more than any buffer holds, and be done."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "bytes": b"x" * 64 * 2**20})


async def _until(true: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for it; False where the time was up before."""
    for _ in range(int(seconds * 100)):
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize(("ws", "let_go"), [(protocol.Sockets, True), (WebSocketsSansIOProtocol, False)])
async def test_who_takes_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, ws: type[asyncio.Protocol], let_go: bool
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.1)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(floods, port=port, ws=ws, lifespan="off", log_config=None, timeout_graceful_shutdown=0)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)

    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(HANDSHAKE)
        there = server.server_state.connections
        await _until(lambda: bool(there), seconds=20)
        still_there = not await _until(lambda: not there, seconds=20 if let_go else 1)

    assert still_there is not let_go
    server.should_exit = True
    await asyncio.wait_for(serving, 20)
