"""What the processes of the webhook tests do: receive, process, die at a chosen point or at any moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from billing.models import BillableEntity
from billing.payments import handlers, inbox, webhooks
from billing.payments.connectors.signing import sign_stripe
from tests import NOON
from tests.payments import talking

#: Where a process may die on the way of an event, and the function after which it does.
POINTS = {
    "stored": (inbox, "store"),
    "claimed": (inbox, "claim"),
    "handled": (webhooks, "handle"),
    "stamped": (inbox, "stamp"),
    "committed": (webhooks, "perform"),
    "failed": (inbox, "fail"),
}


def receive_and_die(entity_id: int, point: str, name: str, payment: str) -> None:
    """Receive an event and process it, and be killed right after ``point``."""
    talking.listen()
    module, function = POINTS[point]
    setattr(module, function, then_die(getattr(module, function)))
    key = talking.told(name, {"fact": payment, "entity": entity_id})
    webhooks.process(key, now=NOON)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def last(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


def receive(entity_id: int, names: list[str]) -> list[bool]:
    """Receive events that others receive too; which of them were new."""
    talking.listen()
    fresh = []
    for name in names:
        body = talking.body_of(name, talking.paid(BillableEntity(pk=entity_id)))
        received = webhooks.receive(talking.PROVIDER, body, sign_stripe(body, secret=talking.SECRET, at=NOON), now=NOON)
        webhooks.process(received.event_id, now=NOON)
        fresh.append(received.fresh)
    return fresh


def work_for_ever(now: datetime, lease: timedelta) -> None:
    """Do what is due until killed, a little slower than a machine would, so that the kill meets it anywhere."""
    talking.listen()
    inbox.claim = partial(inbox.claim, lease=lease)
    setattr(webhooks, "handle", _slowly)  # noqa: B010 - imported there, which is none of its exports
    begun = time.monotonic()
    while True:
        _work(now + timedelta(seconds=time.monotonic() - begun))


def _slowly(*args: Any, **kwargs: Any) -> str:
    time.sleep(0.002)
    return handlers.handle(*args, **kwargs)


def work_until_empty(now: datetime, lease: timedelta, patience: float = 1.0) -> int:
    """Do what is due until nothing was for ``patience`` seconds; returns how many events this process did."""
    talking.listen()
    inbox.claim = partial(inbox.claim, lease=lease)
    begun, idle_since, done = time.monotonic(), time.monotonic(), 0
    while time.monotonic() - idle_since < patience:
        number = _work(now + timedelta(seconds=time.monotonic() - begun))
        done += number
        if number:
            idle_since = time.monotonic()
        else:
            time.sleep(0.02)
    return done


def _work(now: datetime) -> int:
    tried = [webhooks.process(key, now=now) for key in webhooks.due(now=now, limit=10)]
    return sum(outcome.status is not None for outcome in tried)
