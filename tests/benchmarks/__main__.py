"""``python -m tests.benchmarks``: makes a database of its own, measures, prints the table, drops the database."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable

os.environ.setdefault("TEST_DATABASE_URL", "mysql://root@127.0.0.1:3306/mozaiks")
os.environ["TEST_RUN"] = f"bench_{os.getpid()}"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from django.db import connection  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from tests.benchmarks.cases import Line, all_lines  # noqa: E402

COLUMNS = ("what", "measured", "must", "aim", "", "this", "floor or other")


def main() -> int:
    """Measure and print. ``--markdown`` prints what docs/performance.md holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=600, help="operations per figure")
    parser.add_argument("--history", type=int, default=1_000_000, help="ledger rows of the subject with a past")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    given = parser.parse_args()
    if connection.vendor != "mysql":
        print("The floor is MariaDB's: set TEST_DATABASE_URL.", file=sys.stderr)
        return 1
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        lines = list(all_lines(rounds=given.rounds, history=given.history))
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    print_markdown(lines) if given.markdown else print_table(lines)
    return int(any(line.verdict == "MISSED" for line in lines))


def cells(line: Line) -> tuple[str, ...]:
    digits = 0 if line.unit == "ops/s" else 1
    both = (f"{value:,.{digits}f} {line.unit}" for value in (line.this, line.that))
    return (line.what, f"{line.ratio:.2f}", line.must, line.aim, line.verdict, *both)


def print_table(lines: Iterable[Line]) -> None:
    table = Table(title="First quartiles of operations taken in turn; ratios count, machines are noisy")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "what" else "right")
    for line in lines:
        table.add_row(*cells(line), style="red" if line.verdict == "MISSED" else "")
    Console().print(table)


def print_markdown(lines: Iterable[Line]) -> None:
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for line in lines:
        print("|", " | ".join(cells(line)), "|")


if __name__ == "__main__":
    sys.exit(main())
