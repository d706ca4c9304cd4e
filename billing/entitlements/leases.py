"""
Who works on which due balances: rows are leased in batches, and written back only under the lease they were taken with.

A lease is committed before the work begins. It is a promise among workers and no lock: whoever uses a leased row does so, and
rolls it forward first, as ever. What makes a boundary happen once is that the row is locked again for the work and is left alone
unless it is still leased under the same token and still due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection

from billing.engine.keys import random_key
from billing.entitlements import rows, sql
from billing.entitlements.allowances import Allowance, allowance_of
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.rows import Row
from mozaiks.kit.db import db_time, requires_transaction, run_in_transaction

#: Put off after the first failure for half a minute, then twice as long each time, up to an hour.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)

_DUE = (
    f"SELECT b.id, b.attempts FROM {sql.BALANCES} b WHERE b.next_change_at <= %s AND b.closed_at IS NULL"
    " AND (b.lease_until IS NULL OR b.lease_until <= %s) AND (b.retry_at IS NULL OR b.retry_at <= %s)"
    " ORDER BY b.next_change_at LIMIT %s"
)
_PUT_OFF = (
    f"UPDATE {sql.BALANCES} SET attempts = attempts + 1, retry_at = %s, lease_token = NULL, lease_until = NULL"
    " WHERE id = %s AND lease_token = %s"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """
    Rows one worker may work on until the lease runs out, by primary key: ``failed`` ones with the number of their failures.
    """

    token: str
    fresh: tuple[int, ...] = ()
    failed: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        return len(self.fresh) + len(self.failed)


def lease_due(*, now: datetime, limit: int, duration: timedelta) -> Lease:
    """Lease at most ``limit`` rows whose boundary has passed, the oldest first, and commit that."""
    return run_in_transaction(lambda: _lease_due(now=now, limit=limit, duration=duration))


@requires_transaction
def lock(ids: Sequence[int], token: str, *, now: datetime) -> list[Allowance]:
    """
    Lock those of the rows that are still leased under ``token`` and still running, in the order of their primary keys.

    Where the server can skip locked rows, one that somebody uses just now is left to them: they roll it forward themselves.
    """
    with connection.cursor() as cursor:
        cursor.execute(_lock_statement(len(ids), _for_update()), [*ids, token])
        found = [(rows.row_of(values), values[-1]) for values in cursor.fetchall()]
    return [allowance_of(definition_by_id(row.definition_id), row, stamp, now) for row, stamp in found]


@requires_transaction
def save(changed: Sequence[Row], token: str, *, now: datetime) -> None:
    """Write rows and give them back, each only if it is still leased under ``token``. One statement."""
    if not changed:
        return
    values: list[Any] = []
    for row in changed:
        values += [*rows.plain(row), *rows.constants(now), token]
    with connection.cursor() as cursor:
        cursor.execute(_save_statement(len(changed), sqlite=sql.is_sqlite()), values)


def put_off(row_id: int, token: str, *, attempts: int, now: datetime) -> datetime:
    """Leave a row that failed alone for a while; ``attempts`` is how often it had failed before. Returns until when."""
    retry_at = now + min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)

    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_PUT_OFF, [db_time(retry_at), row_id, token])

    run_in_transaction(write)
    return retry_at


def _lease_due(*, now: datetime, limit: int, duration: timedelta) -> Lease:
    at, token = db_time(now), random_key()
    with connection.cursor() as cursor:
        cursor.execute(f"{_DUE}{_for_update()}", [at, at, at, limit])
        found = cursor.fetchall()
        if found:
            marks = ", ".join(["%s"] * len(found))
            statement = f"UPDATE {sql.BALANCES} SET lease_token = %s, lease_until = %s WHERE id IN ({marks})"
            cursor.execute(statement, [token, db_time(now + duration), *(row_id for row_id, _ in found)])
    return Lease(
        token=token,
        fresh=tuple(row_id for row_id, attempts in found if not attempts),
        failed=tuple((row_id, attempts) for row_id, attempts in found if attempts),
    )


def _for_update() -> str:
    """``SKIP LOCKED`` saves workers from waiting for each other; nothing relies on it."""
    if sql.is_sqlite():
        return ""
    return " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else " FOR UPDATE"


@lru_cache(maxsize=64)
def _lock_statement(count: int, for_update: str) -> str:
    marks = ", ".join(["%s"] * count)
    return (
        f"SELECT {sql.ROW}, {sql.CHANGED} FROM {sql.BALANCES} b"
        f" WHERE b.id IN ({marks}) AND b.lease_token = %s AND b.closed_at IS NULL ORDER BY b.id{for_update}"
    )


@lru_cache(maxsize=64)
def _save_statement(count: int, *, sqlite: bool) -> str:
    """An upsert of rows that exist: the one way to write many different rows by primary key in one statement."""
    columns = (*sql.ROW_COLUMNS, "subject_type", "updated_at", "metadata_json", "attempts", "lease_token")
    tuples = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * count)
    insert = f"INSERT INTO {sql.BALANCES} ({', '.join(columns)}) VALUES {tuples}"
    changing = sql.CHANGING_COLUMNS
    if sqlite:
        sets = [f"{column} = excluded.{column}" for column in changing]
        sets += ["attempts = 0", "retry_at = NULL", "lease_until = NULL", "lease_token = NULL"]
        where = f"{sql.BALANCES}.lease_token = excluded.lease_token"
        return f"{insert} ON CONFLICT (id) DO UPDATE SET {', '.join(sets)} WHERE {where}"
    mine = "lease_token = VALUES(lease_token)"
    sets = [f"{column} = IF({mine}, VALUES({column}), {column})" for column in (*changing, "attempts")]
    # MySQL assigns from left to right: the token goes last.
    sets += [f"{column} = IF({mine}, NULL, {column})" for column in ("retry_at", "lease_until", "lease_token")]
    return f"{insert} ON DUPLICATE KEY UPDATE {', '.join(sets)}"
