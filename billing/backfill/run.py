"""The four steps in their order, for real or as a rehearsal that writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from billing.backfill.checks import check_waiting
from billing.backfill.chunks import CHUNK, Written, project_chunk, rebuild_missing_balances
from billing.backfill.pending import next_subjects, read_offers
from billing.backfill.prospect import Prospect, look_ahead
from billing.backfill.refusals import refuse_if_any
from billing.backfill.sources import Sources
from billing.backfill.templates import Step, write_plan_templates, write_product_templates
from mozaiks.kit.db import run_in_transaction

GRANTS = "Step 3 (grants)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """What steps 1 and 2 wrote, and what steps 3 and 4 have before them."""

    plans: Step
    products: Step
    prospect: Prospect


@dataclass(slots=True)
class Progress:
    """How far steps 3 and 4 came; kept up to date while they run. ``rebuilt`` are subjects whose balances were missing."""

    written: Written = field(default_factory=Written)
    rebuilt: int = 0


def prepare(sources: Sources, *, now: datetime) -> Prepared:
    """
    Steps 1 and 2, each in its transaction; then look at every row of step 3.

    :raises BackfillRefused: by the first step that finds something wrong, which then wrote nothing.
    """
    plans = run_in_transaction(lambda: write_plan_templates(sources, now=now))
    products = run_in_transaction(lambda: write_product_templates(sources, now=now))
    refuse_if_any(GRANTS, check_waiting())
    return Prepared(plans=plans, products=products, prospect=look_ahead())


def rehearse(sources: Sources, *, now: datetime) -> Prepared:
    """
    What :func:`prepare` would say; nothing is written.

    :raises BackfillRefused: as :func:`prepare` does.
    """

    def work() -> Prepared:
        prepared = prepare(sources, now=now)
        transaction.set_rollback(True)
        return prepared

    return run_in_transaction(work)


def project(
    progress: Progress, *, now: datetime, chunk: int = CHUNK, tell: Callable[[Progress], None] | None = None
) -> None:
    """
    Steps 3 and 4, a chunk of subjects at a time; ``tell`` hears after each. Run again, it goes on where it stopped.
    """
    offers, last = read_offers(), 0
    while subject_ids := next_subjects(offers, after=last, size=chunk):
        progress.written += project_chunk(subject_ids, offers, now=now)
        last = subject_ids[-1]
        if tell is not None:
            tell(progress)
    progress.rebuilt = rebuild_missing_balances(now=now)
