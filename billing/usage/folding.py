"""The statements that fold facts into days. The engines differ in the upsert and in the row lock only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.db import connection

from mozaiks.kit.db import db_time, utc

MARK_ID = 1

# Both kinds of facts within a range of ids, summed by subject, definition, day and code; uses have no code.
_FACTS = """
SELECT subject_type, subject_id, entitlement_definition_id, DATE(occurred_at) AS day, '' AS code,
  SUM(amount) AS used, 0 AS refused, 0 AS advisory
FROM billing_entitlement_consumptions WHERE id > %s AND id <= %s
GROUP BY subject_type, subject_id, entitlement_definition_id, DATE(occurred_at)
UNION ALL
SELECT subject_type, subject_id, entitlement_definition_id, DATE(occurred_at), code,
  0, SUM(CASE WHEN advisory THEN 0 ELSE 1 END), SUM(CASE WHEN advisory THEN 1 ELSE 0 END)
FROM billing_decisions WHERE id > %s AND id <= %s
GROUP BY subject_type, subject_id, entitlement_definition_id, DATE(occurred_at), code"""

_READ_MARK = """
SELECT m.consumption_id, m.decision_id, m.seen_consumption_id, m.seen_decision_id, m.seen_at, m.clearing,
  (SELECT MAX(id) FROM billing_entitlement_consumptions), (SELECT MAX(id) FROM billing_decisions),
  (SELECT MIN(id) FROM billing_entitlement_consumptions WHERE id > COALESCE(m.consumption_id, 0)),
  (SELECT MIN(id) FROM billing_decisions WHERE id > COALESCE(m.decision_id, 0))
FROM (SELECT 1 AS one) o LEFT JOIN billing_usage_marks m ON m.id = 1"""

_MARK_COLUMNS = (
    "consumption_id",
    "decision_id",
    "seen_consumption_id",
    "seen_decision_id",
    "seen_at",
    "clearing",
    "updated_at",
)
_DAY_KEY = ("subject_type", "subject_id", "entitlement_definition_id", "day")
_TOTAL_KEY = ("day", "entitlement_definition_id", "code")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """An id of each kind of facts."""

    consumption: int = 0
    decision: int = 0

    def __sub__(self, other: Ids) -> int:
        """How many ids of both kinds lie between."""
        return max(0, self.consumption - other.consumption) + max(0, self.decision - other.decision)

    def at_most(self, other: Ids) -> Ids:
        return Ids(consumption=min(self.consumption, other.consumption), decision=min(self.decision, other.decision))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The stored mark with what lies behind it: the ids that come next, and the newest. ``is_new``: there is no row yet."""

    folded: Ids
    seen: Ids
    seen_at: datetime
    clearing: bool
    next: Ids
    newest: Ids
    is_new: bool


def read_mark(*, now: datetime, wait: bool) -> Mark:
    """
    The mark, locked until the end of the transaction.

    :raises OperationalError: somebody else folds, and ``wait`` is false.
    """
    with connection.cursor() as cursor:
        cursor.execute(_READ_MARK + _lock(wait=wait))
        uses, refusals, seen_uses, seen_refusals, seen_at, clearing, last_use, last_refusal, next_use, next_refusal = (
            cursor.fetchone()
        )
    folded = Ids(consumption=uses or 0, decision=refusals or 0)
    newest = Ids(consumption=last_use or 0, decision=last_refusal or 0)
    return Mark(
        folded=folded,
        seen=Ids(consumption=seen_uses or 0, decision=seen_refusals or 0),
        seen_at=now if seen_at is None else utc(seen_at),
        clearing=bool(clearing),
        # Where nothing comes next there is nothing to fold: the newest of a pruned table may lie behind the mark.
        next=Ids(consumption=next_use or folded.consumption + 1, decision=next_refusal or folded.decision + 1),
        newest=newest,
        is_new=uses is None,
    )


def write_mark(mark: Mark, *, now: datetime) -> None:
    """Keep the mark. :raises IntegrityError: two wrote the first one; the later has to start again."""
    values: list[int | bool | str] = [
        mark.folded.consumption,
        mark.folded.decision,
        mark.seen.consumption,
        mark.seen.decision,
        db_time(mark.seen_at),
        mark.clearing,
        db_time(now),
        MARK_ID,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_insert_mark() if mark.is_new else _update_mark(), values)


def wait_for_commits(after: Ids, upto: Ids, *, wait: bool) -> None:
    """
    Return when nobody has an uncommitted use with an id in the range.

    InnoDB makes a locking read wait for rows of open transactions. SQLite has one writer at a time, which is us.

    :raises OperationalError: somebody has, and ``wait`` is false (or lasted longer than a lock is waited for).
    """
    if connection.vendor == "sqlite" or upto.consumption <= after.consumption:
        return
    statement = "SELECT COUNT(*) FROM billing_entitlement_consumptions WHERE id > %s AND id <= %s"
    with connection.cursor() as cursor:
        cursor.execute(statement + _lock(wait=wait), [after.consumption, upto.consumption])
        cursor.fetchall()


def fold(after: Ids, upto: Ids) -> None:
    """Add the facts with ids in ``(after, upto]`` to their days and to the totals."""
    within = [after.consumption, upto.consumption, after.decision, upto.decision]
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        for table, key in (("billing_usage_days", _DAY_KEY), ("billing_usage_totals", _TOTAL_KEY)):
            cursor.execute(_add(table, key, sqlite=sqlite), within)


def clear_some(rows: int) -> bool:
    """Delete up to about ``rows`` days and totals; false when there were none."""
    cleared = False
    with connection.cursor() as cursor:
        for table in ("billing_usage_days", "billing_usage_totals"):
            cursor.execute(f"SELECT MIN(id) FROM {table}")  # noqa: S608 - a constant
            (first,) = cursor.fetchone()
            if first is not None:
                cursor.execute(f"DELETE FROM {table} WHERE id < %s", [first + rows])  # noqa: S608 - a constant
                cleared = True
    return cleared


def _lock(*, wait: bool) -> str:
    if connection.vendor == "sqlite":
        return ""
    return " FOR UPDATE" if wait else " FOR UPDATE NOWAIT"


@cache
def _add(table: str, key: tuple[str, ...], *, sqlite: bool) -> str:
    by = ", ".join(key)
    insert = (
        f"INSERT INTO {table} ({by}, used, refused, advisory)"  # noqa: S608 - constants
        f" SELECT {by}, SUM(used), SUM(refused), SUM(advisory) FROM ({_FACTS}) facts WHERE 1 = 1 GROUP BY {by}"
    )
    new = "excluded.{0}" if sqlite else "VALUES({0})"
    sums = ", ".join(f"{each} = {table}.{each} + {new.format(each)}" for each in ("used", "refused", "advisory"))
    return f"{insert} ON CONFLICT ({by}) DO UPDATE SET {sums}" if sqlite else f"{insert} ON DUPLICATE KEY UPDATE {sums}"


@cache
def _insert_mark() -> str:
    marks = ", ".join(["%s"] * (len(_MARK_COLUMNS) + 1))
    return f"INSERT INTO billing_usage_marks ({', '.join(_MARK_COLUMNS)}, id) VALUES ({marks})"  # noqa: S608


@cache
def _update_mark() -> str:
    sets = ", ".join(f"{column} = %s" for column in _MARK_COLUMNS)
    return f"UPDATE billing_usage_marks SET {sets} WHERE id = %s"  # noqa: S608 - constants
