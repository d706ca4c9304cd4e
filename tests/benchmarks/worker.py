"""
``python -m tests.benchmarks.worker``: rows a second of the boundary worker, beside a loop that does the same row by row.

The loop is what one would write with the ORM: lock the row, read its grants, endings, adjustments, lots and holds, let time pass
with the engine's own arithmetic, save. At a month's end it opens the next window, which the worker leaves to whoever uses it.
Both take turns on the same table; the ratio is of the medians. ``--rows 100000`` says how many due rows there are.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

os.environ.setdefault("TEST_DATABASE_URL", "mysql://root@127.0.0.1:3306/mozaiks")
os.environ.setdefault("TEST_RUN", f"bench_{os.getpid()}")
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

if __name__ == "__main__":
    import django

    django.setup()

from django.db import connection, transaction

from billing.engine.lots import Lot
from billing.engine.projection import advance, next_change
from billing.engine.standing import Standing, figures
from billing.engine.types import GrantFacts, GrantKind, HoldFacts, Pool, Replenish, SourceType, Window
from billing.entitlements.balances import verify
from billing.entitlements.boundaries import BATCH, roll_due
from billing.entitlements.resolvers import definition_by_id
from billing.models import (
    Balance,
    BillableEntity,
    Definition,
    Grant,
    GrantAdjustment,
    GrantEnding,
    Hold,
    OpenLot,
    PlanAssignment,
)
from tests import NOON

END = NOON + timedelta(days=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
TURNS = 9
LOOP_ROWS = 100
MUST, AIM = 20, 50


def fill(definition: Definition, number: int, *, expires_at: datetime | None, next_change_at: datetime) -> None:
    """``number`` subjects with one grant of 100 each, all due at ``next_change_at``."""
    window = (datetime(2026, 2, 1, tzinfo=UTC), MARCH)
    stamps = {"created_at": NOON, "updated_at": NOON}
    for start in range(0, number, 2000):
        size, base = min(2000, number - start), f"bench:{definition.pk}:{start}"
        BillableEntity.objects.bulk_create(
            BillableEntity(entity_type="external", entity_ref=f"{base}:{each}", **stamps) for each in range(size)
        )
        subjects = list(
            BillableEntity.objects.filter(entity_ref__startswith=f"{base}:").values_list("pk", flat=True).order_by("pk")
        )
        of = {"definition_id": definition.pk}
        Grant.objects.bulk_create(
            Grant(
                subject_id=subject,
                **of,
                amount=100,
                kind="plan_base",
                replenish="per_window",
                effective_at=NOON,
                expires_at=expires_at,
                source_type="manual_console",
                dedupe_key=f"{base}:{subject}",
                created_at=NOON,
            )
            for subject in subjects
        )
        grants = dict(Grant.objects.filter(**of, subject_id__in=subjects).values_list("subject_id", "pk"))
        ends = min(expires_at or window[1], window[1])
        OpenLot.objects.bulk_create(
            OpenLot(
                grant_id=grants[subject],
                subject_id=subject,
                **of,
                window_start_at=window[0],
                granted=100,
                pool="base",
                burn_class=1,
                effective_at=NOON,
                expires_sort=ends,
            )
            for subject in subjects
        )
        Balance.objects.bulk_create(
            Balance(
                subject_id=subject,
                **of,
                window_start_at=window[0],
                window_end_at=window[1],
                granted_amount=100,
                effective_amount=100,
                hard_limit_amount=100,
                next_change_at=next_change_at,
                last_event_at=NOON,
                last_recomputed_at=NOON,
                head_grant_id=grants[subject],
                head_remaining=100,
                head_pool="base",
                plan_granted=100,
                **stamps,
            )
            for subject in subjects
        )


def roll_one_by_one(now: datetime) -> None:
    """The row-by-row way: find what is due, then a transaction for each."""
    for row_id in Balance.objects.due(now=now).order_by("next_change_at").values_list("pk", flat=True)[:LOOP_ROWS]:
        roll_one(row_id, now)


def roll_one(row_id: int, now: datetime) -> None:
    """One transaction, the ORM, the engine's arithmetic."""
    with transaction.atomic():
        row = Balance.objects.select_for_update().get(pk=row_id)
        of = {"subject_id": row.subject_id, "definition_id": row.definition_id}
        endings = dict(GrantEnding.objects.filter(subject_id=row.subject_id).values_list("grant_id", "ended_at"))
        taken = {each.grant_id for each in GrantAdjustment.objects.filter(**of)}
        grants = [_facts(each, endings.get(each.pk)) for each in Grant.objects.filter(**of) if each.pk not in taken]
        lots = {each.grant_id: each for each in OpenLot.objects.filter(**of)}
        holds = [
            HoldFacts(id=each.pk, rest=each.amount - each.captured_amount, expires_at=each.expires_at)
            for each in Hold.objects.filter(**of).live(now=row.last_event_at)
        ]
        upcoming = PlanAssignment.objects.filter(billable_entity_id=row.subject_id, status="upcoming").first()
        standing = _standing(row, lots)
        passage = advance(standing, to=now, grants=grants, holds=holds)
        open_now = {lot.grant_id: lot for lot in standing.lots}
        for grant_id, lot in lots.items():
            if grant_id not in open_now:
                lot.delete()
        for grant_id, left in open_now.items():
            OpenLot.objects.filter(pk=grant_id).update(granted=left.granted, remaining=left.remaining)
        if passage.at_end is not None:
            row.closed_at, row.next_change_at = now, None
            row.save()
            row.pk, row.closed_at, row.created_at = None, None, now
            row.window_start_at, row.window_end_at = standing.window.start, standing.window.end
        _take(row, standing)
        row.next_change_at = next_change(
            standing.rule,
            standing.window,
            at=now,
            grants=grants,
            holds=holds,
            scheduled_at=upcoming.period_start_at if upcoming else None,
        )
        row.last_event_at = row.updated_at = row.last_recomputed_at = now
        row.version += 1
        row.save()


