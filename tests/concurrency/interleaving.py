"""
Two connections, the first stopped before each of its statements in turn while the second runs as far as it can.

Random load misses some orders; this misses none of them for a pair of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from django.db import connection

#: How long the second may run before it is taken to wait for the first.
WAITING_SECONDS = 0.03
PATIENCE_SECONDS = 20
#: No operation has as many statements: stopping here is not stopping.
LAST_STOP = 1000
_NO_STOP = ("SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")

Operation = Callable[[], Any]


@dataclass(slots=True)
class _Runner:
    """An operation in a thread with a connection of its own, stopped before statement ``stop_at`` (from 0)."""

    operation: Operation
    stop_at: int | None = None
    value: Any = None
    failure: BaseException | None = None
    stopped: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)
    was_stopped: bool = False
    seen: int = 0

    def start(self) -> Thread:
        thread = Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            with connection.execute_wrapper(self._watch):
                self.value = self.operation()
        except BaseException as error:
            self.failure = error
        finally:
            self.stopped.set()
            connection.close()

    def _watch(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(_NO_STOP):
            if self.seen == self.stop_at:
                self.was_stopped = True
                self.stopped.set()
                self.go.wait(PATIENCE_SECONDS)
            self.seen += 1
        return execute(sql, params, many, context)


@dataclass(frozen=True, slots=True)
class Meeting:
    """How two operations ended; ``stop`` is the statement the first was stopped at, None where it had ended before."""

    first: Any
    second: Any
    stop: int | None


def meet(first: Operation, second: Operation, *, stop_at: int, waiting_seconds: float = WAITING_SECONDS) -> Meeting:
    """Stop ``first`` before its statement number ``stop_at``, let ``second`` run until it ends or waits, let both end."""
    one, other = _Runner(first, stop_at=stop_at), _Runner(second)
    one_thread = one.start()
    if stop_at < LAST_STOP:
        assert one.stopped.wait(PATIENCE_SECONDS), "the first operation neither stopped nor ended"
    stop = stop_at if one.was_stopped else None
    other_thread = other.start()
    other_thread.join(waiting_seconds)
    one.go.set()
    for thread in (one_thread, other_thread):
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "an operation never ended"
    for runner in (one, other):
        if runner.failure is not None:
            raise runner.failure
    return Meeting(one.value, other.value, stop)


def every_stop(
    prepare: Callable[[], tuple[Operation, Operation]],
    *,
    first: int = 0,
    step: int = 1,
    waiting_seconds: float = WAITING_SECONDS,
) -> Iterator[Meeting]:
    """Meet at statement ``first``, ``first + step``, … of the first operation, each time on what ``prepare`` made anew."""
    for stop_at in range(first, LAST_STOP, step):
        one, other = prepare()
        meeting = meet(one, other, stop_at=stop_at, waiting_seconds=waiting_seconds)
        if meeting.stop is None:
            return
        yield meeting
