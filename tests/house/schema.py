"""What the database itself says of its tables: ``information_schema`` on MariaDB, ``sqlite_master`` and PRAGMAs on SQLite."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.apps import apps
from django.db import connection, models

OURS = ("workspaces", "billing", "projects", "annuity")

_CHECK = re.compile(r'CONSTRAINT "([^"]+)" CHECK')
_UNIQUE = re.compile(r'CONSTRAINT "([^"]+)" UNIQUE \(([^)]*)\)')
_COLUMNS = """
SELECT column_name, column_type, collation_name FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position"""
_INDEXES = """
SELECT index_name, MIN(non_unique) = 0, GROUP_CONCAT(column_name ORDER BY seq_in_index) FROM information_schema.statistics
WHERE table_schema = DATABASE() AND table_name = %s AND index_name <> 'PRIMARY' GROUP BY index_name"""
_CONSTRAINTS = """
SELECT constraint_name FROM information_schema.table_constraints
WHERE table_schema = DATABASE() AND table_name = %s AND constraint_type = %s"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column; ``type`` without display widths of integers; ``collation`` None where it holds no text, or on SQLite."""

    type: str
    collation: str | None


@dataclass(frozen=True, kw_only=True)
class Index:
    """The columns of an index, in its order."""

    columns: tuple[str, ...]
    unique: bool


def our_models() -> list[type[models.Model]]:
    """The models of our apps that are installed, with the tables Django adds between them."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in OURS and model._meta.managed
    ]


def on_mysql() -> bool:
    return connection.vendor == "mysql"


def tables() -> set[str]:
    """Every table there is, ours and others'."""
    return set(connection.introspection.table_names())


def columns(table: str) -> dict[str, Column]:
    """Columns by name, in their order."""
    if on_mysql():
        return {name: Column(type=_plain(kind), collation=collation) for name, kind, collation in _ask(_COLUMNS, table)}
    rows = _ask(f'SELECT name, type FROM pragma_table_xinfo("{table}")')
    return {name: Column(type=_plain(kind.removesuffix(" GENERATED ALWAYS")), collation=None) for name, kind in rows}


def indexes(table: str) -> dict[str, Index]:
    """Indexes and unique keys by name, the primary key apart."""
    if on_mysql():
        rows = _ask(_INDEXES, table)
        return {name: Index(columns=tuple(of.split(",")), unique=bool(unique)) for name, unique, of in rows}
    found = {}
    for name, unique, origin in _ask(f'SELECT name, "unique", origin FROM pragma_index_list("{table}")'):
        of = tuple(column for (column,) in _ask(f'SELECT name FROM pragma_index_info("{name}") ORDER BY seqno'))
        if origin != "pk":
            found[_spoken(table, of) if origin == "u" else name] = Index(columns=of, unique=bool(unique))
    return found


def _spoken(table: str, of: tuple[str, ...]) -> str:
    """SQLite calls the index of a unique constraint ``sqlite_autoindex_…``; the constraint's own name is in the table's SQL."""
    for name, written in _UNIQUE.findall(_definition(table)):
        if tuple(re.findall(r'"([^"]+)"', written)) == of:
            return str(name)
    return ",".join(of)


def checks(table: str) -> set[str]:
    """Names of CHECK constraints. MariaDB names those of a column's type after the column; they are left out."""
    if on_mysql():
        return {name for (name,) in _ask(_CONSTRAINTS, table, "CHECK")} - columns(table).keys()
    return set(_CHECK.findall(_definition(table)))


def foreign_keys(table: str) -> set[str]:
    """Names of foreign keys. SQLite gives them none: there is a name for each column that has one."""
    if on_mysql():
        return {name for (name,) in _ask(_CONSTRAINTS, table, "FOREIGN KEY")}
    return {column for (column,) in _ask(f'SELECT "from" FROM pragma_foreign_key_list("{table}")')}


def _definition(table: str) -> str:
    ((sql,),) = _ask("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", table)
    return str(sql)


def _ask(statement: str, *values: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def _plain(kind: str) -> str:
    return re.sub(r"^((?:big|small|tiny)?int(?:eger)?)\(\d+\)", r"\1", kind.lower())
