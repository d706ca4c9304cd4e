"""Which period of a price follows which."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.periods import anchor_of, next_boundary, per_month
from billing.engine.types import WindowInterval

DAY, WEEK, MONTH, YEAR = WindowInterval


def utc(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 10, 15, tzinfo=UTC)


def chain(interval: WindowInterval, count: int, anchor: datetime, number: int) -> list[datetime]:
    """The boundaries after the anchor, each found from the one before."""
    found = [anchor]
    for _ in range(number):
        found.append(next_boundary(interval, count, anchor, found[-1]))
    return found[1:]


@pytest.mark.parametrize(
    ("interval", "count", "anchor", "boundaries"),
    [
        (MONTH, 1, utc(2025, 1, 31), [utc(2025, 2, 28), utc(2025, 3, 31), utc(2025, 4, 30)]),
        (MONTH, 3, utc(2024, 11, 30), [utc(2025, 2, 28), utc(2025, 5, 30), utc(2025, 8, 30)]),
        (YEAR, 1, utc(2024, 2, 29), [utc(2025, 2, 28), utc(2026, 2, 28), utc(2027, 2, 28), utc(2028, 2, 29)]),
        (WEEK, 2, utc(2026, 2, 21), [utc(2026, 3, 7), utc(2026, 3, 21)]),
        (DAY, 10, utc(2026, 2, 21), [utc(2026, 3, 3), utc(2026, 3, 13)]),
    ],
)
def test_periods_are_counted_from_the_anchor(
    interval: WindowInterval, count: int, anchor: datetime, boundaries: list[datetime]
) -> None:
    assert chain(interval, count, anchor, len(boundaries)) == boundaries


@pytest.mark.parametrize(
    ("start", "end", "said", "anchor"),
    [
        (utc(2025, 1, 31), utc(2025, 2, 28), None, utc(2025, 1, 31)),
        (utc(2025, 2, 28), utc(2025, 3, 31), None, utc(2025, 3, 31)),
        (utc(2025, 4, 30), utc(2025, 5, 30), utc(2025, 1, 30), utc(2025, 1, 30)),
        (utc(2025, 2, 28), utc(2025, 3, 28), utc(2025, 1, 31), utc(2025, 2, 28)),
        (utc(2025, 1, 10), utc(2025, 1, 17), None, utc(2025, 1, 17)),
    ],
)
def test_the_anchor_of_a_period_comes_to_its_end(
    start: datetime, end: datetime, said: datetime | None, anchor: datetime
) -> None:
    assert anchor_of(MONTH, 1, start, end, said=said) == anchor


@given(
    interval=st.sampled_from(WindowInterval),
    count=st.integers(1, 6),
    days=st.integers(0, 1500),
    later=st.integers(-400, 4000),
)
def test_the_next_boundary_is_later_and_none_lies_between(
    interval: WindowInterval, count: int, days: int, later: int
) -> None:
    anchor = utc(2024, 1, 1) + timedelta(days=days)
    after = anchor + timedelta(days=later, seconds=1)

    found = next_boundary(interval, count, anchor, after)

    assert found > after
    assert next_boundary(interval, count, anchor, found - timedelta(seconds=1)) == found
    assert next_boundary(interval, count, anchor, after - timedelta(seconds=1)) <= found
    assert anchor_of(interval, count, anchor, found) == anchor


def test_prices_are_compared_by_the_month_exactly() -> None:
    assert per_month(12_000, YEAR, 1) == 1000
    assert per_month(3000, MONTH, 3) == 1000
    assert per_month(300, WEEK, 1) == 1300
    assert per_month(100, DAY, 7) == Fraction(36500, 84)
    assert per_month(1000, YEAR, 1) != per_month(83, MONTH, 1)
