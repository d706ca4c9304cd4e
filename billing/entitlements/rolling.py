"""
Rolling windows: the last 24 hours, 7, 30 or 365 days, kept incrementally in one lifetime row.

Under the lock, uses that grew older than the span since the row's last event are summed by the index and subtracted.
A use exactly as old as the span no longer counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from mozaiks.kit.db import db_time, utc

_OF = "subject_type = 'billable_entity' AND subject_id = %s AND entitlement_definition_id = %s"
_BETWEEN = f"{_OF} AND occurred_at > %s AND occurred_at <= %s"

_AGED = f"""
SELECT %s, COALESCE(SUM(CASE WHEN g.replenish = 'per_window' THEN x.amount ELSE 0 END), 0), COALESCE(SUM(x.overage), 0),
  (SELECT c.occurred_at FROM billing_entitlement_consumptions c
   WHERE c.{_OF} AND c.occurred_at > %s AND c.amount > 0
     AND c.amount > (SELECT COALESCE(-SUM(r.amount), 0) FROM billing_entitlement_consumptions r WHERE r.reverses_id = c.id)
   ORDER BY c.occurred_at LIMIT 1)
FROM (
  SELECT grant_id, amount, overage_amount AS overage FROM billing_entitlement_consumptions WHERE {_BETWEEN}
  UNION ALL
  SELECT grant_id, amount, 0 FROM billing_entitlement_allocations WHERE kind = 'share' AND {_BETWEEN}
) x LEFT JOIN billing_entitlement_grants g ON g.id = x.grant_id
"""
#: Rows asked about in one statement: SQLite joins at most 500 parts, and each of ours has several.
_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """The time in which uses of a (subject, definition) left the span: ``(after, until]``."""

    subject_id: int
    definition_id: int
    after: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Aged:
    """Units that left the span: paid by the pool, and overage. ``oldest_use_at`` is the next use to leave."""

    pool: int
    overage: int
    oldest_use_at: datetime | None


def aged_between(subject_id: int, definition_id: int, *, after: datetime, until: datetime) -> Aged:
    """What was used in ``(after, until]``, and the oldest use later than ``until`` that was not taken back."""
    return aged_in([Stretch(subject_id=subject_id, definition_id=definition_id, after=after, until=until)])[0]


def aged_in(stretches: Sequence[Stretch]) -> list[Aged]:
    """The same for many, in their order. One statement for every fifty of them; the index finds each by itself."""
    found: dict[int, Aged] = {}
    for start in range(0, len(stretches), _AT_ONCE):
        chunk = stretches[start : start + _AT_ONCE]
        params: list[Any] = []
        for place, each in enumerate(chunk, start):
            between = [each.subject_id, each.definition_id, db_time(each.after), db_time(each.until)]
            params += [place, each.subject_id, each.definition_id, db_time(each.until), *between, *between]
        with connection.cursor() as cursor:
            cursor.execute("UNION ALL".join([_AGED] * len(chunk)), params)
            for place, pool, overage, oldest in cursor.fetchall():
                found[place] = Aged(pool=int(pool), overage=int(overage), oldest_use_at=utc(oldest))
    return [found[place] for place in range(len(stretches))]
