"""
The daily projection: uses and refusals folded into days as they come.

Folding goes by ids, in batches, each in a transaction that also moves the mark: stopping anywhere loses and doubles nothing.
What commits late with a lower id is not lost, because an id is folded only

* ``SETTLE`` after it was seen: whoever had been given a lower id by then has written their row. Time is measured from when this
  program saw the id, never by what rows say of themselves, for they may tell of last year;
* after a locking read of the whole range, which waits for everybody who has written there and not committed yet.

SQLite has one writer at a time, so that ids are committed in their order: nothing has to settle. On several nodes that all write,
a transaction that stays open longer than ``SETTLE`` on another node can be missed; ``rebuild`` finds it.
Refusals are pruned after 90 days: a rebuild finds those that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import DatabaseError, connection, transaction

from billing.usage import folding
from billing.usage.folding import Ids, Mark
from mozaiks.kit.db import run_in_transaction

log = structlog.get_logger(__name__)

SETTLE = timedelta(seconds=10)
#: Ids of each kind that are folded in one transaction, and rows that are deleted in one.
BATCH = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Projected:
    """How far the projection is: ids folded, ids that wait, and whether it is thrown away just now."""

    folded: int
    waiting: int
    clearing: bool

    @property
    def total(self) -> int:
        return self.folded + self.waiting


def project(*, now: datetime, rows: int = BATCH, tell: Callable[[Projected], None] | None = None) -> Projected:
    """
    Fold everything that has settled by ``now``, ``rows`` ids at a time; says how far it came.

    What is new is folded by the first call that is made ``SETTLE`` later. ``tell`` hears of every batch.
    """
    while True:
        went_on, projected = run_in_transaction(partial(_step, now=now, rows=rows, wait=True))
        if tell is not None:
            tell(projected)
        if not went_on:
            return projected


def catch_up(*, now: datetime, rows: int) -> Projected | None:
    """
    Fold one batch of at most ``rows`` ids of each kind, if that needs no waiting for anybody; None if it does.

    For pages: where a worker projects, there is next to nothing left to do; where none does, they show numbers all the same.
    """
    try:
        with transaction.atomic():
            _, projected = _step(now=now, rows=rows, wait=False)
    except DatabaseError as error:
        log.info("usage_days_busy", error=str(error))
        return None
    return projected


def rebuild(*, now: datetime) -> None:
    """
    Have every day thrown away and made again from the facts, by whoever projects next.

    May be interrupted: what is not deleted or folded yet is so by the next call of ``project``.
    """
    run_in_transaction(partial(_forget, now=now))


def settle_time() -> timedelta:
    """How long an id has to have been seen before it is folded here."""
    return timedelta(0) if connection.vendor == "sqlite" else SETTLE


def _forget(*, now: datetime) -> None:
    mark = folding.read_mark(now=now, wait=True)
    folding.write_mark(replace(mark, folded=Ids(), seen=Ids(), seen_at=now, clearing=True), now=now)


def _step(*, now: datetime, rows: int, wait: bool) -> tuple[bool, Projected]:
    """One batch: whether there may be more of them, and how far this one came."""
    mark = folding.read_mark(now=now, wait=wait)
    if mark.clearing and folding.clear_some(rows):
        return True, _told(mark)
    looked = _look(replace(mark, clearing=False), now=now)
    upto = _reach(looked, rows=rows) if now - looked.seen_at >= settle_time() else looked.folded
    if upto != looked.folded:
        folding.wait_for_commits(looked.folded, upto, wait=wait)
        folding.fold(looked.folded, upto)
    after = _look(replace(looked, folded=upto), now=now)
    if after != mark:
        folding.write_mark(after, now=now)
    return after.folded != mark.folded, _told(after)


def _look(mark: Mark, *, now: datetime) -> Mark:
    """Note what is new, if all that was seen before is folded; a time of seeing that lies ahead was another clock's."""
    if mark.seen - mark.folded == 0 and mark.newest - mark.folded > 0:
        return replace(mark, seen=mark.newest, seen_at=now)
    return replace(mark, seen_at=min(mark.seen_at, now))


def _reach(mark: Mark, *, rows: int) -> Ids:
    """How far this batch goes: ``rows`` ids of each kind from the first that exists, and not beyond what was seen."""
    end = Ids(consumption=mark.next.consumption + rows - 1, decision=mark.next.decision + rows - 1)
    reach = end.at_most(mark.seen)
    return Ids(
        consumption=max(reach.consumption, mark.folded.consumption), decision=max(reach.decision, mark.folded.decision)
    )


def _told(mark: Mark) -> Projected:
    folded = 0 if mark.clearing else mark.folded.consumption + mark.folded.decision
    return Projected(folded=folded, waiting=mark.newest - mark.folded, clearing=mark.clearing)
