"""The few words in which the two databases differ, for statements that give the same rows on both."""

from __future__ import annotations

from typing import Protocol

from django.db import connection

from billing.engine.types import LIFETIME_START
from mozaiks.kit.db import db_time

_START = db_time(LIFETIME_START)
_DAY = 86_400_000_000


class Dialect(Protocol):
    """SQL expressions made of SQL expressions, for statements that take no parameters (a percent sign is a percent sign)."""

    def text(self, value: str) -> str:
        """A number as text."""
        ...

    def joined(self, *parts: str) -> str:
        """Texts and numbers as one text."""
        ...

    def instant(self, written: str) -> str:
        """A literal as an instant that compares with instants of columns."""
        ...

    def period(self, instant: str) -> str:
        """An instant as ``engine.keys.period`` writes it; smaller parts than milliseconds are cut off."""
        ...

    def plus_days(self, instant: str, days: str) -> str:
        """Whole days later."""
        ...

    def least(self, *values: str) -> str:
        """The smallest of values of which none is NULL."""
        ...

    def early(self, instant: str) -> str:
        """An instant pressed into the years 1970 to 1978, as ``engine.lots`` sorts the ends of unlimited lots."""
        ...

    def sha256(self, text: str) -> str:
        """The digest in hex, in small letters."""
        ...


class MySQL:
    """MariaDB and MySQL."""

    def text(self, value: str) -> str:
        return f"CAST({value} AS CHAR)"

    def joined(self, *parts: str) -> str:
        return f"CONCAT({', '.join(parts)})"

    def instant(self, written: str) -> str:
        return f"CAST({written} AS DATETIME(6))"

    def period(self, instant: str) -> str:
        return f"CONCAT(LEFT(DATE_FORMAT({instant}, '%Y%m%dT%H%i%S%f'), 18), 'Z')"

    def plus_days(self, instant: str, days: str) -> str:
        return f"({instant} + INTERVAL {days} DAY)"

    def least(self, *values: str) -> str:
        return f"LEAST({', '.join(values)})"

    def early(self, instant: str) -> str:
        start = self.instant(f"'{_START}'")
        return f"({start} + INTERVAL (TIMESTAMPDIFF(MICROSECOND, {start}, {instant}) DIV 1000) MICROSECOND)"

    def sha256(self, text: str) -> str:
        return f"SHA2({text}, 256)"


class SQLite:
    """SQLite, with the functions Django gives every connection; instants are text, as Django writes them."""

    def text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def joined(self, *parts: str) -> str:
        return f"({' || '.join(parts)})"

    def instant(self, written: str) -> str:
        return written

    def period(self, instant: str) -> str:
        at = [f"substr({instant}, {start}, 2)" for start in (6, 9, 12, 15, 18)]
        fraction = f"substr(substr({instant}, 21, 3) || '000', 1, 3)"
        return self.joined(f"substr({instant}, 1, 4)", at[0], at[1], "'T'", *at[2:], fraction, "'Z'")

    def plus_days(self, instant: str, days: str) -> str:
        return f"django_format_dtdelta('+', {instant}, {days} * {_DAY})"

    def least(self, *values: str) -> str:
        return f"MIN({', '.join(values)})"

    def early(self, instant: str) -> str:
        return f"django_format_dtdelta('+', '{_START}', django_timestamp_diff({instant}, '{_START}') / 1000)"

    def sha256(self, text: str) -> str:
        return f"SHA256({text})"


def dialect() -> Dialect:
    """The words of the default database."""
    return SQLite() if connection.vendor == "sqlite" else MySQL()


def prepare_connection() -> None:
    """MariaDB turns lists of more than 1,000 ids into joined subqueries, which takes twice the time here."""
    if connection.vendor == "mysql" and getattr(connection, "mysql_is_mariadb", False):
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION in_predicate_conversion_threshold = 0")
