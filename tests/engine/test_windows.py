"""Windows: every vector of the specification, and that they cover time once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.types import LIFETIME, EntitlementType, Rule, WindowAnchor, WindowInterval
from billing.engine.windows import anniversary_window, calendar_window, rolling_span, window_at
from tests.engine.making import ACCESS, CREDITS, INSTANT, NOON, ROLLING_DAY, SEATS
from tests.engine.reference_windows import anniversary_window_of, boundary, calendar_window_of

intervals = st.sampled_from(list(WindowInterval))
instants = st.integers(0, 3 * 10**12).map(lambda ms: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
month_ends = st.sampled_from(
    [
        datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2025, 1, 31, 10, 15, tzinfo=UTC),
        datetime(2024, 12, 31, tzinfo=UTC),
    ]
)
anchors = instants | month_ends


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "at", "start", "end"),
    [
        (WindowInterval.DAY, utc(2026, 1, 15, 12), utc(2026, 1, 15), utc(2026, 1, 16)),
        (WindowInterval.DAY, utc(2028, 2, 29), utc(2028, 2, 29), utc(2028, 3, 1)),
        (WindowInterval.WEEK, utc(2026, 1, 15, 12), utc(2026, 1, 12), utc(2026, 1, 19)),
        (WindowInterval.WEEK, utc(2026, 1, 18, 23, 59), utc(2026, 1, 12), utc(2026, 1, 19)),
        (WindowInterval.WEEK, utc(2027, 1, 1), utc(2026, 12, 28), utc(2027, 1, 4)),
        (WindowInterval.MONTH, utc(2026, 1, 15, 12), utc(2026, 1, 1), utc(2026, 2, 1)),
        (WindowInterval.MONTH, utc(2028, 2, 29, 12), utc(2028, 2, 1), utc(2028, 3, 1)),
        (WindowInterval.MONTH, utc(2026, 12, 31), utc(2026, 12, 1), utc(2027, 1, 1)),
        (WindowInterval.YEAR, utc(2026, 1, 15, 12), utc(2026, 1, 1), utc(2027, 1, 1)),
        (WindowInterval.YEAR, utc(2028, 12, 31, 23), utc(2028, 1, 1), utc(2029, 1, 1)),
    ],
)
def test_calendar_windows_begin_at_midnight_monday_the_first_and_january(
    interval: WindowInterval, at: datetime, start: datetime, end: datetime
) -> None:
    window = calendar_window(interval, at)

    assert (window.start, window.end) == (start, end)


@pytest.mark.parametrize("interval", list(WindowInterval))
def test_at_exactly_the_end_of_a_calendar_window_the_next_one_is_open(interval: WindowInterval) -> None:
    window = calendar_window(interval, NOON)

    following = calendar_window(interval, window.end)

    assert calendar_window(interval, window.start) == window
    assert calendar_window(interval, window.end - INSTANT) == window
    assert following.start == window.end
    assert window.end not in window
    assert window.end in following


def test_a_calendar_window_is_of_utc_whatever_zone_the_instant_is_written_in() -> None:
    tokyo = timezone(timedelta(hours=9))

    window = calendar_window(WindowInterval.DAY, datetime(2026, 1, 15, 8, 0, tzinfo=tokyo))

    assert window.start == utc(2026, 1, 14)


def test_a_monthly_anniversary_on_the_31st_is_clamped_and_comes_back() -> None:
    anchor = utc(2025, 1, 31, 10, 15)
    boundaries = [anchor]

    while len(boundaries) < 5:
        boundaries.append(anniversary_window(WindowInterval.MONTH, anchor, boundaries[-1]).end)

    assert boundaries == [
        utc(2025, 1, 31, 10, 15),
        utc(2025, 2, 28, 10, 15),
        utc(2025, 3, 31, 10, 15),
        utc(2025, 4, 30, 10, 15),
        utc(2025, 5, 31, 10, 15),
    ]


def test_a_yearly_anniversary_on_the_leap_day_is_clamped_and_comes_back() -> None:
    anchor = utc(2024, 2, 29)
    boundaries = [anchor]

    while len(boundaries) < 5:
        boundaries.append(anniversary_window(WindowInterval.YEAR, anchor, boundaries[-1]).end)

    assert boundaries == [utc(2024, 2, 29), utc(2025, 2, 28), utc(2026, 2, 28), utc(2027, 2, 28), utc(2028, 2, 29)]


@pytest.mark.parametrize(
    ("interval", "step"), [(WindowInterval.DAY, timedelta(days=1)), (WindowInterval.WEEK, timedelta(days=7))]
)
def test_daily_and_weekly_anniversaries_step_by_whole_days_from_the_anchor(
    interval: WindowInterval, step: timedelta
) -> None:
    window = anniversary_window(interval, NOON, NOON + 10 * step + INSTANT)

    assert (window.start, window.end) == (NOON + 10 * step, NOON + 11 * step)


def test_at_exactly_an_anniversary_the_next_window_is_open() -> None:
    anchor = utc(2025, 1, 31, 10, 15)

    before = anniversary_window(WindowInterval.MONTH, anchor, utc(2025, 2, 28, 10, 15) - INSTANT)
    at = anniversary_window(WindowInterval.MONTH, anchor, utc(2025, 2, 28, 10, 15))

    assert (before.start, before.end) == (anchor, utc(2025, 2, 28, 10, 15))
    assert (at.start, at.end) == (utc(2025, 2, 28, 10, 15), utc(2025, 3, 31, 10, 15))


def test_an_instant_before_the_anchor_has_a_window_too() -> None:
    anchor = utc(2025, 3, 31, 10, 15)

    window = anniversary_window(WindowInterval.MONTH, anchor, utc(2025, 3, 1))
    long_before = anniversary_window(WindowInterval.YEAR, utc(2024, 2, 29), utc(2020, 2, 29))

    assert (window.start, window.end) == (utc(2025, 2, 28, 10, 15), anchor)
    assert (long_before.start, long_before.end) == (utc(2020, 2, 29), utc(2021, 2, 28))


@pytest.mark.parametrize("rule", [CREDITS, SEATS, ACCESS, ROLLING_DAY])
def test_what_has_no_windows_has_the_lifetime(rule: Rule) -> None:
    window = window_at(rule, NOON)

    assert window == LIFETIME
    assert (window.start, window.end) == (utc(1970, 1, 1), utc(9999, 12, 31, 23, 59, 59, 999000))


def test_a_rule_finds_its_window_by_calendar_or_by_anchor() -> None:
    by_calendar = Rule(
        type=EntitlementType.METERED_QUOTA, interval=WindowInterval.WEEK, anchor=WindowAnchor.CALENDAR_UTC
    )
    by_anchor = Rule(type=EntitlementType.METERED_QUOTA, interval=WindowInterval.WEEK, anchor=WindowAnchor.ANNIVERSARY)

    assert window_at(by_calendar, NOON).start == utc(2026, 1, 12)
    assert window_at(by_anchor, NOON, anchor_at=utc(2026, 1, 14, 9)).start == utc(2026, 1, 14, 9)


def test_a_rolling_quota_looks_back_24_hours_7_30_or_365_days() -> None:
    spans = {
        interval: rolling_span(Rule(type=EntitlementType.METERED_QUOTA, interval=interval, anchor=WindowAnchor.ROLLING))
        for interval in WindowInterval
    }

    assert spans == {
        WindowInterval.DAY: timedelta(hours=24),
        WindowInterval.WEEK: timedelta(days=7),
        WindowInterval.MONTH: timedelta(days=30),
        WindowInterval.YEAR: timedelta(days=365),
    }


@given(interval=intervals, at=instants)
def test_every_instant_is_in_its_calendar_window_and_the_next_begins_where_it_ends(
    interval: WindowInterval, at: datetime
) -> None:
    window = calendar_window(interval, at)

    assert at in window
    assert (window.start, window.end) == calendar_window_of(interval, at)
    assert calendar_window(interval, window.end).start == window.end
    assert calendar_window(interval, window.start - INSTANT).end == window.start


@given(interval=intervals, anchor=anchors, at=instants)
def test_every_instant_is_in_its_anniversary_window_and_the_next_begins_where_it_ends(
    interval: WindowInterval, anchor: datetime, at: datetime
) -> None:
    window = anniversary_window(interval, anchor, at)

    assert at in window
    assert (window.start, window.end) == anniversary_window_of(interval, anchor, at)
    assert anniversary_window(interval, anchor, window.end).start == window.end
    assert anniversary_window(interval, anchor, window.start - INSTANT).end == window.start


@given(interval=intervals, anchor=anchors, n=st.integers(-200, 200))
def test_boundary_n_is_always_stepped_from_the_anchor(interval: WindowInterval, anchor: datetime, n: int) -> None:
    at = boundary(interval, anchor, n)

    window = anniversary_window(interval, anchor, at)

    assert (window.start, window.end) == (at, boundary(interval, anchor, n + 1))
    if interval in (WindowInterval.MONTH, WindowInterval.YEAR):
        assert window.start.day == anchor.day or (window.start + timedelta(days=1)).day == 1
