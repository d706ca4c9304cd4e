"""What publishing does to any row: compare, change, and move its time of change on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model


def values_of(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """What the row says in the fields ``names``."""
    return {name: getattr(row, name) for name in names}


def change(row: Model, values: Mapping[str, Any]) -> list[str]:
    """Give the row ``values`` and answer the names of the fields that were different."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return changed


def moved_on(updated_at: datetime, *, now: datetime) -> datetime:
    """The next ``updated_at``: ``now``, or a millisecond on, so that no change goes unseen by who compares it."""
    return max(now, updated_at + timedelta(milliseconds=1))
