"""The loop of a worker: rounds, signs of life, failures that stop nobody, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from billing.models import Grant, WorkerHeartbeat
from billing.worker import heartbeats, loop
from billing.worker.embedded import embed
from billing.worker.loop import Worker
from billing.worker.ticks import TICKS, Done, Tick
from mozaiks.kit import clock, lifespan
from tests import NOON
from tests.concurrency.crowd import database_url
from tests.entitlements.looking import balance_of
from tests.factories import GrantFactory
from tests.gadgets.factories import CreditsFactory

DAY = timedelta(days=1)


@pytest.fixture
def due(db: None) -> list[Grant]:
    """Three grants that ended a while ago, by any clock."""
    grants: list[Grant] = GrantFactory.create_batch(3, definition=CreditsFactory(), expires_at=NOON + DAY)
    return grants


def is_rolled(grant: Grant) -> bool:
    return balance_of(grant.subject, grant.definition).next_change_at is None


def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.05)


def test_a_round_does_everything_that_is_due(due: list[Grant]) -> None:
    worker = Worker()

    worker.round()

    assert all(is_rolled(grant) for grant in due)
    assert (worker.things, worker.rows, worker.failed) == (3, 3, 0)


@pytest.mark.django_db(transaction=True)
def test_the_command_says_what_it_did(due: list[Grant], capsys: pytest.CaptureFixture[str]) -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        call_command("billing_worker", "--once")
        call_command("billing_worker", "--until-empty")
    finally:
        signal.signal(signal.SIGTERM, handlers[0])
        signal.signal(signal.SIGINT, handlers[1])

    assert capsys.readouterr().out.splitlines() == [
        "3 done, of them 3 balances; 0 failed.",
        "0 done, of them 0 balances; 0 failed.",
    ]


def test_a_tick_that_fails_keeps_no_other_from_its_turn(due: list[Grant], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(now: datetime) -> Iterator[Done]:
        yield Done(things=0)
        raise RuntimeError("the first tick is broken")

    monkeypatch.setattr(loop, "TICKS", [Tick(name="broken", batches=fail), *TICKS])
    worker = Worker()

    worker.round()

    assert all(is_rolled(grant) for grant in due)
    assert worker.failed == 1


@pytest.mark.django_db(transaction=True)
def test_it_stops_after_the_batch_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()

    def endless(now: datetime) -> Iterator[Done]:
        while True:
            worker.stop.set()
            yield Done(things=1)

    monkeypatch.setattr(loop, "TICKS", [Tick(name="endless", batches=endless), *TICKS])

    worker.run(tick_seconds=60)

    assert worker.things == 1


def test_it_gives_signs_of_life(due: list[Grant]) -> None:
    worker = Worker(name="host:1")

    worker.round()
    worker.round()

    said = WorkerHeartbeat.objects.get()
    assert (said.name, said.rolled, said.failed, said.last_backlog) == ("host:1", 3, 0, 0)
    assert said.last_tick_at >= said.started_at


def test_workers_that_were_silent_for_a_day_are_forgotten(db: None) -> None:
    for name, at in (("old", NOON), ("young", NOON + DAY / 2), ("new", NOON + DAY + timedelta(minutes=1))):
        heartbeats.beat(name, started_at=at, rolled=0, failed=0, now=at)

    assert set(WorkerHeartbeat.objects.values_list("name", flat=True)) == {"young", "new"}


def test_health_tells_of_the_worker_and_of_what_waits(client: Client, due: list[Grant]) -> None:
    before = client.get("/health").json()["worker"]
    Worker().round()
    after = client.get("/health").json()["worker"]

    assert (before["ageSeconds"], before["backlog"]) == (None, 3)
    assert before["oldestDueSeconds"] >= (clock.now() - NOON - DAY).total_seconds() - 60
    assert (after["backlog"], after["oldestDueSeconds"]) == (0, None)
    assert 0 <= after["ageSeconds"] < 60


def test_metrics_tell_of_it_from_any_process(client: Client, settings: Settings, due: list[Grant]) -> None:
    settings.INTERNAL_API_KEY = ["a-key-of-sufficient-length"]

    def scraped() -> str:
        return client.get("/metrics", headers={"X-Internal-API-Key": "a-key-of-sufficient-length"}).content.decode()

    before = scraped()
    Worker(name="host:1").round()
    after = scraped()

    assert "entitlement_boundaries_due 3.0" in before
    assert "entitlement_boundaries_due 0.0" in after
    assert 'billing_worker_rows_rolled_total{worker="host:1"} 3.0' in after


@pytest.mark.django_db(transaction=True)
def test_sigterm_ends_it_after_the_round(due: list[Grant]) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "mozaiks.settings", "DATABASE_URL": database_url()}
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "billing_worker", "--tick", "60"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: WorkerHeartbeat.objects.exists())
        worker.send_signal(signal.SIGTERM)
        said, complained = worker.communicate(timeout=15)
    finally:
        worker.kill()

    assert worker.returncode == 0, complained
    assert "3 done, of them 3 balances; 0 failed." in said
    assert all(is_rolled(grant) for grant in due)


@pytest.mark.django_db(transaction=True)
async def test_the_web_process_runs_it_from_its_start_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "STARTUP", [])
    monkeypatch.setattr(lifespan, "SHUTDOWN", [])
    grant = await sync_to_async(lambda: GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY))()
    told: list[str] = []
    served = asyncio.Event()

    async def receive() -> Any:
        if "lifespan.startup.complete" in told:
            await served.wait()
        return {"type": "lifespan"}

    async def send(message: Any) -> None:
        told.append(message["type"])

    embed(tick_seconds=60)
    server = asyncio.create_task(lifespan.lifespan(receive, send))
    await asyncio.to_thread(until, lambda: is_rolled(grant))
    served.set()
    await server

    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert "billing-worker" not in {thread.name for thread in threading.enumerate()}
