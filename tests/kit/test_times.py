"""Instants on the wire and from the clock."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine

from mozaiks.kit import clock
from mozaiks.kit.times import parse_utc, utc_z
from tests import NOON


def test_instants_have_milliseconds_and_z() -> None:
    assert utc_z(NOON) == "2026-02-21T12:00:00.000Z"
    assert utc_z(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-02-21T12:00:00.000Z"
    assert utc_z(NOON + timedelta(microseconds=123_999)) == "2026-02-21T12:00:00.123Z"


def test_naive_datetimes_are_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        utc_z(datetime(2026, 2, 21))  # noqa: DTZ001


@pytest.mark.parametrize("text", ["2026-02-21T12:00:00.000Z", "2026-02-21T12:00:00", "2026-02-21T14:00:00+02:00"])
def test_instants_are_read_with_and_without_zone(text: str) -> None:
    assert parse_utc(text) == NOON


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_instants_that_no_calendar_has_in_utc_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="beyond the calendar"):
        parse_utc(text)


def test_a_date_is_its_midnight() -> None:
    assert parse_utc("2026-02-21") == datetime(2026, 2, 21, tzinfo=UTC)


def test_the_clock_is_cut_to_milliseconds() -> None:
    with time_machine.travel(NOON + timedelta(microseconds=123_999), tick=False):
        assert clock.now() == NOON + timedelta(milliseconds=123)
