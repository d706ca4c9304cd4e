"""
Reads the clock; nothing else in the house does.

Only doors (views, commands, the admin, workers) call :func:`now`, once, and pass it on.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware UTC, cut to whole milliseconds as the wire and the databases keep it."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def monotonic() -> float:
    """Seconds that never run backwards; for measuring how long something takes."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Let ``seconds`` pass."""
    time.sleep(seconds)
