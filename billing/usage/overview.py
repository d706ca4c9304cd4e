"""
What the first page of the console shows of all customers, read at a price that does not grow with them.

* usage and refusals: the totals of days, a row per definition, day and code;
* the nearest to their limits: the step each running balance notes when it is written (``Balance.full_percent``), by its index.
  Balances below every step are not in question; of those on one step the ones whose window ends last come first;
* who used most: the largest of each day by its index, then their sums. A customer who is among the ``CANDIDATES`` largest
  of no day at all is not found, though the sum of many small days might be large;
* what is due, and how right the ledger was when it was last verified: by index, counted up to ``MANY``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from billing.engine.types import LIFETIME_END
from billing.entitlements.balances import VERIFIED
from billing.models import BillableEntity, UsageTotal
from billing.models.balances import FULL, NEARLY_FULL
from billing.models.events import EventStatus, EventType
from mozaiks.kit.db import db_time, utc

DAYS = 30
REFUSAL_DAYS = 14
TOP_DAYS = 7
#: How many definitions have a chart, customers a line, balances of a step and customers of a day are looked at.
CHARTS = 6
NEAREST = 8
TOP = 3
LOOKED_AT = 50
CANDIDATES = 20
EVENTS = 5
#: Beyond this a backlog is only "many".
MANY = 10_000

_WEBHOOK = f"event_type = '{EventType.WEBHOOK.value}'"
_NEW = f"'{EventStatus.RECEIVED.value}', '{EventStatus.PROCESSING.value}'"
_FAILED = f"status = '{EventStatus.FAILED.value}' AND {_WEBHOOK}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A definition as readers name it."""

    id: int
    code: str
    name: str
    unit: str


@dataclass(kw_only=True, slots=True)
class Day:
    """What happened to one definition on one day, of all subjects: units used, refusals, and those that would have been."""

    used: int = 0
    refused: int = 0
    advisory: int = 0


