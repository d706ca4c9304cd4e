"""Brings the current subscribers of a plan to what it grants today; may be interrupted and taken up again."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from billing.entitlements.manual import ByHand
from billing.models import Plan, Rollout
from billing.models.revisions import RolloutStatus
from billing.subscriptions import rollouts
from billing.subscriptions.reach import Effect, Shift
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure

MOST_SHOWN = 25
MOVING = (RolloutStatus.LOOKING, RolloutStatus.APPLYING)


class Command(BaseCommand):
    help = (
        "Give the current subscribers of a plan what it grants today: looks at everybody, says who gains and who loses, and "
        "applies it. Interrupted, the same command goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="The code of the plan.")
        parser.add_argument("--reason", default="", help="Why; kept in the timeline of every customer that is changed.")
        parser.add_argument("--actor", default="", help="Who; by default the user of this shell.")
        parser.add_argument("--dry-run", action="store_true", help="Say whom it would change; change nobody.")

    def handle(self, *args: Any, **options: Any) -> None:
        plan = Plan.objects.filter(code=options["code"]).first()
        if plan is None:
            raise CommandError(f"There is no plan with the code {options['code']}.")
        if not options["dry_run"] and not options["reason"].strip():
            raise CommandError("--reason is required: say why, or look first with --dry-run.")
        self.console = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)
        by = ByHand(actor=options["actor"] or getpass.getuser(), reason=options["reason"])
        try:
            self._run(plan, by, dry_run=options["dry_run"])
        except Failure as refused:
            raise CommandError(refused.message) from None

    def _run(self, plan: Plan, by: ByHand, *, dry_run: bool) -> None:
        running = Rollout.objects.filter(plan=plan, status=RolloutStatus.APPLYING).first()
        if running is not None and not rollouts.is_outdated(running):
            if dry_run:
                raise CommandError(f"{plan.code} is being applied: {running.seen} of {running.subscribers} are done.")
            self.console.print(
                f"Going on after {running.seen} of {running.subscribers} subscribers: {escape(running.reason)}"
            )
            self._tell(self._work(running, "Applying"))
            return
        looked = self._work(rollouts.begin(plan, actor=by.actor, now=clock.now()), "Looking")
        self._tell(looked)
        if dry_run:
            self._list(looked)
            rollouts.drop(looked, now=clock.now())
        elif looked.changed:
            self._tell(self._work(rollouts.confirm(looked, by=by, now=clock.now()), "Applying"))

    def _work(self, rollout: Rollout, what: str) -> Rollout:
        with Progress(console=self.console, transient=True) as progress:
            task = progress.add_task(f"{what}: {rollout.plan.code}", total=rollout.subscribers, completed=rollout.seen)
            while rollout.status in MOVING:
                rollout = rollouts.advance(rollout, now=clock.now())
                progress.update(task, completed=rollout.seen)
        if rollout.status == RolloutStatus.DROPPED:
            raise CommandError("Stopped: the plan was changed meanwhile, or somebody stopped it. Look again.")
        return rollout

    def _tell(self, rollout: Rollout) -> None:
        did = "changed" if rollout.status == RolloutStatus.DONE else "would change"
        self.console.print(
            f"{rollout.plan.code}, revision {rollout.revision}: {rollout.changed} of {rollout.seen} subscribers {did}; "
            f"{rollout.gained} gain, {rollout.lost} lose, {rollout.over_limit} over limit."
        )

    def _list(self, rollout: Rollout) -> None:
        found, following = rollouts.effects(rollout, after=0, most=MOST_SHOWN, now=clock.now())
        if found:
            table = Table("entity", "limits", "")
            for effect in found:
                table.add_row(str(effect.entity_id), "\n".join(map(said, effect.shifts)), in_short(effect))
            table.caption = "and more" if following is not None else None
            self.console.print(table)


def said(shift: Shift) -> str:
    """One limit before and after, in units."""
    before, after = ("unlimited" if amount is None else f"{amount:,}" for amount in (shift.before, shift.after))
    return f"{shift.code}: {before} → {after}, {shift.used:,} used"


def in_short(effect: Effect) -> str:
    """What it comes to."""
    words = {"gains": effect.gains, "loses": effect.loses, "over limit": effect.over_limit}
    return ", ".join(word for word, holds in words.items() if holds)
