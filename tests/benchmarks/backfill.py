"""
Rows a second of the backfill beside ``bulk_create`` of the same rows: grants, balances, open lots.

Chunk by chunk in turn, so that both meet the same weather; first quartiles of the time per row. What ``bulk_create`` writes are
the backfill's own rows, moved to other subjects. Two figures are told: with the instances ready made (what the ORM's insert
costs), and with making them (what a backfill by the ORM would really do, computing of keys and balances still left out).

    python -m tests.benchmarks.backfill [subjects] [chunk]      TEST_DATABASE_URL chooses the server
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from billing.backfill.chunks import project_chunk  # noqa: E402
from billing.backfill.pending import next_subjects, read_offers  # noqa: E402
from billing.backfill.run import prepare  # noqa: E402
from billing.backfill.sources import read_sources  # noqa: E402
from billing.entitlements.balances import verify  # noqa: E402
from billing.models import Balance, Grant, OpenLot  # noqa: E402
from tests import NOON  # noqa: E402
from tests.backfill.old_style import customers, old_plan, says, subscribe  # noqa: E402
from tests.factories import DefinitionFactory  # noqa: E402

MUST, AIM = 5, 10
SUBJECTS, CHUNK = 60_000, 2_500
VERIFIED = 5_000


@dataclass(slots=True)
class Series:
    """Microseconds per row, one value per chunk: by the clock on the wall, and of this process's processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def timed(self, rows: Callable[[], int]) -> Iterator[None]:
        """Time what happens inside, divided by the number of rows that is known afterwards; nothing for no rows."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if rows():
            self.wall.append(wall * 1e6 / rows())
            self.cpu.append(cpu * 1e6 / rows())


def quartile(values: Sequence[float]) -> float:
    """What it takes when nobody disturbs it."""
    return sorted(values)[len(values) // 4]


@dataclass(slots=True)
class Result:
    """The two ways beside each other; ``making`` is the time for making instances."""

    backfill: Series = field(default_factory=Series)
    bulk_create: Series = field(default_factory=Series)
    making: Series = field(default_factory=Series)

    def rows_a_second(self, *ways: Series) -> float:
        return 1e6 / sum(quartile(way.wall) for way in ways)

    @property
    def ratio(self) -> float:
        """Backfill to ``bulk_create`` of instances that are there already: the figure that must be reached."""
        return self.rows_a_second(self.backfill) / self.rows_a_second(self.bulk_create)


def measure(subjects: int = SUBJECTS, chunk: int = CHUNK) -> Result:
    """Backfill ``subjects`` and write the same rows for as many others, in a database that holds nothing else."""
    _old_catalog(subjects)
    others = [entity.pk for entity in customers(subjects, start=subjects)]
    prepare(read_sources(), now=NOON)
    offers, last, result = read_offers(), 0, Result()
    while True:
        rows = 0
        with result.backfill.timed(lambda: rows):  # noqa: B023 - called when the block is left
            subject_ids = next_subjects(offers, after=last, size=chunk)
            if subject_ids:
                done = project_chunk(subject_ids, offers, now=NOON)
                rows = done.grants + done.balances + done.lots
        if not subject_ids:
            return result
        last = subject_ids[-1]
        moved = dict(zip(subject_ids, others, strict=False))
        del others[: len(subject_ids)]
        _bulk_create(moved, result, rows=rows)


def _old_catalog(subjects: int) -> None:
    """Two definitions in the one plan of all, as the demo has them: a monthly quota and a capacity."""
    calls, places = DefinitionFactory(), DefinitionFactory(capacity=True)
    subscribe(customers(subjects), old_plan("pro", says(calls.code, 1000), says(places.code, 25)))


def _bulk_create(moved: dict[int, int], result: Result, *, rows: int) -> None:
    grant_rows, balance_rows, lot_rows = (
        list(table._default_manager.filter(subject_id__in=moved).values()) for table in (Grant, Balance, OpenLot)
    )
    place = {row.pop("id"): index for index, row in enumerate(grant_rows)}
    of_lots = [place[row.pop("grant_id")] for row in lot_rows]
    for row in balance_rows:
        row.pop("id")
    with result.making.timed(lambda: rows):
        grants = [Grant(**_moved(row, moved, dedupe_key=f"b:{row['dedupe_key']}")) for row in grant_rows]
        balances = [Balance(**_moved(row, moved)) for row in balance_rows]
        lots = [OpenLot(**_moved(row, moved)) for row in lot_rows]
    with result.bulk_create.timed(lambda: rows), transaction.atomic():
        Grant.objects.bulk_create(grants)
        for lot, index in zip(lots, of_lots, strict=True):
            lot.grant_id = grants[index].pk
        OpenLot.objects.bulk_create(lots)
        Balance.objects.bulk_create(balances)


def _moved(row: dict[str, Any], moved: dict[int, int], **changes: Any) -> dict[str, Any]:
    return {**row, "subject_id": moved[row["subject_id"]], **changes}


def main(arguments: Sequence[str]) -> int:
    """Measure in a database of its own, print the table, and prove of a part that what was written is right."""
    subjects, chunk = (int(word) for word in [*arguments, *map(str, (SUBJECTS, CHUNK)[len(arguments) :])])
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        result = measure(subjects, chunk)
        some = Balance.objects.order_by("subject_id").values_list("subject_id", flat=True).distinct()[:VERIFIED]
        verified = list(some)
        differences = verify(verified)
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    console = Console()
    console.print(table_of(result, subjects, chunk))
    console.print(f"{len(verified)} of the subjects verified: {len(differences)} differences.")
    return int(result.ratio < MUST or bool(differences))


def table_of(result: Result, subjects: int, chunk: int) -> Table:
    """Rows a second, and the ratios."""
    title = f"Backfill of {subjects:,} subjects × 2 definitions in chunks of {chunk:,} on {connection.vendor}"
    table = Table("", "rows/s", "client CPU, µs a row", title=title)
    ways = {
        "backfill": (result.backfill,),
        "bulk_create, instances ready made": (result.bulk_create,),
        "bulk_create, with making them": (result.making, result.bulk_create),
    }
    for name, series in ways.items():
        table.add_row(name, f"{result.rows_a_second(*series):,.0f}", f"{sum(quartile(way.cpu) for way in series):.1f}")
    table.add_section()
    table.add_row(f"ratio to instances ready made (must {MUST}, aim {AIM})", f"{result.ratio:.1f}", "")
    whole = result.rows_a_second(result.backfill) / result.rows_a_second(result.making, result.bulk_create)
    table.add_row("ratio to making them too", f"{whole:.1f}", "")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
