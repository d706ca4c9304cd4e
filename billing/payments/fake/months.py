"""Periods of prices: so many days, weeks, months or years after an anchor, at the last day where a month has no such day."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Any, Final

DAYS: Final = {"day": 1, "week": 7}
MONTHS: Final = {"month": 1, "year": 12}


def after(anchor: datetime, recurring: Any, count: int) -> datetime:
    """The instant ``count`` periods after ``anchor``."""
    steps = int(recurring["interval_count"]) * count
    if recurring["interval"] in DAYS:
        return anchor + timedelta(days=DAYS[recurring["interval"]] * steps)
    months = anchor.month - 1 + MONTHS[recurring["interval"]] * steps
    year, month = anchor.year + months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, calendar.monthrange(year, month)[1]))
