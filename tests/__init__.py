"""The tests of the core; their folders mirror the source. ``NOON`` is the time it is in most of them."""

from datetime import UTC, datetime

NOON = datetime(2026, 2, 21, 12, 0, tzinfo=UTC)