@dataclass(kw_only=True, slots=True)
class Usage:
    """The days of one definition, and its refusals by code."""

    definition: Counted
    by_day: dict[date, Day] = field(default_factory=lambda: defaultdict(Day))
    by_code: dict[str, dict[date, Day]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Day)))

    @property
    def used(self) -> int:
        return sum(day.used for day in self.by_day.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearest:
    """A running balance that has reached a step: units, as of when it was last written. ``until`` None is for ever."""

    subject_id: int
    code: str
    granted: int
    used: int
    over_limit: bool
    until: datetime | None

    @property
    def share(self) -> float:
        """Which part of the limit is used or held; of nothing, everything is."""
        return self.used / self.granted if self.granted else float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Most:
    """What one subject used of one definition in the last ``TOP_DAYS`` days."""

    subject_id: int
    definition: Counted
    used: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """
    How many balances are due (up to ``MANY``), and since when the one that has waited longest is.

    ``worker_at`` is when a worker was last heard of; None is never. ``told_at`` is since when the oldest webhook waits for its
    turn, or for another attempt; ``stuck`` webhooks and ``flagged`` purchases (each up to ``MANY``) wait for an operator.
    """

    due: int
    oldest_at: datetime | None
    worker_at: datetime | None
    told_at: datetime | None
    stuck: int
    flagged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something of the inbox or the journal."""

    id: int
    name: str
    provider: str
    at: datetime
    attempts: int
    error: str
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """The last run of the verifier, if any, and the last failures."""

    verified: Event | None
    failed: list[Event]


def usage(*, today: date) -> list[Usage]:
    """Every definition that was used or refused in the last ``DAYS`` days, those used on most days first."""
    rows = UsageTotal.objects.filter(day__gt=today - timedelta(days=DAYS), day__lte=today).values_list(
        "definition_id",
        "definition__code",
        "definition__name",
        "definition__unit",
        "day",
        "code",
        "used",
        "refused",
        "advisory",
    )
    found: dict[int, Usage] = {}
    for definition_id, its_code, name, unit, day, code, used, refused, advisory in rows:
        known = Counted(id=definition_id, code=its_code, name=name, unit=unit)
        one = found.setdefault(definition_id, Usage(definition=known))
        for sums in (one.by_day[day], *([one.by_code[code][day]] if code else ())):
            sums.used += used
            sums.refused += refused
            sums.advisory += advisory
    return sorted(found.values(), key=lambda each: (-len(each.by_day), each.definition.code))


def nearest(*, now: datetime) -> list[Nearest]:
    """Balances that are full, then those that nearly are: at most ``NEAREST`` of each, fullest first. One statement."""
    at = db_time(now)
    steps = ", ".join(str(step) for step in NEARLY_FULL)
    full, nearly = (
        "SELECT * FROM (SELECT b.subject_id, b.entitlement_definition_id, b.granted_amount,"  # noqa: S608 - constants
        " b.consumed_amount + b.held_amount AS used, b.over_limit, b.window_end_at, b.full_percent"
        f" FROM billing_entitlement_balances b WHERE b.full_percent {condition} AND b.window_end_at > %s"
        f" ORDER BY b.full_percent DESC, b.window_end_at DESC LIMIT {LOOKED_AT}) {name}"
        for name, condition in (("a", f"= {FULL}"), ("b", f"IN ({steps})"))
    )
    rows = _ask(
        "SELECT n.subject_id, d.code, n.granted_amount, n.used, n.over_limit, n.window_end_at, n.full_percent"  # noqa: S608
        f" FROM ({full} UNION ALL {nearly}) n"
        " JOIN billing_entitlement_definitions d ON d.id = n.entitlement_definition_id",
        [at, at],
    )
    groups: dict[bool, list[Nearest]] = {True: [], False: []}
    for subject_id, code, granted, used, over_limit, until, step in rows:
        ends = utc(until)
        groups[step == FULL].append(
            Nearest(
                subject_id=subject_id,
                code=code,
                granted=granted,
                used=used,
                over_limit=bool(over_limit),
                until=None if ends == LIFETIME_END else ends,
            )
        )
    return [each for group in groups.values() for each in sorted(group, key=_fullest)[:NEAREST]]


def top(definitions: Iterable[Counted], *, today: date) -> list[Most]:
    """Who used most of each of these definitions in the last ``TOP_DAYS`` days, ``TOP`` of each. One statement."""
    known = {each.id: each for each in definitions}
    days = [today - timedelta(days=back) for back in range(TOP_DAYS)]
    if not known:
        return []
    largest = " UNION ALL ".join(
        "SELECT * FROM (SELECT entitlement_definition_id, subject_id FROM billing_usage_days"  # noqa: S608
        f" WHERE entitlement_definition_id = {int(number)} AND day = %s AND used > 0"
        f" ORDER BY used DESC LIMIT {CANDIDATES}) d{number}_{index}"
        for number in known
        for index, _ in enumerate(days)
    )
    rows = _ask(
        "SELECT u.entitlement_definition_id, u.subject_id, SUM(u.used)"  # noqa: S608 - constants and numbers
        f" FROM (SELECT DISTINCT entitlement_definition_id, subject_id FROM ({largest}) each_day) c"
        " JOIN billing_usage_days u ON u.subject_type = 'billable_entity' AND u.subject_id = c.subject_id"
        " AND u.entitlement_definition_id = c.entitlement_definition_id AND u.day >= %s AND u.day <= %s"
        " GROUP BY u.entitlement_definition_id, u.subject_id",
        [*(day.isoformat() for _ in known for day in days), days[-1].isoformat(), today.isoformat()],
    )
    found: dict[int, list[Most]] = {number: [] for number in known}
    for number, subject_id, used in rows:
        found[number].append(Most(subject_id=subject_id, definition=known[number], used=int(used)))
    return [each for group in found.values() for each in sorted(group, key=lambda one: -one.used)[:TOP]]


def backlog(*, now: datetime) -> Backlog:
    """Balances whose boundary has passed and that nobody has brought forward, and what else waits. One statement."""
    ((due, oldest, heard, told, again, stuck, flagged),) = _ask(
        "SELECT COUNT(*), MIN(next_change_at), (SELECT MAX(last_tick_at) FROM billing_worker_heartbeats),"  # noqa: S608
        f" (SELECT MIN(received_at) FROM billing_events WHERE status IN ({_NEW}) AND {_WEBHOOK}),"
        f" (SELECT MIN(received_at) FROM billing_events WHERE {_FAILED} AND next_attempt_at IS NOT NULL),"
        f" (SELECT COUNT(*) FROM (SELECT id FROM billing_events WHERE {_FAILED} AND next_attempt_at IS NULL LIMIT {MANY}) s),"
        f" (SELECT COUNT(*) FROM (SELECT id FROM billing_purchases WHERE flag > '' LIMIT {MANY}) f)"
        " FROM (SELECT next_change_at FROM billing_entitlement_balances"
        f" WHERE next_change_at <= %s ORDER BY next_change_at LIMIT {MANY}) due",
        [db_time(now)],
    )
    waiting = [each for each in (utc(told), utc(again)) if each is not None]
    return Backlog(
        due=due,
        oldest_at=utc(oldest),
        worker_at=utc(heard),
        told_at=min(waiting, default=None),
        stuck=stuck,
        flagged=flagged,
    )


def events() -> Events:
    """The last run of the verifier and the last events that failed. One statement."""
    columns = "id, event_name, provider, received_at, attempt_count, error_text, payload_json"
    rows = _ask(
        f"SELECT * FROM (SELECT {columns} FROM billing_events WHERE event_name = %s"  # noqa: S608 - constants
        " ORDER BY received_at DESC LIMIT 1) v"
        f" UNION ALL SELECT * FROM (SELECT {columns} FROM billing_events WHERE status = %s"
        f" ORDER BY received_at DESC LIMIT {EVENTS}) f",
        [VERIFIED, EventStatus.FAILED.value],
    )
    found = [
        Event(
            id=key,
            name=name,
            provider=provider,
            at=utc(at),
            attempts=attempts,
            error=error,
            payload=json.loads(payload),
        )
        for key, name, provider, at, attempts, error, payload in rows
    ]
    verified = [event for event in found if event.name == VERIFIED]
    return Events(verified=next(iter(verified), None), failed=[event for event in found if event.name != VERIFIED])


def entities(subject_ids: Iterable[int]) -> dict[int, BillableEntity]:
    """These customers with what names them."""
    return BillableEntity.objects.select_related("workspace", "owner_user").in_bulk(sorted(set(subject_ids)))


def _fullest(one: Nearest) -> tuple[bool, float]:
    return not one.over_limit, -one.share


def _ask(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