def _facts(grant: Grant, ended_at: datetime | None) -> GrantFacts:
    ends = [end for end in (grant.expires_at, ended_at) if end is not None]
    return GrantFacts(
        id=grant.pk,
        amount=grant.amount,
        kind=GrantKind(grant.kind),
        replenish=Replenish(grant.replenish),
        source=SourceType(grant.source_type),
        effective_at=grant.effective_at,
        ends_at=min(ends, default=None),
    )


def _standing(row: Balance, lots: dict[int, OpenLot]) -> Standing:
    return Standing(
        rule=definition_by_id(row.definition_id).rule,
        window=Window(start=row.window_start_at, end=row.window_end_at),
        as_of=row.last_event_at,
        lots=[
            Lot(
                grant_id=lot.grant_id,
                granted=lot.granted,
                remaining=(row.head_remaining if lot.grant_id == row.head_grant_id else lot.remaining) or 0,
                pool=Pool(lot.pool) if lot.pool else None,
                burn_class=lot.burn_class,
                effective_at=lot.effective_at,
                expires_sort=lot.expires_sort,
            )
            for lot in lots.values()
        ],
        pool_used={Pool.BASE: row.plan_used, Pool.BONUS: row.bonus_used},
    )


def _take(row: Balance, standing: Standing) -> None:
    numbers = figures(standing)
    row.granted_amount, row.consumed_amount = numbers.granted, numbers.consumed
    row.effective_amount, row.hard_limit_amount = numbers.effective, numbers.hard_limit
    row.over_limit, row.overage_amount, row.held_amount = numbers.over_limit, numbers.overage, numbers.held
    row.plan_granted, row.plan_used = standing.pool_granted(Pool.BASE), standing.pool_used[Pool.BASE]
    head = standing.lots[0] if standing.lots else None
    row.head_grant_id = head.grant_id if head else None
    row.head_remaining = head.remaining if head else None


def compare(what: str, rows: int, now: datetime) -> float:
    """Let both take turns, then let the worker finish; prints and returns how many times as fast it is."""
    batches: list[float] = []
    loops: list[float] = []
    for _ in range(TURNS):
        batches.append(BATCH / _seconds(lambda: roll_due(now=now)))
        loops.append(LOOP_ROWS / _seconds(lambda: roll_one_by_one(now)))
    left, started = rows - TURNS * (BATCH + LOOP_ROWS), time.perf_counter()
    while roll_due(now=now).taken:
        pass
    rest = left / (time.perf_counter() - started)
    ratio = median(batches) / median(loops)
    verdict = "aim" if ratio >= AIM else "must" if ratio >= MUST else "MISSED"
    print(
        f"{what:<14} worker {median(batches):>8,.0f} rows/s   loop {median(loops):>6,.0f} rows/s   ratio {ratio:5.1f}"
        f" (must {MUST}, aim {AIM}: {verdict})   the other {left:,} rows at {rest:,.0f} rows/s"
    )
    return ratio


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> int:
    """Measure both kinds of boundary in a database of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.worker", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="due rows of each kind (at least 6,000)")
    rows = max(parser.parse_args().rows, 6000)
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        from tests.gadgets.factories import PressesFactory

        presses, others = PressesFactory(), PressesFactory(code="bench.months")
        fill(presses, rows, expires_at=END, next_change_at=END)
        ratios = [compare("grants end", rows, END)]
        while roll_due(now=MARCH).taken:
            pass
        print(f"differences from the facts: {len(verify())}")
        fill(others, rows, expires_at=None, next_change_at=MARCH)
        ratios.append(compare("a month ends", rows, MARCH))
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    return int(min(ratios) < MUST)


if __name__ == "__main__":
    sys.exit(main())
