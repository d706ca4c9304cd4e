"""Balance rows as the engine holds them while they are locked, and how they are written back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from billing.engine.lots import Lot
from billing.engine.standing import Figures, Standing, figures
from billing.engine.types import LIFETIME_START, EnforcementMode, EntitlementType, LockState, Pool, Rule
from billing.entitlements import sql
from mozaiks.kit.cursors import execute
from mozaiks.kit.db import db_time, utc

#: What a client can see of a row (see ``shown``).
Shown = tuple[int | None, int, int, int | None, int | None, bool, str, str | None, datetime | None]

_DATETIMES = (3, 4, 15, 16, 17, 18, 27)


@dataclass(slots=True)
class Row:
    """One balance row, column for column as in ``sql.ROW_COLUMNS``; ``id`` 0 is not yet in the database."""

    id: int
    subject_id: int
    definition_id: int
    window_start_at: datetime
    window_end_at: datetime
    granted_amount: int | None
    consumed_amount: int
    held_amount: int
    effective_amount: int | None
    hard_limit_amount: int | None
    is_unlimited: bool
    overage_amount: int
    over_limit: bool
    lock_state: str
    enforcement_override: str | None
    next_change_at: datetime | None
    last_event_at: datetime
    closed_at: datetime | None
    last_recomputed_at: datetime
    version: int
    head_grant_id: int | None
    head_remaining: int | None
    head_pool: str | None
    plan_granted: int | None
    plan_used: int
    bonus_granted: int | None
    bonus_used: int
    created_at: datetime

    @property
    def was_retired(self) -> bool:
        """Its definition was retired: no boundary was kept since, so that it has to be looked at before it is believed."""
        return self.next_change_at is None and self.last_recomputed_at == LIFETIME_START

    def retire(self) -> None:
        """Let no boundary of the row pass any more."""
        self.next_change_at, self.last_recomputed_at = None, LIFETIME_START
        self.version += 1

    @property
    def left(self) -> int | None:
        """What is left in the open lots; None while unlimited."""
        if self.effective_amount is None:
            return None
        return self.effective_amount + self.overage_amount + self.held_amount

    def head_payable(self) -> int | None:
        """Units the head lot can pay at once; None is without limit."""
        if self.head_grant_id is None or self.head_remaining is None:
            return 0
        if self.is_unlimited:
            return None
        if self.head_pool is None:
            return self.head_remaining
        granted, used = self._pool()
        return min(self.head_remaining, max(0, (granted or 0) - used))

    def pay_from_head(self, amount: int, *, keeps_lot: bool = False) -> None:
        """
        Book ``amount`` units on the head lot. The caller has made sure that they fit.

        ``keeps_lot``: the lot belongs to a rolling pool, where only the pool keeps the account.
        """
        self.consumed_amount += amount
        if self.effective_amount is not None:
            self.effective_amount -= amount
        if not (keeps_lot and self.head_pool):
            self.head_remaining = (self.head_remaining or 0) - amount
        if self.head_pool == Pool.BASE:
            self.plan_used += amount
        elif self.head_pool == Pool.BONUS:
            self.bonus_used += amount

    def note_limits(self, rule: Rule) -> None:
        """Derive ``over_limit`` and ``lock_state`` from the numbers."""
        if rule.type is EntitlementType.STATE:
            return  # follows from the grants alone
        self.over_limit = not self.is_unlimited and self._exceeded(rule)
        self.lock_state = lock_state_of(rule, over_limit=self.over_limit)

    def _exceeded(self, rule: Rule) -> bool:
        if rule.type is EntitlementType.CAPACITY:
            return self.consumed_amount > (self.granted_amount or 0)
        if self.overage_amount > 0:
            return True
        pools = ((self.plan_granted, self.plan_used), (self.bonus_granted, self.bonus_used))
        return self.left == 0 and any(granted is not None and used > granted > 0 for granted, used in pools)

    def _pool(self) -> tuple[int | None, int]:
        if self.head_pool == Pool.BASE:
            return self.plan_granted, self.plan_used
        return self.bonus_granted, self.bonus_used


def lock_state_of(rule: Rule, *, over_limit: bool, lapsed: bool = False) -> str:
    """The lock state that follows from the numbers; a refusal never sets it."""
    if rule.type is EntitlementType.STATE:
        return rule.lock_state_name if lapsed and rule.lock_state_name else LockState.NONE
    if over_limit and rule.enforcement is EnforcementMode.HARD_LOCK_RESOURCE and rule.lock_state_name:
        return rule.lock_state_name
    return LockState.NONE


def row_of(values: Sequence[Any]) -> Row:
    """A row from what a cursor gave for ``sql.ROW_COLUMNS``."""
    columns = list(values[: len(sql.ROW_COLUMNS)])
    for index in _DATETIMES:
        columns[index] = utc(columns[index])
    columns[10], columns[12] = bool(columns[10]), bool(columns[12])
    return Row(*columns)


def blank_row(standing: Standing, *, subject_id: int, definition_id: int, version: int = 0) -> Row:
    """A row that is not yet in the database, for ``standing``'s window."""
    at = standing.as_of
    window = standing.window
    numbers = (0, 0, 0, 0, None, False, 0, False, LockState.NONE.value, None, None)
    stamps = (at, None, at, version)
    return Row(
        0, subject_id, definition_id, window.start, window.end, *numbers, *stamps, None, None, None, 0, 0, 0, 0, at
    )


