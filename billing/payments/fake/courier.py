"""Brings the fake provider's events to our own door over real HTTP, again and again until it takes them."""

from __future__ import annotations

import asyncio
import itertools
import threading
from datetime import datetime
from typing import Final

import httpx
import structlog

from billing.payments.fake import connecting
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.store import Data
from mozaiks.kit import clock, lifespan

log = structlog.get_logger(__name__)

DOOR: Final = "/api/billing/webhooks/stripe"
#: How long the courier rests between two rounds, and after how many of them it looks for what became due meanwhile.
REST_SECONDS: Final = 0.3
ROUNDS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 300
TIMEOUT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 5.0


class Courier:
    """One round brings what is due; a door that is shut is tried again, later each time."""

    def __init__(self, provider: FakeProvider, *, door: str) -> None:
        self.stop = threading.Event()
        self._provider = provider
        self._door = door

    def run(self) -> None:
        """Rounds, until :attr:`stop`."""
        for number in itertools.count():
            if self.stop.wait(REST_SECONDS):
                return
            try:
                if number % ROUNDS == 0:
                    self._provider.catch_up()
                self.round(now=clock.now())
            except Exception:
                log.exception("fake_provider_courier_failed")

    def round(self, *, now: datetime) -> int:
        """How many events were taken."""
        taken = 0
        # Straight to ourselves, whatever proxies the environment names.
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            for event in self._provider.undelivered(due_before=now.timestamp()):
                if self.stop.is_set():
                    break
                taken += self._bring(client, event, now=now)
        return taken

    def _bring(self, client: httpx.Client, event: Data, *, now: datetime) -> bool:
        body, headers = self._provider.signed(event, at=now)
        try:
            taken = client.post(self._door, content=body, headers=headers).is_success
        except httpx.HTTPError:
            taken = False
        if taken:
            self._provider.delivered(event["id"])
        else:
            pause = min(2 ** self._provider.attempts(event["id"]), LONGEST_PAUSE_SECONDS)
            self._provider.not_delivered(event["id"], again_at=now.timestamp() + pause)
        return taken


def accompany(*, pages_at: str, listens_at: str) -> None:
    """Let the courier run while this process serves: pages under ``pages_at``, our door under ``listens_at``."""
    provider = connecting.provider()
    provider.serve_at(pages_at)
    courier = Courier(provider, door=listens_at + DOOR)
    thread = threading.Thread(target=courier.run, name="fake-provider-courier", daemon=True)

    async def start() -> None:
        thread.start()

    async def stop() -> None:
        courier.stop.set()
        await asyncio.to_thread(thread.join, PATIENCE_SECONDS)

    lifespan.on_startup(start)
    lifespan.on_shutdown(stop)
