"""The boundary worker, as tests run it: at an instant they name, until nothing is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from billing.entitlements.boundaries import Passed, roll_due
from billing.entitlements.limitations import Limitation, resolve_effective_limitations
from billing.models import BillableEntity, Definition
from billing.worker.ticks import TICKS
from tests import NOON


def let_pass(now: datetime) -> list[Passed]:
    """Roll everything that is due at ``now``; returns what clients could see change."""
    seen: list[Passed] = []
    while (rolled := roll_due(now=now)).taken:
        assert rolled.put_off == 0
        seen += rolled.visible
    return seen


def work(now: datetime) -> int:
    """A whole round of the worker; returns how many things it did."""
    done = [done for tick in TICKS for done in tick.batches(now)]
    assert sum(each.failed for each in done) == 0
    return sum(each.things for each in done)


def read(entity: BillableEntity, definition: Definition, now: datetime) -> Limitation:
    """What a client reads at ``now``, without what says who wrote it when."""
    found = resolve_effective_limitations(entity, now=now, codes=[definition.code]).limitations[0]
    return replace(found, version=0, last_recomputed_at=NOON)
