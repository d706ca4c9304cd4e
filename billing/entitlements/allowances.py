"""
An allowance: one balance row while its subject is being served. How it is locked.

The newest row of a (subject, definition) serialises all its writers. A row is read alone first; its open lots are read only
when the head lot cannot pay (``spending``), its grants only when a boundary has passed or grants change (``passing``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from billing.engine.lots import Lot
from billing.engine.standing import Standing
from billing.engine.types import Pool, Settlement, Window
from billing.engine.windows import window_at
from billing.entitlements import rows, sql
from billing.entitlements.facts import Facts, load
from billing.entitlements.resolvers import DefinitionInfo, renewed
from billing.entitlements.rows import Row
from mozaiks.kit.cursors import fetch
from mozaiks.kit.db import requires_transaction, utc

log = structlog.get_logger(__name__)

#: A clock further behind than this is worth a log line; a business time further ahead is refused.
CLOCK_TOLERANCE = timedelta(minutes=5)

LotImage = tuple[datetime, int | None, int | None, datetime]


@dataclass(slots=True)
class Allowance:
    """
    A locked balance row at the operation's time ``at``, and what is known beside it.

    ``standing`` is there once lots were read; ``facts`` once grants were. ``closed_rows`` are rows of closed windows that
    are written with it. ``rests``: its window is over and nobody has opened the next one (see ``passing``). ``before``: what
    clients were shown of the row when it was locked.
    """

    info: DefinitionInfo
    row: Row
    at: datetime
    standing: Standing | None = None
    facts: Facts | None = None
    closed_rows: list[Row] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    oldest_use_at: datetime | None = None
    stored_lots: dict[int, LotImage] = field(default_factory=dict)
    rests: bool = False
    before: rows.Shown | None = None

    @property
    def is_visibly_changed(self) -> bool:
        """Whether a client sees another limit than before the lock: other numbers, or a window that began anew."""
        return bool(self.closed_rows) or self.before != rows.shown(self.row)

    @property
    def is_due(self) -> bool:
        """Whether a boundary has passed since the row was written, its window is over, or its numbers cannot be believed."""
        row = self.row
        if row.version == 0 or row.window_end_at <= self.at:
            return True
        if row.next_change_at is None:
            return row.was_retired
        return row.next_change_at <= self.at

    @property
    def window(self) -> Window:
        return Window(start=self.row.window_start_at, end=self.row.window_end_at)


@requires_transaction
def lock_one(subject_id: int, info: DefinitionInfo, *, now: datetime, anchor_at: datetime | None = None) -> Allowance:
    """Lock the newest row of one definition, made if it is missing. ``anchor_at``: see ``lock_many``."""
    while True:
        found = fetch(sql.lock_newest(sqlite=sql.is_sqlite()), (info.id, subject_id, info.id))
        if not found:
            rows.insert([_first_row(subject_id, info, now, anchor_at)], at=now, or_ignore=True)
            continue
        row = rows.row_of(found[0])
        if row.closed_at is None:
            return allowance_of(info, row, found[0][-1], now)


@requires_transaction
def lock_many(
    subject_id: int, infos: Iterable[DefinitionInfo], *, now: datetime, anchors: Mapping[int, datetime] | None = None
) -> list[Allowance]:
    """
    Lock the newest rows of several definitions in the order of their primary keys; missing ones are made.

    ``anchors`` says by definition where anniversary windows begin if nothing that is recorded says it.
    """
    wanted = {info.id: info for info in infos}
    anchors = anchors or {}
    if len(wanted) == 1:
        return [lock_one(subject_id, info, now=now, anchor_at=anchors.get(info.id)) for info in wanted.values()]
    while True:
        ids = _running_ids(subject_id, list(wanted))
        missing = [wanted[definition_id] for definition_id in sorted(wanted) if definition_id not in ids]
        if missing:
            made = [_first_row(subject_id, info, now, anchors.get(info.id)) for info in missing]
            rows.insert(made, at=now, or_ignore=True)
            ids = _running_ids(subject_id, list(wanted))
        locked = fetch(sql.lock_ids(len(ids), sqlite=sql.is_sqlite()), list(ids.values()))
        found = [(rows.row_of(values), values[-1]) for values in locked]
        if len(found) == len(wanted) and all(row.closed_at is None for row, _ in found):
            return [allowance_of(wanted[row.definition_id], row, stamp, now) for row, stamp in found]


def _running_ids(subject_id: int, definition_ids: list[int]) -> dict[int, int]:
    found = fetch(sql.running_ids(len(definition_ids)), [subject_id, *definition_ids])
    return {definition_id: row_id for definition_id, row_id in found}  # noqa: C416 - rows of a cursor


def _first_row(subject_id: int, info: DefinitionInfo, now: datetime, anchor_at: datetime | None) -> Row:
    """A row of version 0: whoever locks it first computes it from the facts."""
    known = load(subject_id, [info], since=now)[info.id].anchor_at if info.needs_anchor else None
    window = window_at(info.rule, now, anchor_at=known or anchor_at)
    standing = Standing(rule=info.rule, window=window, as_of=now, lots=[])
    return rows.blank_row(standing, subject_id=subject_id, definition_id=info.id)


def allowance_of(info: DefinitionInfo, row: Row, stamp: datetime | str, now: datetime) -> Allowance:
    """A row that was locked just now; ``stamp`` is when its definition changed last."""
    if now < row.last_event_at - CLOCK_TOLERANCE:
        log.warning("clock_behind", subject_id=row.subject_id, definition=info.code, last_event_at=row.last_event_at)
    at = max(now, row.last_event_at)
    return Allowance(info=renewed(info, utc(stamp)), row=row, at=at, before=rows.shown(row))


def standing_of(allowance: Allowance, lots: list[Lot]) -> Standing:
    """The standing the row says, with the open lots that were read beside it."""
    row = allowance.row
    return Standing(
        rule=allowance.info.rule,
        window=allowance.window,
        as_of=row.last_event_at,
        lots=sorted(lots, key=lambda lot: lot.order),
        pool_used={Pool.BASE: row.plan_used, Pool.BONUS: row.bonus_used},
        overage=row.overage_amount,
        held=row.held_amount,
        count=row.consumed_amount,
    )


def with_head(lots: Iterable[Lot], row: Row) -> list[Lot]:
    """The lots with the head's rest, which is kept in the balance row."""
    return [
        replace(lot, remaining=row.head_remaining or 0) if lot.grant_id == row.head_grant_id else lot for lot in lots
    ]


def images_of(lots: Iterable[Lot], window_start: datetime) -> dict[int, LotImage]:
    """What the database holds of each lot, to write only what changed."""
    return {lot.grant_id: (window_start, lot.granted, lot.remaining, lot.expires_sort) for lot in lots}
