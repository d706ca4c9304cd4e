"""Folds uses and refusals into days; may be interrupted and taken up again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import Progress, TaskID

from billing.usage import days
from billing.usage.days import Projected
from mozaiks.kit import clock


class Command(BaseCommand):
    help = "Count uses and refusals by the day, up to those of just now. Ctrl-C at any time: the next run goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="Throw all days away and count from the beginning.")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast(IO[str], self.stdout))
        if options["rebuild"]:
            days.rebuild(now=clock.now())
        try:
            with Progress(console=console, transient=True) as progress:
                projected = _project(progress)
        except KeyboardInterrupt:
            console.print("Interrupted. Go on with: project_usage_days")
            raise SystemExit(130) from None
        left = f" {projected.waiting} came meanwhile." if projected.waiting else ""
        console.print(f"Counted up to now.{left}")


def _project(progress: Progress) -> Projected:
    """Fold what has settled, let the rest settle, and fold that."""
    task = progress.add_task("Counting", total=None)

    def tell(projected: Projected) -> None:
        _show(progress, task, projected)

    projected = days.project(now=clock.now(), tell=tell)
    settle = days.settle_time().total_seconds()
    if projected.waiting and settle:
        progress.update(task, description=f"Waiting {settle:.0f} s for late commits")
        clock.pause(settle)
        projected = days.project(now=clock.now(), tell=tell)
    return projected


def _show(progress: Progress, task: TaskID, projected: Projected) -> None:
    what = "Throwing away" if projected.clearing else "Counting"
    total = None if projected.clearing else projected.total
    progress.update(task, description=what, completed=projected.folded, total=total)
