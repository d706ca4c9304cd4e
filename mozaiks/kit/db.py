"""
Owns transactions that are safe to run again, and the few words raw SQL needs about time.

A transaction that met a deadlock, a lock timeout, a serialisation failure or a lost server is rolled back and
run again as a whole, from its first statement, until ``PATIENCE_SECONDS`` are over. Inside somebody else's
transaction nothing is repeated: only the outermost block can start afresh.
"""

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, overload

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from prometheus_client import Counter

from mozaiks.kit import clock
from mozaiks.kit.errors import Unavailable
from mozaiks.kit.metrics import REGISTRY

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.2
# The second and the third run look the key up again and find what the winner of the race wrote.
DUPLICATE_RUNS = 2

MYSQL_CONFLICTS = frozenset(
    {
        1020,  # record has changed since last read
        1180,  # commit refused (certification failure on Galera)
        1205,  # lock wait timeout
        1213,  # deadlock
        3101,  # rolled back by group replication
    }
)
MYSQL_LOST = frozenset(
    {
        1047,  # node not ready (Galera)
        1053,  # server shutdown in progress
        1927,  # connection was killed
        2002,  # cannot connect (socket)
        2003,  # cannot connect (TCP)
        2006,  # server has gone away
        2013,  # lost connection during query
        2055,  # lost connection, with a system error
        4031,  # disconnected for inactivity
    }
)
MYSQL_DUPLICATE = 1062
SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
SQLITE_DUPLICATE = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})

RETRIES = Counter(
    "mozaiks_transaction_retries_total",
    "Transactions run again, by reason (conflict, lost, duplicate).",
    ["reason"],
    registry=REGISTRY,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is run again from its start."""
    return _is_conflict(error) or is_connection_lost(error)


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection itself is gone, so that a new one is needed."""
    return isinstance(error, Error) and (_number(error) in MYSQL_LOST or _is_closed(error))


def is_duplicate_key(error: BaseException) -> bool:
    """Whether a unique key refused a row."""
    if not isinstance(error, IntegrityError):
        return False
    return _number(error) == MYSQL_DUPLICATE or _sqlite_code(error) in SQLITE_DUPLICATE


def _is_conflict(error: BaseException) -> bool:
    if not isinstance(error, Error):
        return False
    code = _sqlite_code(error)
    return _number(error) in MYSQL_CONFLICTS or (code is not None and code & 0xFF in SQLITE_BUSY)


def _number(error: BaseException) -> int | None:
    """MySQL's error number: the driver puts it first."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, int) else None


def _sqlite_code(error: BaseException) -> int | None:
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    return code if isinstance(code, int) else None


def _is_closed(error: BaseException) -> bool:
    """mysqlclient answers ``InterfaceError(0, '')`` on a connection that is closed already."""
    return type(error).__name__ == "InterfaceError" and _number(error) == 0


def in_callers_transaction(*, using: str = DEFAULT_DB_ALIAS) -> bool:
    """
    Whether somebody above has opened a transaction that only they can start again.

    The transaction a ``TestCase`` wraps around each test does not count: production code never sees it.
    """
    connection = transaction.get_connection(using)
    blocks = connection.atomic_blocks
    if blocks:
        return not blocks[-1]._from_testcase
    return connection.connection is not None and not connection.autocommit


def run_in_transaction(work: Callable[[], T], *, repeatable: bool = True, using: str = DEFAULT_DB_ALIAS) -> T:
    """
    Run ``work`` in one transaction of its own and commit it; run it again, whole, when the database asks for it.

    ``work`` may run several times and must do nothing outside the database; a unique key that refuses a row makes
    it run again, so that its key check finds the row of whoever was first. Inside a caller's transaction it runs
    once, in a savepoint, and every error is raised as it is.

    ``repeatable`` says that ``work`` finds what an earlier run committed (it has a key). Without that it is not run
    again after the answer to its COMMIT was lost: it might have been committed.

    :raises Unavailable: no luck for 5 seconds, or the answer to the COMMIT was lost and nothing tells what became of it.
    """
    if in_callers_transaction(using=using):
        with transaction.atomic(using=using):
            return work()
    return _Attempts(using=using, repeatable=repeatable).run(work)


class _Attempts:
    """The runs of one piece of work, until it is committed or patience is over."""

    def __init__(self, *, using: str, repeatable: bool) -> None:
        self.connection: BaseDatabaseWrapper = transaction.get_connection(using)
        self.using = using
        self.deadline = clock.monotonic() + PATIENCE_SECONDS
        self.failures = 0
        self.duplicates = 0
        self.repeatable = repeatable
        self.committing = False
        self.committed = False

    def run(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return self._once(work)
            except Error as error:
                self._prepare_another(error)

    def _once(self, work: Callable[[], T]) -> T:
        with transaction.atomic(using=self.using, durable=True):
            # First in line: what a later callback raises must not look like a failed commit.
            transaction.on_commit(self._note_commit, using=self.using)
            self.committing = False
            result = work()
            self.committing = True
            return result

    def _note_commit(self) -> None:
        self.committed = True

    def _prepare_another(self, error: Error) -> None:
        """Leave everything ready for another run, or raise."""
        if self.committed:
            raise error
        if is_duplicate_key(error):
            self.duplicates += 1
            if self.duplicates > DUPLICATE_RUNS:
                raise error
            RETRIES.labels(reason="duplicate").inc()
            return
        if not is_transient(error):
            raise error
        self._drop_lost_connection(error)
        if self.committing and is_connection_lost(error) and not self.repeatable:
            raise Unavailable("The answer to the commit was lost: look before you repeat this.") from error
        self._wait(error)

    def _drop_lost_connection(self, error: Error) -> None:
        lost = is_connection_lost(error)
        RETRIES.labels(reason="lost" if lost else "conflict").inc()
        if lost and not self.connection.in_atomic_block:
            self.connection.close()

    def _wait(self, error: Error) -> None:
        longest = min(FIRST_PAUSE_SECONDS * 2**self.failures, LONGEST_PAUSE_SECONDS)
        pause = random.uniform(longest / 2, longest)  # noqa: S311 - spreads rivals, guards nothing
        self.failures += 1
        if clock.monotonic() + pause > self.deadline:
            log.warning("transaction_given_up", failures=self.failures, error=str(error))
            raise Unavailable(
                "The database could not finish this now: repeat with the same key.",
                headers={"Retry-After": "1"},
            ) from error
        clock.pause(pause)


def requires_transaction(room: Callable[P, T]) -> Callable[P, T]:
    """Mark a room that writes in its caller's transaction: called without one it raises ``RuntimeError``."""

    @wraps(room)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        if not connections[DEFAULT_DB_ALIAS].in_atomic_block:
            raise RuntimeError(f"{room.__module__}.{room.__qualname__} needs its caller's transaction")
        return room(*args, **kwargs)

    return inside


@lru_cache(maxsize=1024)
def db_time(instant: datetime) -> str:
    """
    An instant as raw SQL compares it on every engine: UTC without zone, written exactly as the ORM writes it.

    :raises ValueError: for a naive datetime.
    """
    if instant.tzinfo is None:
        raise ValueError(f"a naive datetime has no place in the database: {instant!r}")
    return str(instant.astimezone(UTC).replace(tzinfo=None))


@overload
def utc(value: datetime | str) -> datetime: ...
@overload
def utc(value: None) -> None: ...
def utc(value: datetime | str | None) -> datetime | None:
    """What a raw cursor gave for a datetime column (naive UTC on MySQL, text on SQLite) as aware UTC."""
    if value is None:
        return None
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
