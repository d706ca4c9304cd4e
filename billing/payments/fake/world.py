"""The fake provider's world: objects with ids, a clock that can be moved, and events of what happened."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from billing.payments.fake.store import Data, Store

#: What a price is found to be: fields of Stripe's object beside its id.
PriceFinder = Callable[[str], Data | None]
VERSION: Final = "2026-08-26.dahlia"
OLDER_VERSION: Final = "2022-08-01"
SHIFT: Final = "shift_seconds"


class Refused(Exception):
    """What Stripe answers with an error: its status, kind, code and sentence."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """How the account is set up. ``retries``: days after a failed charge on which it is tried again; then ``gives_up``."""

    invoices_after: timedelta = timedelta(0)
    retry_days: tuple[int, ...] = (3, 5, 7)
    gives_up: str = "canceled"
    older_api: bool = False


@dataclass(kw_only=True)
class World:
    """``clock`` tells real time; the provider's own is shifted against it by :meth:`move_to`."""

    store: Store
    clock: Callable[[], datetime]
    find_price: PriceFinder = lambda price_id: None
    habits: Habits = field(default_factory=Habits)
    base_url: str = "https://pay.example.org"
    older: Callable[[World, Data], Data] = lambda world, data: data
    _at: datetime | None = None

    def now(self) -> datetime:
        if self._at is not None:
            return self._at
        return self.clock() + timedelta(seconds=float(self.store.setting(SHIFT, "0")))

    def seconds(self) -> int:
        return int(self.now().timestamp())

    @contextmanager
    def at(self, instant: datetime) -> Iterator[None]:
        """Let what happens inside happen then."""
        before, self._at = self._at, instant
        try:
            yield
        finally:
            self._at = before

    def move_to(self, instant: datetime) -> None:
        """From here on it is ``instant``, and time goes on from there."""
        self.store.set(SHIFT, str((instant - self.clock()).total_seconds()))

    def make(self, prefix: str, kind: str, fields: Mapping[str, Any]) -> Data:
        """A new object; its id is never given twice, not even after the file was deleted."""
        identity = f"{prefix}_{secrets.token_hex(12)}"
        base = {"id": identity, "object": kind, "created": self.seconds(), "livemode": False, "metadata": {}}
        return self.store.put({**base, **fields})

    def get(self, kind: str, identity: str, *, param: str = "id") -> Data:
        """:raises Refused: there is no such object."""
        found = self.store.get(identity)
        if found is None or found["object"] != kind:
            name = kind.replace("_", " ").replace("checkout.session", "checkout session")
            raise Refused(404, f"No such {name}: '{identity}'", code="resource_missing", param=param)
        return found

    def emit(self, name: str, data: Data, *, previous: Data | None = None) -> str:
        """Tell the world; events are numbered in the order in which things happened."""
        self.store.rows("INSERT INTO events DEFAULT VALUES")
        number = self.store.rows("SELECT MAX(number) FROM events")[0][0]
        identity = f"evt_{number:010d}{secrets.token_hex(6)}"
        older = self.habits.older_api
        body = {
            "id": identity,
            "object": "event",
            "type": name,
            "created": self.seconds(),
            "api_version": OLDER_VERSION if older else VERSION,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "data": {
                "object": self.older(self, data) if older else data,
                **({"previous_attributes": previous} if previous else {}),
            },
        }
        self.store.rows("UPDATE events SET id = ?, body = ? WHERE number = ?", identity, json.dumps(body), number)
        return identity


def listing(found: list[Data], url: str = "/v1/things") -> Data:
    """One of Stripe's lists."""
    return {"object": "list", "data": found, "has_more": False, "url": url}


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def with_metadata(data: Data, given: Any) -> Data:
    """Metadata are merged; an empty text takes one away."""
    if not isinstance(given, dict):
        return data
    merged = {**data["metadata"], **given}
    return {**data, "metadata": {key: value for key, value in merged.items() if value != ""}}
