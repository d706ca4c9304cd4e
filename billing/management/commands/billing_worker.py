"""Lets boundaries pass, scheduled plan changes begin and notes be kept in order, until it is told to stop."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

import structlog
from django.core.management.base import BaseCommand

from billing.worker.loop import Worker

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Apply what is due by the clock. Any number may run; SIGTERM and Ctrl-C end it after the batch at hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument("--once", action="store_true", help="One round: everything that is due now, then end.")
        how_long.add_argument(
            "--until-empty",
            action="store_true",
            help="Rounds until nothing is due, also of what other workers have taken; then end.",
        )
        parser.add_argument(
            "--tick", type=float, default=60.0, metavar="SECONDS", help="Pause between two rounds (default: 60)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        worker = Worker()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop.set())
        log.info("worker_started", worker=worker.name)
        if options["once"]:
            worker.round()
        elif options["until_empty"]:
            worker.run_until_empty()
        else:
            worker.run(tick_seconds=max(options["tick"], 0.1))
        log.info("worker_ended", worker=worker.name, rows=worker.rows, failed=worker.failed)
        self.stdout.write(f"{worker.things} done, of them {worker.rows} balances; {worker.failed} failed.")
