"""
A concurrent run, replayed: 0 divergences between what callers were told and one history in the order of versions.

``MOZAIKS_OPERATIONS`` sets how many operations four clerks share (the long form: 50000), ``MOZAIKS_SEED`` the seed of what they
do; how they meet is never the same twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random, SystemRandom

import pytest
from django.db import Error, connection, connections

from billing.engine.types import EnforcementMode
from billing.entitlements import sql
from billing.models import BillableEntity
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests.entitlements.proof import assert_no_difference
from tests.equivalence.beside import Beside
from tests.equivalence.clerks import Clerk, Office
from tests.equivalence.giving import stamp
from tests.equivalence.guest import ANNIVERSARY_DAY, CREDITS, DAY, ROLLING
from tests.equivalence.history import Side, compare_ends, replay
from tests.equivalence.life import BIRTH, Limit
from tests.factories import BillableEntityFactory, PlanFactory
from tests.gadgets.models import Press

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]

OPERATIONS = int(os.environ.get("MOZAIKS_OPERATIONS", "2000" if connection.vendor == "mysql" else "600"))
CLERKS = 4
#: A long run serves more of them: the reference sums all facts of one again at every question.
SUBJECTS = max(3, OPERATIONS // 2000)
#: All operations together take this long by the clocks of the clerks: days, weeks and holds end meanwhile.
STEP = timedelta(minutes=7)
MODES = {
    DAY: EnforcementMode.HARD_DENY,
    ANNIVERSARY_DAY: EnforcementMode.SOFT_WARN,
    ROLLING: EnforcementMode.HARD_DENY,
    CREDITS: EnforcementMode.SOFT_WARN,
}


def open_office() -> Office:
    """Subjects whose windows are anchored, and limits of four kinds, hard and soft."""
    limits = [Limit(kind, kind.make(), Beside(rule=kind.rule)) for kind in MODES]
    for limit in limits:
        stamp(limit, enforcement_mode=MODES[limit.kind])
    entities: list[BillableEntity] = [BillableEntityFactory() for _ in range(SUBJECTS)]
    for entity in entities:
        assign(entity, PlanFactory(), source=AssignmentSource.INTERNAL, now=BIRTH)
    return Office(entities=entities, limits=limits, step=STEP)


def all_at_once(works: list[Callable[[], None]]) -> None:
    """Each in a thread with its own connection, from the same moment."""
    start, failures = threading.Barrier(len(works)), []

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as failure:
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def run(office: Office, seed: int, operations: int) -> None:
    """All clerks serve at the same time."""
    clerks = [Clerk(office, Random(seed + number), f"clerk {number}") for number in range(CLERKS)]
    all_at_once([partial(clerk.serve, operations // CLERKS) for clerk in clerks])


def replay_all(office: Office) -> None:
    """Every limit of every subject has one history, which ends as the database does."""
    now = office.now()
    for entity in office.entities:
        for limit in office.limits:
            beside = Beside(rule=limit.kind.rule, anchor_at=BIRTH, enforcement=MODES[limit.kind])
            beside.pass_time(BIRTH)
            mine = [each for each in office.answers if (each.subject, each.code) == (entity.pk, limit.code)]
            replay(mine, Side(beside))
            compare_ends(entity, Limit(limit.kind, limit.definition, beside), now=now)


def test_a_concurrent_run_is_one_history() -> None:
    seed = int(os.environ.get("MOZAIKS_SEED") or SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={seed} MOZAIKS_OPERATIONS={OPERATIONS}")
    office = open_office()

    run(office, seed, OPERATIONS)

    print(f"{len(office.answers)} answers, {len(office.replays)} repeats, {office.weak} refusals without a version")
    replay_all(office)
    assert all(office.first_answers[key] == answer for key, answer in office.replays), "a repeat was answered otherwise"
    keyed = Press.objects.exclude(key="").count()
    assert keyed == len(office.first_answers), "an action ran twice, or never"
    assert_no_difference()


@pytest.mark.server
@pytest.mark.broken_on_purpose
def test_without_the_lock_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    newest, several = sql.lock_newest, sql.lock_ids
    monkeypatch.setattr(sql, "lock_newest", lambda *, sqlite: newest(sqlite=True))
    monkeypatch.setattr(sql, "lock_ids", lambda count, *, sqlite: several(count, sqlite=True))
    office = open_office()

    with pytest.raises((AssertionError, Error, TypeError)):  # whichever comes first of what races leave behind
        run_and_replay(office)


def run_and_replay(office: Office) -> None:
    run(office, seed=1, operations=600)
    replay_all(office)
