"""Brings an existing catalog and its customers into the engine; may be interrupted and run again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from billing.backfill import run
from billing.backfill.chunks import CHUNK
from billing.backfill.prospect import Prospect
from billing.backfill.refusals import BackfillRefused
from billing.backfill.run import Prepared, Progress
from billing.backfill.sources import read_sources
from billing.backfill.templates import Authored
from billing.management.files import read
from mozaiks.kit import clock


class Command(BaseCommand):
    help = "Turn stored entitlement JSON into templates, and assignments and purchases into grants and balances."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", metavar="FILE", help="JSON that says what plans and products grant.")
        parser.add_argument(
            "--defaults", metavar="FILE", help="Entries per plan code, where nothing else says anything."
        )
        parser.add_argument("--dry-run", action="store_true", help="Check everything and show what would be written.")
        parser.add_argument("--chunk", type=int, default=CHUNK, help="Subjects in one transaction.")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)
        now = clock.now()
        files = (read(options[name]) if options[name] else None for name in ("source", "defaults"))
        sources = read_sources(*files)
        try:
            prepared = (run.rehearse if options["dry_run"] else run.prepare)(sources, now=now)
        except BackfillRefused as refused:
            raise CommandError(str(refused)) from None
        _tell(console, prepared, dry=options["dry_run"])
        if options["dry_run"]:
            console.print("Nothing was written.")
            return
        progress = Progress()
        try:
            _project(console, progress, prepared.prospect, now=now, chunk=max(1, options["chunk"]))
        except KeyboardInterrupt:
            console.print(f"Interrupted. {_sum(progress)} Run it again to go on.")
            raise SystemExit(130) from None
        console.print(_sum(progress))


def _project(console: Console, progress: Progress, prospect: Prospect, **options: Any) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Granting", total=prospect.sources)
        run.project(progress, tell=lambda so_far: bar.update(task, completed=so_far.written.sources), **options)


def _sum(progress: Progress) -> str:
    written = progress.written
    said = (
        f"{written.sources} assignments and purchases: {written.grants} grants, {written.balances} balances and"
        f" {written.lots} open lots written"
    )
    if written.one_by_one:
        said += f"; {written.one_by_one} subjects went the live path, {written.known} sources had their grants before"
    if progress.rebuilt:
        said += f"; balances of {progress.rebuilt} more subjects were missing and are rebuilt"
    return f"{said}."


def _tell(console: Console, prepared: Prepared, *, dry: bool) -> None:
    """Templates, then grants, then what is left out."""
    authored = [*prepared.plans.authored, *prepared.products.authored]
    if authored:
        console.print(_templates(authored, title="Templates that would be written" if dry else "Templates written"))
    kept = prepared.plans.kept + prepared.products.kept
    console.print(f"{kept} plans and products have templates already, or are known to grant nothing.")
    prospect = prepared.prospect
    if prospect.planned:
        console.print(_grants(prospect, title="Grants that would be written" if dry else "Grants to write"))
    console.print(
        f"{prospect.sources} assignments and purchases wait: {prospect.grants} grants and"
        f" {prospect.balances} new balances."
    )
    for note in prospect.notes:
        console.print(escape(note))


def _templates(authored: list[Authored], *, title: str) -> Table:
    table = Table("", "code", "said by", "grants", title=title, title_justify="left")
    for each in authored:
        table.add_row(each.what, escape(each.code), each.origin.value, escape(", ".join(each.codes)) or "nothing")
    return table


def _grants(prospect: Prospect, *, title: str) -> Table:
    table = Table("", "code", "definition", "grants", title=title, title_justify="left")
    for each in prospect.planned:
        table.add_row(each.what, escape(each.code), escape(each.definition), str(each.grants))
    return table
