"""A list of those who want to hear of something: how a lower floor calls an upper one without knowing it."""

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """Called in the order of registration, in the caller's transaction; what one raises reaches the caller."""

    def __init__(self) -> None:
        self._listeners: list[Callable[P, None]] = []

    def register(self, listener: Callable[P, None]) -> Callable[P, None]:
        """Add ``listener``, once however often it is registered; usable as a decorator."""
        if listener not in self._listeners:
            self._listeners.append(listener)
        return listener

    def unregister(self, listener: Callable[P, None]) -> None:
        self._listeners.remove(listener)

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for listener in tuple(self._listeners):
            listener(*args, **kwargs)
