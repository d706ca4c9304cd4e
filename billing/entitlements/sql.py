"""
The statements of the hot path, written once and constant, so that what runs under the lock can be read on one page.

Everything else uses the ORM. The engines differ in three words only: the row lock, the ignored insert and the upsert.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db import connection

BALANCES = "billing_entitlement_balances"
CONSUMPTIONS = "billing_entitlement_consumptions"
ALLOCATIONS = "billing_entitlement_allocations"
LOTS = "billing_entitlement_open_lots"
GRANTS = "billing_entitlement_grants"
DEFINITIONS = "billing_entitlement_definitions"

#: The columns of a balance that the engine reads and writes, in the order of ``rows.Row``.
ROW_COLUMNS = (
    "id",
    "subject_id",
    "entitlement_definition_id",
    "window_start_at",
    "window_end_at",
    "granted_amount",
    "consumed_amount",
    "held_amount",
    "effective_amount",
    "hard_limit_amount",
    "is_unlimited",
    "overage_amount",
    "over_limit",
    "lock_state",
    "enforcement_override",
    "next_change_at",
    "last_event_at",
    "closed_at",
    "last_recomputed_at",
    "version",
    "head_grant_id",
    "head_remaining",
    "head_pool",
    "plan_granted",
    "plan_used",
    "bonus_granted",
    "bonus_used",
    "created_at",
)
#: What changes after a row was made; the identity of a row never does, but a window may be cut.
CHANGING_COLUMNS = (*ROW_COLUMNS[4:-1], "updated_at")

ROW = ", ".join(f"b.{column}" for column in ROW_COLUMNS)
CHANGED = f"(SELECT d.updated_at FROM {DEFINITIONS} d WHERE d.id = b.entitlement_definition_id)"
_OF_SUBJECT = "b.subject_type = 'billable_entity' AND b.subject_id = %s"

INSERT_CONSUMPTION = (
    f"INSERT INTO {CONSUMPTIONS} (subject_type, subject_id, entitlement_definition_id, amount, overage_amount, grant_id,"
    " reverses_id, advisory, occurred_at, window_start_at, reason_code, operation_key, usage_event_key,"
    " provider_event_id, request_id, dedupe_key, fingerprint, metadata_json, created_at)"
    " VALUES ('billable_entity', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
FIND_OPERATION = (
    "SELECT fingerprint, status_code, result FROM billing_operations"
    " WHERE subject_type = 'billable_entity' AND subject_id = %s AND `key` = %s"
)
INSERT_OPERATION = (
    "INSERT INTO billing_operations (subject_type, subject_id, `key`, fingerprint, capability, status_code, result,"
    " created_at) VALUES ('billable_entity', %s, %s, %s, %s, %s, %s, %s)"
)
SPEND_FROM_HEAD = (
    f"UPDATE {BALANCES} SET consumed_amount = %s, effective_amount = %s, held_amount = %s, over_limit = %s,"
    " lock_state = %s, head_remaining = %s, plan_used = %s, bonus_used = %s, next_change_at = %s, last_event_at = %s,"
    " version = %s, updated_at = %s WHERE id = %s"
)
READ_LOTS = (
    "SELECT grant_id, granted, remaining, pool, burn_class, effective_at, expires_sort"
    f" FROM {LOTS} WHERE subject_type = 'billable_entity' AND subject_id = %s AND entitlement_definition_id = %s"
    " ORDER BY expires_sort, burn_class, effective_at, grant_id"
)
NEIGHBOURS = (
    "SELECT MAX(CASE WHEN window_end_at <= %s THEN window_end_at END),"
    " MIN(CASE WHEN window_start_at > %s THEN window_start_at END)"
    f" FROM {BALANCES} WHERE subject_type = 'billable_entity' AND subject_id = %s AND entitlement_definition_id = %s"
)


@cache
def is_sqlite() -> bool:
    """Whether the default database is SQLite: one writer at a time, so no row locks."""
    return connection.vendor == "sqlite"


@cache
def lock_newest(*, sqlite: bool) -> str:
    """Lock the row that serialises all writers of one (subject, definition); brings the definition's stamp along."""
    statement = (
        f"SELECT {ROW}, (SELECT d.updated_at FROM {DEFINITIONS} d WHERE d.id = %s) FROM {BALANCES} b"
        f" WHERE {_OF_SUBJECT} AND b.entitlement_definition_id = %s ORDER BY b.window_start_at DESC LIMIT 1"
    )
    return statement if sqlite else f"{statement} FOR UPDATE"


@cache
def lock_window(*, sqlite: bool) -> str:
    """Lock the row of the closed window that contains an instant."""
    statement = (
        f"SELECT {ROW}, {CHANGED} FROM {BALANCES} b WHERE {_OF_SUBJECT} AND b.entitlement_definition_id = %s"
        " AND b.window_start_at <= %s AND b.window_end_at > %s"
    )
    return statement if sqlite else f"{statement} FOR UPDATE"


@cache
def lock_ids(count: int, *, sqlite: bool) -> str:
    """Lock several rows, always in the order of their primary keys."""
    statement = f"SELECT {ROW}, {CHANGED} FROM {BALANCES} b WHERE b.id IN ({_marks(count)}) ORDER BY b.id"
    return statement if sqlite else f"{statement} FOR UPDATE"


