"""Processes that begin at the same moment, and what they bring back."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import quote

from django.conf import settings

CONTEXT = multiprocessing.get_context("forkserver")
PATIENCE_SECONDS = 60


def database_url() -> str:
    """The database this test run made, as other processes must name it."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    name, password = quote(database["USER"]), quote(database["PASSWORD"])
    who = f"{name}:{password}" if password else name
    return f"mysql://{who}@{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 3306}/{database['NAME']}"


@contextmanager
def server_of_forks() -> Iterator[None]:
    """Start the process that has Django ready and that all others are forked from."""
    before = dict(os.environ)
    os.environ["TEST_DATABASE_URL"] = database_url()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    CONTEXT.set_forkserver_preload(["tests.concurrency.ready"])
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    try:
        yield
    finally:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]


def all_at_once(task: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run ``task(*job)`` in a process for each job, all from the same moment; what they returned, in order."""
    crowd = start(task, jobs)
    try:
        return [member.result() for member in crowd]
    finally:
        for member in crowd:
            member.end()


class ProcessFailed(AssertionError):
    """A process raised; its traceback is the message."""


class Member:
    """One process of a crowd."""

    def __init__(self, task: Callable[..., Any], job: tuple[Any, ...], start: Any) -> None:
        self._receiver, sender = CONTEXT.Pipe(duplex=False)
        self._start = start  # whose semaphores are gone when nobody here keeps it
        self.process = CONTEXT.Process(target=_work, args=(sender, start, task, job), daemon=True)
        self.process.start()
        sender.close()

    def result(self) -> Any:
        """What the task returned. :raises AssertionError: it failed or took too long."""
        assert self._receiver.poll(PATIENCE_SECONDS), "a process took too long"
        worked, value = self._receiver.recv()
        if not worked:
            raise ProcessFailed(value)
        return value

    def end(self) -> None:
        """Make sure that nothing is left of it."""
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def start(task: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Member]:
    """The crowd, running."""
    barrier = CONTEXT.Barrier(len(jobs))
    return [Member(task, job, barrier) for job in jobs]


def _work(sender: Connection, start: Any, task: Callable[..., Any], job: tuple[Any, ...]) -> None:
    from django.db import connection

    try:
        connection.ensure_connection()
        start.wait(timeout=PATIENCE_SECONDS)
        answer = (True, task(*job))
    except BaseException:
        answer = (False, traceback.format_exc())
        start.abort()
    finally:
        connection.close()
    sender.send(answer)
    sender.close()
