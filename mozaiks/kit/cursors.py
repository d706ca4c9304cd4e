"""
Statements of a hot path, on a cursor that stays open: opening one costs as much as sending a short statement.

What watches or logs a connection's statements sees these as well.
"""

from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper

_KEPT = "_mozaiks_kept_cursor"


def fetch(statement: str, params: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """All rows that ``statement`` gives."""
    cursor = _cursor()
    cursor.execute(statement, params)
    rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows


def execute(statement: str, params: Sequence[Any]) -> int:
    """Run a statement that gives no rows; the id of the row it inserted, 0 for none."""
    cursor = _cursor()
    cursor.execute(statement, params)
    return int(cursor.lastrowid or 0)


def _cursor() -> CursorWrapper:
    """This thread's cursor on the default database, opened once per connection."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.queries_logged:
        return database.cursor()
    kept: tuple[Any, CursorWrapper] | None = database.__dict__.get(_KEPT)
    if kept is None or database.connection is None or kept[0] is not database.connection:
        cursor = database.cursor()
        database.__dict__[_KEPT] = kept = (database.connection, cursor)
    return kept[1]
