"""Processes that are killed anywhere between the receipt of an event and its stamp lose nothing and do nothing twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest

from billing.models import BillableEntity, BillingEvent
from billing.models.events import EventStatus
from billing.payments import webhooks
from tests import NOON
from tests.concurrency import receiving
from tests.concurrency.crowd import all_at_once, start
from tests.factories import BillableEntityFactory
from tests.payments.talking import drain, event, listen, paid, presses, told

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]

EVENTS = int(os.environ.get("MOZAIKS_EVENTS", "150"))
WORKERS = 3
LEASE = timedelta(milliseconds=400)
#: Long enough that none runs out, however busy the machine is.
UNHURRIED = timedelta(seconds=5)
HOUR = timedelta(hours=1)


@pytest.fixture
def entity() -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


@pytest.fixture(autouse=True)
def _talker(monkeypatch: pytest.MonkeyPatch) -> None:
    listen(monkeypatch.setattr)


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("stored", ("received", 0)),
        ("claimed", ("processing", 0)),
        ("handled", ("processing", 0)),
        ("stamped", ("processing", 0)),
        ("committed", ("processed", 1)),
    ],
)
def test_killed_between_any_two_steps_it_is_taken_up_where_it_was_left(
    entity: BillableEntity, point: str, left: tuple[str, int]
) -> None:
    (process,) = start(receiving.receive_and_die, [(entity.pk, point, "evt_1", "paid")])
    process.process.join(timeout=30)
    assert process.process.exitcode == -signal.SIGKILL

    (row,) = BillingEvent.objects.all()
    assert (row.status, len(presses())) == left
    again = told("evt_1", paid(entity))
    drain(NOON, until=NOON + timedelta(minutes=2))

    assert again == row.pk
    assert event(row.pk).status == EventStatus.PROCESSED
    assert presses() == ["evt_1"]


def test_killed_after_a_failure_was_written_it_waits_its_time(entity: BillableEntity) -> None:
    (process,) = start(receiving.receive_and_die, [(entity.pk, "failed", "evt_1", "broken")])
    process.process.join(timeout=30)

    (row,) = BillingEvent.objects.all()
    assert (row.status, row.attempt_count, presses()) == ("failed", 1, [])
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > NOON


def test_the_same_events_received_by_many_at_once_are_stored_and_done_once(entity: BillableEntity) -> None:
    names = [f"evt_{number}" for number in range(20)]

    answers = all_at_once(receiving.receive, [(entity.pk, names)] * 4)

    assert [sum(fresh) for fresh in zip(*answers, strict=True)] == [1] * 20
    drain(NOON, until=NOON + timedelta(minutes=2))
    assert Counter(presses()) == Counter(names)
    assert BillingEvent.objects.count() == 20


def test_three_workers_race_over_failed_events_and_each_is_done_once(entity: BillableEntity) -> None:
    keys = [told(f"evt_{number}", paid(entity)) for number in range(EVENTS)]
    BillingEvent.objects.filter(pk__in=keys).update(status="failed", attempt_count=1, next_attempt_at=NOON)

    done = all_at_once(receiving.work_until_empty, [(NOON, UNHURRIED)] * WORKERS)

    assert sum(done) == EVENTS
    assert Counter(presses()) == Counter(f"evt_{number}" for number in range(EVENTS))
    assert set(BillingEvent.objects.values_list("status", "attempt_count")) == {("processed", 2)}


def test_workers_killed_at_any_moment_lose_nothing_and_do_nothing_twice(entity: BillableEntity) -> None:
    seed = int(os.environ.get("MOZAIKS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={seed}")
    moments = random.Random(seed)
    for number in range(EVENTS):
        told(f"evt_{number}", paid(entity))

    for _ in range(3):
        workers = start(receiving.work_for_ever, [(NOON, LEASE)] * WORKERS)
        for worker in workers:
            time.sleep(moments.uniform(0.02, 0.15))
            assert worker.process.pid is not None
            os.kill(worker.process.pid, signal.SIGKILL)
        for worker in workers:
            worker.end()
    all_at_once(receiving.work_until_empty, [(NOON + timedelta(seconds=10), LEASE)] * WORKERS)

    assert Counter(presses()) == Counter(f"evt_{number}" for number in range(EVENTS))
    assert set(BillingEvent.objects.values_list("status", flat=True)) == {"processed"}


@pytest.mark.slow
def test_thousands_of_replays_have_one_effect(entity: BillableEntity) -> None:
    replays = int(os.environ.get("MOZAIKS_REPLAYS", "6000"))
    key = told("evt_1", paid(entity))

    for _ in range(replays):
        assert told("evt_1", paid(entity)) == key
        webhooks.process(key, now=NOON)

    assert presses() == ["evt_1"]
    assert BillingEvent.objects.count() == 1
