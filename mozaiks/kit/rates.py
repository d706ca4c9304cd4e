"""How often something may happen in this process; what is counted is forgotten with the process."""

from __future__ import annotations

import threading
from collections import deque

from mozaiks.kit import clock


class Rate:
    """At most ``most`` times in any ``seconds``. Any thread may ask."""

    def __init__(self, *, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._times: deque[float] = deque(maxlen=most)
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Count one more; False where that is too many, and then it is not counted."""
        now = clock.monotonic()
        with self._lock:
            if len(self._times) == self.most and now - self._times[0] < self.seconds:
                return False
            self._times.append(now)
            return True

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._times.clear()
