"""Windows by enumeration: walk the boundaries one by one until the instant lies between two of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from billing.engine.types import EntitlementType, Rule, WindowAnchor, WindowInterval

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
SPAN = {
    WindowInterval.DAY: timedelta(hours=24),
    WindowInterval.WEEK: timedelta(days=7),
    WindowInterval.MONTH: timedelta(days=30),
    WindowInterval.YEAR: timedelta(days=365),
}


def window_of(rule: Rule, at: datetime, anchor_at: datetime | None) -> tuple[datetime, datetime]:
    """The half-open window of ``rule`` around ``at``."""
    if rule.type is not EntitlementType.METERED_QUOTA or rule.anchor is WindowAnchor.ROLLING:
        return BEGINNING, FOREVER
    assert rule.interval is not None
    if rule.anchor is WindowAnchor.CALENDAR_UTC:
        return calendar_window_of(rule.interval, at)
    return anniversary_window_of(rule.interval, anchor_at or at, at)


def calendar_window_of(interval: WindowInterval, at: datetime) -> tuple[datetime, datetime]:
    """Walk days backwards, then forwards, until one is the first of its week, month or year."""
    start = datetime(at.year, at.month, at.day, tzinfo=UTC)
    while not _is_first(interval, start):
        start -= timedelta(days=1)
    end = start + timedelta(days=1)
    while not _is_first(interval, end):
        end += timedelta(days=1)
    return start, end


def anniversary_window_of(interval: WindowInterval, anchor: datetime, at: datetime) -> tuple[datetime, datetime]:
    """Count n up or down from the anchor; boundary n is always the anchor and n whole intervals."""
    n = 0
    while boundary(interval, anchor, n) > at:
        n -= 1
    while boundary(interval, anchor, n + 1) <= at:
        n += 1
    return boundary(interval, anchor, n), boundary(interval, anchor, n + 1)


@lru_cache(maxsize=100_000)
def boundary(interval: WindowInterval, anchor: datetime, n: int) -> datetime:
    """The anchor and n intervals: months are counted one by one, the day falls back to the last the month has."""
    if interval in (WindowInterval.DAY, WindowInterval.WEEK):
        return anchor + n * timedelta(days=7 if interval is WindowInterval.WEEK else 1)
    year, month = anchor.year, anchor.month
    for _ in range(abs(n) * (12 if interval is WindowInterval.YEAR else 1)):
        month += 1 if n > 0 else -1
        if month in (0, 13):
            year, month = (year + 1, 1) if month == 13 else (year - 1, 12)
    for day in range(anchor.day, 0, -1):
        try:
            return datetime.combine(datetime(year, month, day), anchor.timetz())  # noqa: DTZ001 (only the date is used)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def _is_first(interval: WindowInterval, day: datetime) -> bool:
    return {
        WindowInterval.DAY: True,
        WindowInterval.WEEK: day.isoweekday() == 1,
        WindowInterval.MONTH: day.day == 1,
        WindowInterval.YEAR: (day.month, day.day) == (1, 1),
    }[interval]