def shown(row: Row) -> Shown:
    """What a client can see of a row, to be compared: all its numbers; ids, versions and bookkeeping are left out."""
    return (
        row.granted_amount,
        row.consumed_amount,
        row.held_amount,
        row.effective_amount,
        row.hard_limit_amount,
        row.over_limit,
        row.lock_state,
        row.enforcement_override,
        row.next_change_at,
    )


def take_figures(row: Row, standing: Standing, *, override: str | None, lapsed: bool = False) -> Figures:
    """
    Write what ``standing`` says into ``row``: numbers, pools, head. Nothing reaches the database.

    ``lapsed``: a state that was granted before. One that never was is not locked.
    """
    numbers = figures(standing)
    row.window_start_at, row.window_end_at = standing.window.start, standing.window.end
    row.granted_amount, row.effective_amount = numbers.granted, numbers.effective
    row.consumed_amount, row.held_amount = numbers.consumed, numbers.held
    row.hard_limit_amount, row.is_unlimited = numbers.hard_limit, numbers.is_unlimited
    row.overage_amount, row.over_limit = numbers.overage, numbers.over_limit
    row.enforcement_override = override
    row.lock_state = lock_state_of(standing.rule, over_limit=numbers.over_limit, lapsed=lapsed and not standing.lots)
    row.plan_granted, row.plan_used = standing.pool_granted(Pool.BASE), standing.pool_used[Pool.BASE]
    row.bonus_granted, row.bonus_used = standing.pool_granted(Pool.BONUS), standing.pool_used[Pool.BONUS]
    head = head_of(standing)
    row.head_grant_id = head.grant_id if head else None
    row.head_remaining = head.remaining if head else None
    row.head_pool = head.pool.value if head and head.pool else None
    return numbers


def head_of(standing: Standing) -> Lot | None:
    """The first lot in burn order that can pay something."""
    if not standing.rule.is_consumable:
        return None
    left = {pool: standing.pool_left(pool) for pool in Pool}
    for lot in standing.lots:
        if lot.is_unlimited or (lot.remaining > 0 and (lot.pool is None or left[lot.pool] != 0)):
            return lot
    return None


def save(rows: Sequence[Row], *, at: datetime) -> None:
    """Write rows that exist, by primary key, in one statement whatever their number."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(sql.update_row(), [*_changing(rows[0], at), rows[0].id])
            return
        values = [value for row in rows for value in (*plain(row), *constants(at))]
        cursor.execute(sql.update_rows(len(rows), sqlite=sql.is_sqlite()), values)


def insert(rows: Sequence[Row], *, at: datetime, or_ignore: bool = False) -> None:
    """Insert rows in one statement; with ``or_ignore`` those that are there already stay as they are."""
    if not rows:
        return
    values = [value for row in rows for value in (*plain(row)[1:], *constants(at))]
    with connection.cursor() as cursor:
        cursor.execute(sql.insert_rows(len(rows), sqlite=sql.is_sqlite(), or_ignore=or_ignore), values)


def save_spending(row: Row, *, at: datetime) -> None:
    """Write what a debit from the head lot changed."""
    execute(
        sql.SPEND_FROM_HEAD,
        (
            row.consumed_amount,
            row.effective_amount,
            row.held_amount,
            row.over_limit,
            row.lock_state,
            row.head_remaining,
            row.plan_used,
            row.bonus_used,
            _time(row.next_change_at),
            db_time(row.last_event_at),
            row.version,
            db_time(at),
            row.id,
        ),
    )


def plain(row: Row) -> list[Any]:
    """The row as the columns of ``sql.ROW_COLUMNS`` are written."""
    values = [getattr(row, name) for name in Row.__slots__]
    for index in _DATETIMES:
        values[index] = _time(values[index])
    return values


def _changing(row: Row, at: datetime) -> list[Any]:
    return [*plain(row)[4:-1], db_time(at)]


def constants(at: datetime) -> Iterable[Any]:
    """What is written beside it: subject_type, updated_at, metadata_json, attempts."""
    return ("billable_entity", db_time(at), "{}", 0)


def _time(value: datetime | None) -> str | None:
    return None if value is None else db_time(value)
