"""Finishes what was left between us and the payment provider; may be interrupted and run again."""

from __future__ import annotations

from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import Progress

from billing.payments import reconciling
from billing.payments.reconciling import Reconciled
from mozaiks.kit import clock


class Command(BaseCommand):
    help = "Look after checkouts and refunds that a crash or a silent provider left unfinished. Ctrl-C at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast(IO[str], self.stdout), highlight=False, soft_wrap=True)
        now = clock.now()
        done = Reconciled()
        try:
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("Asking the provider", total=reconciling.waiting(now=now))
                for done in reconciling.steps(now=now):
                    progress.update(task, completed=done.looked_at)
        except KeyboardInterrupt:
            console.print(f"Interrupted. {_sum(done)} Go on with: reconcile_payments")
            raise SystemExit(130) from None
        console.print(_sum(done))


def _sum(done: Reconciled) -> str:
    return f"{done.looked_at} looked at, {done.finished} finished, {done.failed} could not be found out about."
