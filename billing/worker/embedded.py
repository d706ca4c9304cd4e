"""The worker of the embedded default: the same loop, in a thread of the web process, from its start to its end."""

from __future__ import annotations

import asyncio
import threading

from django.db import connection

from billing.worker.heartbeats import own_name
from billing.worker.loop import Worker
from mozaiks.kit import lifespan

TICK_SECONDS = 60.0
#: A batch takes a fraction of a second; a thread that is stuck in the database does not keep the process from ending.
PATIENCE_SECONDS = 5.0


def embed(*, tick_seconds: float = TICK_SECONDS) -> None:
    """Let a worker run while this process serves."""
    worker = Worker(name=f"{own_name()}:embedded")
    thread = threading.Thread(target=_run, args=(worker, tick_seconds), name="billing-worker", daemon=True)

    async def start() -> None:
        thread.start()

    async def stop() -> None:
        worker.stop.set()
        await asyncio.to_thread(thread.join, PATIENCE_SECONDS)

    lifespan.on_startup(start)
    lifespan.on_shutdown(stop)


def _run(worker: Worker, tick_seconds: float) -> None:
    try:
        worker.run(tick_seconds=tick_seconds)
    finally:
        connection.close()
