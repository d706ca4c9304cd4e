"""What starts and stops with a server process: rooms register, the ASGI server says when."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

log = structlog.get_logger(__name__)

Hook = Callable[[], Awaitable[None]]
Message = Mapping[str, Any]

STARTUP: list[Hook] = []
SHUTDOWN: list[Hook] = []


def on_startup(hook: Hook) -> Hook:
    """Run ``hook`` on the server's loop before the first request; what it raises stops the start."""
    STARTUP.append(hook)
    return hook


def on_shutdown(hook: Hook) -> Hook:
    """Run ``hook`` on the server's loop after the last request, the last one registered first."""
    SHUTDOWN.append(hook)
    return hook


async def lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Speak the lifespan protocol of ASGI for one process."""
    await receive()
    try:
        for hook in STARTUP:
            await hook()
    except Exception as error:
        log.exception("startup_failed")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for hook in reversed(SHUTDOWN):
        await _finish(hook)
    await send({"type": "lifespan.shutdown.complete"})


async def _finish(hook: Hook) -> None:
    """One hook that fails must not keep the others from finishing."""
    try:
        await hook()
    except Exception:
        log.exception("shutdown_hook_failed")
