"""What browsers would hear: events as they would be sent after the commit, in the order of the commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connection

from realtime import publisher
from realtime.topics import Event


@contextmanager
def heard() -> Iterator[list[Event]]:
    """The events of what is done inside; in a test's own transaction the hooks of its commit run at the end of the block."""
    events: list[Event] = []

    def hear(event: Event | Callable[[], Event | None]) -> None:
        composed = event() if callable(event) else event
        if composed is not None:
            events.append(composed)

    with mock.patch.object(publisher, "publish", hear):
        connection.run_on_commit.clear()
        yield events
        for hook in tuple(connection.run_on_commit):
            hook[1]()
        connection.run_on_commit.clear()


def told(events: list[Event]) -> list[tuple[str, list[str]]]:
    """Source and codes of each."""
    return [(event.payload["changeSource"], event.payload["changedCodes"]) for event in events]
