"""Proves that every balance equals its facts; exit code 1 and the rows on any difference."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from billing.entitlements.balances import note_verified, subjects, verify
from billing.entitlements.integrity import Difference
from billing.entitlements.resolvers import definition_by_id
from mozaiks.kit import clock

MOST_SHOWN = 50


class Command(BaseCommand):
    help = "Prove that every balance and open lot equals its rebuild from the append-only facts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--subject", type=int, action="append", help="Only this billable entity (may be repeated).")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast(IO[str], self.stdout))
        only: list[int] | None = options["subject"]
        total = len(only) if only is not None else subjects()
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Verifying subjects", total=total)
            found = verify(only, tell=lambda done: progress.update(task, completed=done))
        if only is None:
            note_verified(subjects=total, differences=len(found), now=clock.now())
        if found:
            console.print(_table(found))
            raise CommandError(
                f"{len(found)} differences in {total} subjects. `recompute_balances` rebuilds.", returncode=1
            )
        console.print(f"No difference: {total} subjects verified.")


def _table(found: list[Difference]) -> Table:
    table = Table("subject", "definition", "what", "expected", "actual", title="Differences")
    for each in found[:MOST_SHOWN]:
        code = definition_by_id(each.definition_id).code
        table.add_row(str(each.subject_id), code, each.what, str(each.expected), str(each.actual))
    if len(found) > MOST_SHOWN:
        table.caption = f"and {len(found) - MOST_SHOWN} more"
    return table
