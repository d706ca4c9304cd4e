"""What the processes of the worker tests do: work, oversleep, use what is due."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import datetime, timedelta

from billing.entitlements import leases
from billing.entitlements.boundaries import roll, roll_due
from billing.errors import LimitExceeded
from billing.limits import consume_entitlement
from billing.models import BillableEntity
from tests.gadgets.limits import CHARGE

BATCH = 20


def work_for_ever(now: datetime, lease: timedelta, seed: int) -> None:
    """Work until killed, and now and then sleep between lease and work for longer than the lease lasts."""
    chance, begun = random.Random(seed), time.monotonic()
    while True:
        at = now + timedelta(seconds=time.monotonic() - begun)
        leased = leases.lease_due(now=at, limit=BATCH, duration=lease)
        if chance.random() < 0.3:
            time.sleep(lease.total_seconds() * chance.uniform(0.5, 2))
        roll(leased, now=at)
        if not leased.size:
            time.sleep(0.01)


def work_until_empty(now: datetime, lease: timedelta) -> int:
    """Work until nothing was due for longer than a lease lasts; returns how many boundaries passed."""
    begun, idle_since, passed = time.monotonic(), time.monotonic(), 0
    while time.monotonic() - idle_since < 2 * lease.total_seconds():
        at = now + timedelta(seconds=time.monotonic() - begun)
        rolled = roll_due(now=at, limit=BATCH, lease=lease)
        passed += len(rolled.passed)
        if rolled.taken:
            idle_since = time.monotonic()
        else:
            time.sleep(0.02)
    return passed


def consume_some(subject_ids: list[int], now: datetime, seed: int) -> int:
    """Use one credit of subjects taken at random; returns how many were let through."""
    chance, done = random.Random(seed), 0
    for subject_id in chance.sample(subject_ids, len(subject_ids)):
        with suppress(LimitExceeded):
            consume_entitlement(BillableEntity(pk=subject_id), CHARGE, amount=1, now=now)
            done += 1
    return done