@cache
def running_ids(count: int) -> str:
    """The primary keys of the running rows of several definitions; locks nothing."""
    return (
        f"SELECT b.entitlement_definition_id, b.id FROM {BALANCES} b WHERE {_OF_SUBJECT}"
        f" AND b.entitlement_definition_id IN ({_marks(count)}) AND b.closed_at IS NULL"
    )


@cache
def read_running() -> str:
    """All running rows of a subject, each with the newest stamp and the number of definitions."""
    return (
        f"SELECT {ROW}, NULL, s.newest, s.number FROM (SELECT MAX(updated_at) AS newest, COUNT(*) AS number"
        f" FROM billing_entitlement_definitions) s LEFT JOIN {BALANCES} b ON {_OF_SUBJECT} AND b.closed_at IS NULL"
    )


@cache
def insert_rows(count: int, *, sqlite: bool, or_ignore: bool = False) -> str:
    """Insert balance rows; with ``or_ignore`` a row that is there already stays as it is."""
    columns = (*ROW_COLUMNS[1:], "subject_type", "updated_at", "metadata_json", "attempts")
    end = ""
    if or_ignore:
        end = " ON CONFLICT DO NOTHING" if sqlite else " ON DUPLICATE KEY UPDATE id = id"
    return f"INSERT INTO {BALANCES} ({', '.join(columns)}) VALUES {_tuples(len(columns), count)}{end}"


@cache
def update_row() -> str:
    """Write everything that may have changed in one row."""
    return f"UPDATE {BALANCES} SET {', '.join(f'{column} = %s' for column in CHANGING_COLUMNS)} WHERE id = %s"


@cache
def update_rows(count: int, *, sqlite: bool) -> str:
    """Write several rows by primary key in one statement. The rows exist: nothing is inserted."""
    columns = (*ROW_COLUMNS, "subject_type", "updated_at", "metadata_json", "attempts")
    return _upsert(BALANCES, columns, CHANGING_COLUMNS, "id", count, sqlite=sqlite)


@cache
def upsert_lots(count: int, *, sqlite: bool) -> str:
    """Write open lots by grant."""
    changing = ("window_start_at", "granted", "remaining", "expires_sort")
    columns = (
        "grant_id",
        "window_start_at",
        "granted",
        "remaining",
        "expires_sort",
        "pool",
        "burn_class",
        "effective_at",
        "subject_id",
        "entitlement_definition_id",
        "subject_type",
    )
    return _upsert(LOTS, columns, changing, "grant_id", count, sqlite=sqlite)


@cache
def delete_lots(count: int) -> str:
    """Remove lots that are no longer open."""
    return f"DELETE FROM {LOTS} WHERE grant_id IN ({_marks(count)})"


@cache
def read_lots_of(definitions: int) -> str:
    """The open lots of several definitions of a subject, in no order."""
    return (
        "SELECT grant_id, granted, remaining, pool, burn_class, effective_at, expires_sort, entitlement_definition_id"
        f" FROM {LOTS} WHERE subject_type = 'billable_entity' AND subject_id = %s"
        f" AND entitlement_definition_id IN ({_marks(definitions)})"
    )


@cache
def insert_grants(count: int, *, returning: bool) -> str:
    """Write grants; ``returning`` where the server says which ids it gave (MySQL does not)."""
    columns = (
        "subject_id",
        "entitlement_definition_id",
        "amount",
        "kind",
        "replenish",
        "enforcement_override",
        "effective_at",
        "expires_at",
        "source_type",
        "source_id",
        "template_id",
        "operation_key",
        "provider",
        "provider_event_id",
        "dedupe_key",
        "fingerprint",
        "metadata_json",
        "created_at",
        "subject_type",
    )
    insert = f"INSERT INTO {GRANTS} ({', '.join(columns)}) VALUES {_tuples(len(columns), count)}"
    return f"{insert} RETURNING dedupe_key, id" if returning else insert


@cache
def insert_allocations(count: int) -> str:
    """Write shares and settlements."""
    columns = (
        "kind",
        "consumption_id",
        "subject_id",
        "entitlement_definition_id",
        "window_start_at",
        "grant_id",
        "amount",
        "occurred_at",
        "created_at",
        "subject_type",
    )
    return f"INSERT INTO {ALLOCATIONS} ({', '.join(columns)}) VALUES {_tuples(len(columns), count)}"


def _upsert(table: str, columns: Sequence[str], changing: Sequence[str], key: str, count: int, *, sqlite: bool) -> str:
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_tuples(len(columns), count)}"
    if sqlite:
        sets = ", ".join(f"{column} = excluded.{column}" for column in changing)
        return f"{insert} ON CONFLICT ({key}) DO UPDATE SET {sets}"
    return f"{insert} ON DUPLICATE KEY UPDATE {', '.join(f'{column} = VALUES({column})' for column in changing)}"


def _tuples(width: int, count: int) -> str:
    return ", ".join([f"({_marks(width)})"] * count)


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)
