"""What the fake provider remembers: a SQLite file of its own, so that the demo's payments survive a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

Data = dict[str, Any]

MEMORY: Final = ":memory:"
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, kind TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, number);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, asked TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '',
    delivered INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS events_waiting ON events (delivered, number);
CREATE TABLE IF NOT EXISTS faults (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, door TEXT, seconds REAL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """Objects by id and kind, answers by key, events in order. One writer at a time, also between processes."""

    def __init__(self, path: Path | str = MEMORY) -> None:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None, timeout=20)
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of what is written inside, or nothing of it."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def put(self, data: Data) -> Data:
        """Keep an object as it is now, at its place in the order."""
        number = "COALESCE((SELECT number FROM objects WHERE id = ?1), (SELECT COUNT(*) FROM objects) + 1)"
        statement = f"INSERT OR REPLACE INTO objects (id, kind, number, body) VALUES (?1, ?2, {number}, ?3)"  # noqa: S608
        self.rows(statement, data["id"], data["object"], json.dumps(data))
        return data

    def get(self, identity: str) -> Data | None:
        found = self.rows("SELECT body FROM objects WHERE id = ?", identity)
        return json.loads(found[0][0]) if found else None

    def all(self, kind: str, **fields: Any) -> list[Data]:
        """Objects of a kind whose ``fields`` are these, the first one first."""
        found = [
            json.loads(body) for (body,) in self.rows("SELECT body FROM objects WHERE kind = ? ORDER BY number", kind)
        ]
        return [data for data in found if all(data.get(key) == value for key, value in fields.items())]

    def setting(self, name: str, default: str = "") -> str:
        found = self.rows("SELECT value FROM settings WHERE name = ?", name)
        return found[0][0] if found else default

    def set(self, name: str, value: str) -> None:
        self.rows("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value)

    def set_once(self, name: str, value: str) -> str:
        """The value that was set first."""
        self.rows("INSERT OR IGNORE INTO settings (name, value) VALUES (?, ?)", name, value)
        return self.setting(name)
