"""Instants on the wire: UTC with milliseconds and ``Z``, and nothing else."""

from datetime import UTC, datetime


def utc_z(instant: datetime) -> str:
    """
    Write an instant as ``2026-02-21T12:34:56.000Z``.

    :raises ValueError: for a naive datetime, whose zone would be a guess.
    """
    if instant.tzinfo is None:
        raise ValueError(f"a naive datetime has no place on the wire: {instant!r}")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """
    Read an ISO 8601 instant; a date alone is its midnight and a missing zone is UTC.

    :raises ValueError: when ``text`` is no such instant.
    """
    instant = datetime.fromisoformat(text.strip())
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the instant lies beyond the calendar") from error


def spoken(instant: datetime) -> str:
    """
    An instant as people read it: ``2026-02-21 12:34 UTC``.

    :raises ValueError: for a naive datetime, whose zone would be a guess.
    """
    if instant.tzinfo is None:
        raise ValueError(f"a naive datetime has no place in a sentence: {instant!r}")
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
