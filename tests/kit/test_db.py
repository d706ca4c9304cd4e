"""Transactions that run again: when, how often, and when never."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction

from mozaiks.kit import clock, db
from mozaiks.kit.errors import Conflict, Unavailable
from mozaiks.workspaces.models import Workspace
from tests import NOON

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock")
DUPLICATE = IntegrityError(1062, "Duplicate entry")


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@pytest.fixture(autouse=True)
def waiting(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(clock, "monotonic", fake.monotonic)
    monkeypatch.setattr(clock, "pause", fake.pause)
    return fake


def failing(times: int, error: Exception) -> Callable[[], int]:
    """Work that writes a row, fails ``times`` times, then answers how often it ran."""
    runs = 0

    def work() -> int:
        nonlocal runs
        runs += 1
        Workspace.objects.create(name="Acme", slug=f"run-{runs}", created_at=NOON)
        if runs <= times:
            raise error
        return runs

    return work


def slugs() -> list[str]:
    return sorted(Workspace.objects.values_list("slug", flat=True))


def sqlite_error(kind: type[sqlite3.Error], code: int) -> OperationalError | IntegrityError:
    cause = kind("…")
    cause.sqlite_errorcode = code
    error = OperationalError("…") if kind is sqlite3.OperationalError else IntegrityError("…")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("number", [1213, 1205, 1020, 1047, 1180, 2006, 2013, 2055])
def test_the_server_errors_of_the_moment_are_transient(number: int) -> None:
    assert db.is_transient(OperationalError(number, "…"))


@pytest.mark.parametrize(
    "error", [OperationalError(1045, "access denied"), DatabaseError("no such table"), DUPLICATE, ValueError(1213)]
)
def test_other_errors_are_not(error: Exception) -> None:
    assert not db.is_transient(error)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_BUSY_SNAPSHOT])
def test_a_busy_sqlite_is_transient(code: int) -> None:
    assert db.is_transient(sqlite_error(sqlite3.OperationalError, code))


def test_a_closed_connection_is_lost() -> None:
    assert db.is_connection_lost(InterfaceError(0, ""))
    assert db.is_connection_lost(OperationalError(2006, "gone"))
    assert not db.is_connection_lost(DEADLOCK)


@pytest.mark.parametrize("error", [DUPLICATE, sqlite_error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_UNIQUE)])
def test_a_duplicate_key_is_told_from_other_constraints(error: Exception) -> None:
    assert db.is_duplicate_key(error)
    assert not db.is_duplicate_key(IntegrityError(1452, "foreign key"))
    assert not db.is_duplicate_key(sqlite_error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_CHECK))


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_runs_the_whole_block_again_and_leaves_one_effect(waiting: Clock) -> None:
    result = db.run_in_transaction(failing(3, DEADLOCK))

    assert result == 4
    assert slugs() == ["run-4"]
    assert len(waiting.pauses) == 3


@pytest.mark.django_db(transaction=True)
def test_pauses_double_with_jitter_up_to_a_fifth_of_a_second(waiting: Clock) -> None:
    db.run_in_transaction(failing(12, DEADLOCK))

    for number, pause in enumerate(waiting.pauses):
        longest = min(0.002 * 2**number, 0.2)
        assert longest / 2 <= pause <= longest


@pytest.mark.django_db(transaction=True)
def test_patience_ends_after_five_seconds_with_nothing_written(waiting: Clock) -> None:
    with pytest.raises(Unavailable, match="repeat with the same key") as refused:
        db.run_in_transaction(failing(10_000, DEADLOCK))

    assert 4.5 < waiting.seconds <= 5
    assert refused.value.headers == {"Retry-After": "1"}
    assert slugs() == []


@pytest.mark.django_db(transaction=True)
def test_a_lost_server_gets_a_new_connection() -> None:
    seen: list[object] = []

    def work() -> None:
        connection.ensure_connection()
        seen.append(connection.connection)
        if len(seen) == 1:
            raise OperationalError(2006, "MySQL server has gone away")

    db.run_in_transaction(work)

    assert len(seen) == 2
    assert seen[0] is not seen[1]


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_keeps_the_connection() -> None:
    connection.ensure_connection()
    before = connection.connection

    db.run_in_transaction(failing(1, DEADLOCK))

    assert connection.connection is before


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_key_runs_again_so_that_the_key_check_finds_the_winner() -> None:
    assert db.run_in_transaction(failing(2, DUPLICATE)) == 3
    assert slugs() == ["run-3"]


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_that_stays_is_a_bug_and_is_raised() -> None:
    with pytest.raises(IntegrityError):
        db.run_in_transaction(failing(3, DUPLICATE))

    assert slugs() == []


@pytest.mark.django_db(transaction=True)
def test_other_failures_are_raised_at_once(waiting: Clock) -> None:
    with pytest.raises(Conflict):
        db.run_in_transaction(failing(1, Conflict("No.")))

    assert waiting.pauses == []
    assert slugs() == []


@pytest.mark.django_db(transaction=True)
def test_inside_a_callers_transaction_nothing_runs_again(waiting: Clock) -> None:
    with pytest.raises(OperationalError), transaction.atomic():
        db.run_in_transaction(failing(1, DEADLOCK))

    assert waiting.pauses == []
    assert slugs() == []


@pytest.mark.django_db(transaction=True)
def test_inside_a_callers_transaction_the_caller_decides_about_the_commit() -> None:
    with transaction.atomic():
        db.run_in_transaction(failing(0, DEADLOCK))
        transaction.set_rollback(True)

    assert slugs() == []


@pytest.mark.django_db
def test_the_transaction_around_a_test_is_nobodys() -> None:
    assert not db.in_callers_transaction()
    assert db.run_in_transaction(failing(1, DEADLOCK)) == 2
    assert slugs() == ["run-2"]


@pytest.mark.django_db(transaction=True)
def test_a_connection_without_autocommit_belongs_to_its_caller() -> None:
    transaction.set_autocommit(False)
    try:
        assert db.in_callers_transaction()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_the_commit_never_runs_the_block_again() -> None:
    def work() -> None:
        Workspace.objects.create(name="Acme", slug=f"run-{Workspace.objects.count() + 1}", created_at=NOON)
        transaction.on_commit(fail_late)

    def fail_late() -> None:
        raise DEADLOCK

    with pytest.raises(OperationalError):
        db.run_in_transaction(work)

    assert slugs() == ["run-1"]


@pytest.mark.django_db(transaction=True)
def test_callbacks_of_a_run_that_failed_are_forgotten() -> None:
    heard: list[int] = []
    runs = iter((1, 2))

    def work() -> None:
        run = next(runs)
        transaction.on_commit(lambda: heard.append(run))
        if run == 1:
            raise DEADLOCK

    db.run_in_transaction(work)

    assert heard == [2]


@pytest.mark.django_db(transaction=True)
def test_a_room_that_needs_a_transaction_says_so() -> None:
    @db.requires_transaction
    def room() -> str:
        return "written"

    with pytest.raises(RuntimeError, match="room"):
        room()

    with transaction.atomic():
        assert room() == "written"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "instant", [NOON, NOON + timedelta(milliseconds=120), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
)
def test_raw_sql_finds_what_the_orm_wrote_and_reads_it_back(instant: datetime) -> None:
    Workspace.objects.create(name="Acme", slug="acme", created_at=instant)

    with connection.cursor() as cursor:
        cursor.execute("SELECT created_at FROM workspaces_workspace WHERE created_at = %s", [db.db_time(instant)])
        (found,) = cursor.fetchone()

    assert db.utc(found) == instant


def test_other_zones_are_turned_to_utc_and_naive_times_refused() -> None:
    tokyo = datetime(2026, 2, 21, 21, 0, tzinfo=timezone(timedelta(hours=9)))

    assert db.db_time(tokyo) == "2026-02-21 12:00:00"
    with pytest.raises(ValueError, match="naive"):
        db.db_time(datetime(2026, 2, 21))  # noqa: DTZ001


def test_nothing_read_is_nothing() -> None:
    assert db.utc(None) is None
