"""Days say what the facts say, however and however often they are folded."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from billing.entitlements.reversals import reverse
from billing.models import Consumption, UsageDay, UsageMark
from billing.usage import days, folding
from tests import NOON
from tests.factories import GrantFactory
from tests.gadgets.services import press
from tests.usage.facts import added_up, counted, happen, refusal, totals, totals_added_up, use

pytestmark = pytest.mark.django_db
SETTLED = NOON + days.SETTLE


def project(**said: Any) -> days.Projected:
    """Fold all there is: seen at noon, settled afterwards."""
    days.project(now=NOON, **said)
    return days.project(now=SETTLED, **said)


@pytest.mark.parametrize("seed", range(6))
def test_days_equal_the_ledger_whenever_and_in_whatever_batches_they_are_folded(seed: int) -> None:
    random, now = Random(seed), NOON
    for _ in range(6):
        happen(random, random.randint(0, 25))
        now += random.choice((timedelta(0), timedelta(seconds=3), days.SETTLE))
        days.project(now=now, rows=random.choice((1, 2, 7, 1000)))
        if random.random() < 0.2:
            days.rebuild(now=now)

    days.project(now=now)
    days.project(now=now + days.SETTLE)
    projected = days.project(now=now + 2 * days.SETTLE)

    assert projected.waiting == 0
    assert counted() == added_up()
    assert totals() == totals_added_up()


def test_folding_again_changes_nothing() -> None:
    use(amount=5)
    refusal()
    project()
    before = counted()

    project()

    assert counted() == before == added_up()


def test_what_is_given_back_is_given_back_on_the_day_of_the_use() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "yesterday", amount=6, now=NOON)
    reverse(grant.subject, Consumption.objects.get().pk, amount=2, now=NOON + timedelta(days=1))

    project()

    assert counted() == {(grant.subject_id, grant.definition_id, NOON.date()): (4, 0, 0)}


def test_what_was_let_through_is_told_from_what_was_refused() -> None:
    refusal(advisory=True)
    refusal()
    refusal()

    project()

    assert counted() == {(1, 1, NOON.date()): (0, 2, 1)}


def test_the_day_ends_at_midnight_utc() -> None:
    use(amount=1, hours=12)
    use(amount=2, hours=12.001)

    project()

    assert {key[2].isoformat(): sums[0] for key, sums in counted().items()} == {"2026-02-21": 1, "2026-02-20": 2}


def test_a_batch_that_fails_leaves_no_trace_and_is_done_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    use()
    days.project(now=NOON, rows=0)
    with monkeypatch.context() as patched:
        patched.setattr(folding, "write_mark", lambda mark, *, now: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            days.project(now=SETTLED + days.SETTLE)
    assert counted() == {}

    project()
    days.project(now=SETTLED + 2 * days.SETTLE)

    assert counted() == added_up()


def test_a_rebuild_throws_away_what_is_wrong() -> None:
    use(amount=5)
    project()
    UsageDay.objects.update(used=99)
    UsageDay.objects.create(subject_id=7, definition_id=7, day=NOON.date(), used=7)

    days.rebuild(now=SETTLED)
    project()

    assert counted() == added_up()
    assert totals() == totals_added_up()


def test_a_rebuild_that_was_interrupted_goes_on_with_the_next_run() -> None:
    for hours in range(0, 96, 24):
        use(hours=hours)
    project()

    days.rebuild(now=SETTLED)
    interrupted = days.catch_up(now=SETTLED, rows=2)

    assert interrupted is not None
    assert interrupted.clearing
    assert 0 < UsageDay.objects.count() < 4
    project()
    assert counted() == added_up()


def test_catching_up_does_a_bounded_piece_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "settle_time", lambda: timedelta(0))
    for _ in range(5):
        use(amount=1)

    projected = days.catch_up(now=NOON, rows=2)

    assert projected is not None
    assert projected.waiting == 3
    assert sum(sums[0] for sums in counted().values()) == 2


def test_nothing_is_folded_before_it_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "settle_time", lambda: days.SETTLE)
    use()
    days.project(now=NOON)

    days.project(now=SETTLED - timedelta(milliseconds=1))
    early = counted()
    days.project(now=SETTLED)

    assert early == {}
    assert counted() == added_up()


def test_what_rows_say_of_their_time_does_not_hold_anything_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "settle_time", lambda: days.SETTLE)
    use(hours=-24 * 365, created_at=NOON + timedelta(days=365))

    project()

    assert counted() == added_up()


def test_a_clock_that_was_ahead_holds_up_for_no_longer_than_it_takes_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "settle_time", lambda: days.SETTLE)
    use()
    days.project(now=NOON + timedelta(days=9))

    project()

    assert counted() == added_up()


def test_pruned_refusals_hold_nothing_up() -> None:
    refusal().delete()
    refusal()
    project()
    refusal()

    days.project(now=SETTLED + days.SETTLE)
    projected = days.project(now=SETTLED + 2 * days.SETTLE)

    assert projected.waiting == 0
    assert counted() == {(1, 1, NOON.date()): (0, 2, 0)}


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_a_use_that_is_committed_late_is_not_lost() -> None:
    inserted, commit = threading.Event(), threading.Event()

    def book_slowly() -> None:
        try:
            with transaction.atomic():
                use(subject=1)
                inserted.set()
                commit.wait(timeout=10)
        finally:
            connection.close()

    slow = threading.Thread(target=book_slowly)
    slow.start()
    inserted.wait(timeout=10)
    use(subject=2)
    days.project(now=NOON)

    held_up = days.catch_up(now=SETTLED, rows=100)
    before = counted()
    commit.set()
    slow.join()
    days.project(now=SETTLED)

    assert held_up is None
    assert before == {}
    assert {key[0] for key in counted()} == {1, 2}
    assert counted() == added_up()


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_several_who_fold_at_once_count_everything_once() -> None:
    happen(Random(1), 60)
    days.project(now=NOON)

    def fold() -> None:
        try:
            days.project(now=SETTLED, rows=5)
        finally:
            connection.close()

    folding_now = [threading.Thread(target=fold) for _ in range(3)]
    for each in folding_now:
        each.start()
    for each in folding_now:
        each.join()

    assert counted() == added_up()
    assert UsageMark.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_command_counts_up_to_now_and_rebuilds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "SETTLE", timedelta(milliseconds=20))
    happen(Random(2), 10)
    said = StringIO()

    call_command("project_usage_days", stdout=said)
    once = counted()
    UsageDay.objects.update(used=1)
    call_command("project_usage_days", "--rebuild", stdout=said)

    assert once == counted() == added_up()
    assert said.getvalue().count("Counted up to now.") == 2
