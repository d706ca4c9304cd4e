"""
Guessing of passwords is made slow: whoever was wrong too often waits, for that name and from that address.

Counted in this process alone and in a bounded room: with several processes somebody may try that many times more often, which is
still far from enough, and the sign-in needs no table and no cache. Nobody elsewhere is kept out by it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from mozaiks.kit import clock
from mozaiks.kit.errors import LimitReached
from mozaiks.kit.pages import refusal_page

#: How often somebody may be wrong within so many seconds, and how many names from addresses are remembered.
MOST: Final = 10
SECONDS: Final = 300.0
REMEMBERED: Final = 10_000
#: No name of a user is longer.
LONGEST_NAME: Final = 150

Key = tuple[str, str]
View = Callable[..., HttpResponseBase]


class Guesses:
    """Wrong sign-ins by name and address. Any thread may ask."""

    def __init__(self) -> None:
        self._times: OrderedDict[Key, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: Key) -> int:
        """How many seconds until ``key`` may try again; 0 is now."""
        with self._lock:
            times = self._times.get(key)
            if times is None or len(times) < MOST:
                return 0
            return max(0, ceil(times[0] + SECONDS - clock.monotonic()))

    def count(self, key: Key) -> None:
        """Somebody was wrong. What was counted longest ago makes room."""
        with self._lock:
            self._times.setdefault(key, deque(maxlen=MOST)).append(clock.monotonic())
            self._times.move_to_end(key)
            if len(self._times) > REMEMBERED:
                self._times.popitem(last=False)

    def forget(self, key: Key | None = None) -> None:
        """Somebody knew the password; None begins anew for all."""
        with self._lock:
            if key is None:
                self._times.clear()
            else:
                self._times.pop(key, None)


GUESSES: Final = Guesses()


def guarded(sign_in: View) -> View:
    """A page to sign in that answers 429 with ``Retry-After`` to whoever was wrong too often, whatever the password is now."""

    @wraps(sign_in)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method != "POST":
            return sign_in(request, *args, **kwargs)
        key = _key(request)
        wait = GUESSES.wait(key)
        if wait:
            said = "That name was tried too often with a wrong password. Try again later."
            return refusal_page(
                request, LimitReached(said, code="TOO_MANY_ATTEMPTS", headers={"Retry-After": str(wait)})
            )
        answered = sign_in(request, *args, **kwargs)
        if answered.status_code == 200:  # the form again: it was wrong
            GUESSES.count(key)
        else:
            GUESSES.forget(key)
        return answered

    return answer


def _key(request: HttpRequest) -> Key:
    name = request.POST.get("username", "").strip().casefold()[:LONGEST_NAME]
    return name, str(request.META.get("REMOTE_ADDR", ""))
