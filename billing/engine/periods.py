"""
Which period of a price follows which.

Boundary n is the anchor + n periods of ``count`` intervals, always from the anchor: the 31st comes back after February.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from billing.engine.types import WindowInterval
from billing.engine.windows import step, whole_steps

#: A price of an interval times this is what it comes to in a month: a year has 12 months, 52 weeks or 365 days.
MONTHLY = {
    WindowInterval.DAY: Fraction(365, 12),
    WindowInterval.WEEK: Fraction(52, 12),
    WindowInterval.MONTH: Fraction(1),
    WindowInterval.YEAR: Fraction(1, 12),
}


def per_month(amount: int, interval: WindowInterval, count: int) -> Fraction:
    """What ``amount`` every ``count`` intervals comes to in a month, exactly."""
    return amount * MONTHLY[interval] / count


def next_boundary(interval: WindowInterval, count: int, anchor: datetime, after: datetime) -> datetime:
    """The first boundary later than ``after``."""
    n = whole_steps(interval, anchor, after) // count
    while step(anchor, interval, n * count) <= after:
        n += 1
    return step(anchor, interval, n * count)


def anchor_of(
    interval: WindowInterval, count: int, start: datetime, end: datetime, *, said: datetime | None = None
) -> datetime:
    """
    The anchor of the period ``[start, end)``: the one that was ``said``, or its start, or its end if the start was clamped to a
    short month or the period is no whole one; each only if it comes to ``end``.
    """
    for anchor in (said, start):
        if anchor is not None and _is_boundary(interval, count, anchor, end):
            return anchor
    return end


def _is_boundary(interval: WindowInterval, count: int, anchor: datetime, at: datetime) -> bool:
    n, rest = divmod(whole_steps(interval, anchor, at), count)
    return rest == 0 and step(anchor, interval, n * count) == at
