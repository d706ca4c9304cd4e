"""
Which window an instant belongs to.

UTC, half-open ``[start, end)``: at exactly the end of a window the next one is open.
Rules and vectors: section 3 of the entitlement specification (``docs/contracts.md``).
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from billing.engine.types import LIFETIME, Rule, Window, WindowAnchor, WindowInterval

#: What a rolling window looks back over.
ROLLING_SPANS = {
    WindowInterval.DAY: timedelta(hours=24),
    WindowInterval.WEEK: timedelta(days=7),
    WindowInterval.MONTH: timedelta(days=30),
    WindowInterval.YEAR: timedelta(days=365),
}


def window_at(rule: Rule, at: datetime, *, anchor_at: datetime | None = None) -> Window:
    """
    The window of ``rule`` that contains ``at``.

    ``anchor_at`` is needed by anniversary windows only; without it they begin at ``at`` itself.
    Capacity, balance, state and rolling quotas have the one lifetime window.
    """
    if not rule.has_windows or rule.interval is None:
        return LIFETIME
    if rule.anchor is WindowAnchor.CALENDAR_UTC:
        return calendar_window(rule.interval, at)
    return anniversary_window(rule.interval, anchor_at or at, at)


def rolling_span(rule: Rule) -> timedelta:
    """How far a rolling quota looks back."""
    if rule.interval is None:
        raise ValueError("a rolling rule has an interval")
    return ROLLING_SPANS[rule.interval]


def calendar_window(interval: WindowInterval, at: datetime) -> Window:
    """The UTC day, ISO week (from Monday), month or year that contains ``at``."""
    start = _calendar_start(interval, at.astimezone(UTC))
    return Window(start=start, end=step(start, interval, 1))


def anniversary_window(interval: WindowInterval, anchor: datetime, at: datetime) -> Window:
    """
    The window between boundaries n and n+1, boundary n being ``anchor`` + n intervals.

    Always stepped from the anchor, never from the last boundary: 01-31 monthly is 02-28, then 03-31.
    Boundaries before the anchor exist too (n < 0), so that a late use finds its window.
    """
    n = whole_steps(interval, anchor, at)
    return Window(start=step(anchor, interval, n), end=step(anchor, interval, n + 1))


def _calendar_start(interval: WindowInterval, at: datetime) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval is WindowInterval.DAY:
        return midnight
    if interval is WindowInterval.WEEK:
        return midnight - timedelta(days=midnight.weekday())
    if interval is WindowInterval.MONTH:
        return midnight.replace(day=1)
    return midnight.replace(month=1, day=1)


def whole_steps(interval: WindowInterval, anchor: datetime, at: datetime) -> int:
    """How many whole intervals lie between the anchor and ``at``: below zero before the anchor."""
    n = _guess(interval, anchor, at)
    while step(anchor, interval, n) > at:
        n -= 1
    while step(anchor, interval, n + 1) <= at:
        n += 1
    return n


def _guess(interval: WindowInterval, anchor: datetime, at: datetime) -> int:
    """A first guess of n, at most one step off."""
    if interval is WindowInterval.DAY:
        return (at - anchor) // timedelta(days=1)
    if interval is WindowInterval.WEEK:
        return (at - anchor) // timedelta(days=7)
    months = (at.year - anchor.year) * 12 + at.month - anchor.month
    return months if interval is WindowInterval.MONTH else months // 12


def step(anchor: datetime, interval: WindowInterval, n: int) -> datetime:
    """The boundary ``n`` intervals from the anchor."""
    if interval is WindowInterval.DAY:
        return anchor + timedelta(days=n)
    if interval is WindowInterval.WEEK:
        return anchor + timedelta(days=7 * n)
    return _add_months(anchor, n if interval is WindowInterval.MONTH else 12 * n)


def _add_months(anchor: datetime, months: int) -> datetime:
    """Keep the day of month, clamped to the month's last day."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    month += 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
