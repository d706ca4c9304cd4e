"""Rebuilds balances from the facts, subject by subject; may be interrupted and taken up again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import Progress

from billing.entitlements.balances import recompute
from billing.models import BillableEntity
from mozaiks.kit import clock


class Command(BaseCommand):
    help = "Throw the balances of all subjects (or some) away and rebuild them from the append-only facts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--subject", type=int, action="append", help="Only this billable entity (may be repeated).")
        parser.add_argument("--from-subject", type=int, default=0, help="Go on with this billable entity.")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast(IO[str], self.stdout))
        entities = BillableEntity.objects.filter(pk__gte=options["from_subject"]).order_by("pk")
        if options["subject"]:
            entities = entities.filter(pk__in=options["subject"])
        rows, last = 0, None
        try:
            with Progress(console=console, transient=True) as progress:
                for entity in progress.track(entities.iterator(), total=entities.count(), description="Rebuilding"):
                    rows += recompute(entity, now=clock.now())
                    last = entity.pk
        except KeyboardInterrupt:
            console.print(
                f"Interrupted after subject {last}. Go on with: recompute_balances --from-subject {(last or 0) + 1}"
            )
            raise SystemExit(130) from None
        console.print(f"Rebuilt {rows} balances.")
