"""Three workers, killed and stalled at any moment while others use what is due: every boundary is applied once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from billing.engine.types import AllocationKind, EnforcementMode, GrantKind, Replenish, SourceType
from billing.entitlements import grants
from billing.entitlements.balances import verify
from billing.entitlements.resolvers import definition_by_id
from billing.models import Allocation, Balance, Definition, Grant
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.concurrency import working
from tests.concurrency.crowd import start
from tests.factories import BillableEntityFactory
from tests.gadgets.factories import CreditsFactory
from tests.gadgets.services import charge

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.server, pytest.mark.django_db(transaction=True)]

ROWS = int(os.environ.get("MOZAIKS_DUE_ROWS", "1500"))
WORKERS = 3
CONSUMERS = 2
KILLS = 6
LEASE = timedelta(milliseconds=400)
DUE = NOON + timedelta(days=1)
OVERDRAWN = 4


def overdrawn(number: int) -> tuple[Definition, list[int]]:
    """Subjects that owe four credits each, and a grant of ten that begins tomorrow: settled once, or the test fails."""
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    info = definition_by_id(definition.pk)
    subjects = []
    for entity in BillableEntityFactory.create_batch(number):
        charge(entity, OVERDRAWN)
        new = grants.NewGrant(
            info=info,
            amount=10,
            kind=GrantKind.TOPUP,
            replenish=Replenish.ONCE,
            effective_at=DUE,
            source_type=SourceType.MANUAL_CONSOLE,
            source_id="tests",
            dedupe_key=f"g1:worker:{entity.pk}",
        )
        run_in_transaction(partial(grants.record, entity.pk, new=[new], now=NOON))
        subjects.append(entity.pk)
    return definition, subjects


def test_killed_and_stalled_workers_apply_every_boundary_once() -> None:
    seed = int(os.environ.get("MOZAIKS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={seed}")
    moments = random.Random(seed)
    definition, subjects = overdrawn(ROWS)
    touched = subjects[: ROWS // 5]

    consumers = start(working.consume_some, [(touched, DUE, seed + number) for number in range(CONSUMERS)])
    for number in range(KILLS // WORKERS):
        workers = start(working.work_for_ever, [(DUE, LEASE, seed + 10 * number + each) for each in range(WORKERS)])
        for worker in workers:
            time.sleep(moments.uniform(0.05, 0.6))
            assert worker.process.pid is not None
            os.kill(worker.process.pid, signal.SIGKILL)
        for worker in workers:
            worker.end()
    finishers = start(working.work_until_empty, [(DUE + timedelta(seconds=5), LEASE)] * WORKERS)
    used = sum(consumer.result() for consumer in consumers)
    passed = sum(finisher.result() for finisher in finishers)
    for member in [*consumers, *finishers]:
        member.end()

    settled = Counter(
        Allocation.objects.filter(kind=AllocationKind.OVERAGE_SETTLEMENT).values_list("subject_id", flat=True)
    )
    assert settled == dict.fromkeys(subjects, 1)
    assert set(Allocation.objects.filter(consumption__isnull=True).values_list("amount", flat=True)) == {OVERDRAWN}
    assert passed > 0
    assert not Balance.objects.due(now=DUE + timedelta(days=1)).exists()
    assert not Balance.objects.filter(attempts__gt=0).exists()
    rows = Balance.objects.filter(definition=definition)
    assert sum(rows.values_list("consumed_amount", flat=True)) == OVERDRAWN * ROWS + used
    assert Grant.objects.count() == rows.count() == ROWS
    assert verify() == []
