"""What goes wrong on demand: the next call to a door fails in the way that was asked for."""

from __future__ import annotations

from enum import StrEnum

from billing.payments.fake.store import Store


class FaultKind(StrEnum):
    """
    ``down``: not reached, nothing done. ``lost``: done, and the answer lost. ``error``: a 500, nothing done. ``busy``: a 429.
    ``nonsense``: done, and answered with no JSON. ``delay``: answered late.
    """

    DOWN = "down"
    LOST = "lost"
    ERROR = "error"
    BUSY = "busy"
    NONSENSE = "nonsense"
    DELAY = "delay"


def plant(store: Store, kind: FaultKind, *, door: str = "", times: int = 1, seconds: float = 0.0) -> None:
    """Let the next ``times`` calls whose ``METHOD /path`` begins with ``door`` go wrong."""
    for _ in range(times):
        store.rows("INSERT INTO faults (kind, door, seconds) VALUES (?, ?, ?)", kind.value, door, seconds)


def next_fault(store: Store, door: str) -> tuple[FaultKind, float] | None:
    """The fault that is due at ``door``, which then is over."""
    with store.writing():
        for number, kind, planted, seconds in store.rows(
            "SELECT number, kind, door, seconds FROM faults ORDER BY number"
        ):
            if door.startswith(planted):
                store.rows("DELETE FROM faults WHERE number = ?", number)
                return FaultKind(kind), seconds
    return None


def clear(store: Store) -> None:
    """Nothing goes wrong any more."""
    store.rows("DELETE FROM faults")
