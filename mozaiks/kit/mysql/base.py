"""
Spends less on every transaction and on every row than Django's own backend, and is the same otherwise.

Django switches autocommit off before a transaction and on again after it: two trips to the server. ``BEGIN`` is one, and COMMIT
or ROLLBACK leave autocommit on by themselves; Django's SQLite backend begins its transactions by the same hook. The driver reads
a datetime in Python, character by character; the standard library reads it in C.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.backends.mysql import base
from MySQLdb.constants import FIELD_TYPE
from MySQLdb.converters import conversions


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to MySQL or MariaDB."""

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        for kind in (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP):
            params["conv"] = {**params["conv"], kind: _read_datetime}
        return params

    def _start_transaction_under_autocommit(self) -> None:
        with self.wrap_database_errors:
            self.connection.query("BEGIN")


_read_by_the_driver: Callable[[str], datetime | None] = conversions[FIELD_TYPE.DATETIME]


def _read_datetime(text: str) -> datetime | None:
    """A naive datetime; what the standard library does not read (``0000-00-00``) is left to the driver."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _read_by_the_driver(text)
