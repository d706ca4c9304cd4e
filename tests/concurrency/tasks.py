"""What one process of a crowd does: tries, one after the other, each with its outcome."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.keys import random_key
from billing.entitlements import sql
from billing.entitlements.holds import hold
from billing.errors import CapacityLocked, LimitExceeded
from billing.limits import execute_with_entitlement_consumption
from billing.models import BillableEntity
from tests import NOON
from tests.gadgets.limits import CHARGE, PRESS, PULSE, TAKE_PLACE
from tests.gadgets.models import Place, Press

CAPABILITIES = {"metered": PRESS, "balance": CHARGE, "rolling": PULSE, "capacity": TAKE_PLACE}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: ``done``, ``replayed`` or ``refused``; the answer is equal for equal keys."""

    key: str
    kind: str
    answer: Any = None


def race(what: str, entity_id: int, keys: Sequence[str], now: datetime = NOON, *, keyed: bool = True) -> list[Outcome]:
    """One try per key."""
    entity = BillableEntity.objects.get(pk=entity_id)
    attempt = _hold if what == "hold" else _execute
    return [attempt(what, entity, key, now, keyed) for key in keys]


def _execute(what: str, entity: BillableEntity, key: str, now: datetime, keyed: bool) -> Outcome:
    def act() -> dict[str, int]:
        if what == "capacity":
            return {"row": Place.objects.create(entity=entity, name=key, created_at=now).pk}
        return {"row": Press.objects.create(entity=entity, key=key, created_at=now).pk}

    try:
        done = execute_with_entitlement_consumption(
            entity, CAPABILITIES[what], action=act, now=now, operation_key=key if keyed else None
        )
    except (LimitExceeded, CapacityLocked):
        return Outcome(key, "refused")
    return Outcome(key, "replayed" if done.replayed else "done", done.answer)


def _hold(what: str, entity: BillableEntity, key: str, now: datetime, keyed: bool) -> Outcome:
    try:
        view = hold(entity, CHARGE, amount=1, now=now, operation_key=key if keyed else None)
    except LimitExceeded:
        return Outcome(key, "refused")
    return Outcome(key, "replayed" if view.replayed else "done", view.id)


def race_without_lock(what: str, entity_id: int, keys: Sequence[str]) -> list[Outcome]:
    """The same race with an engine that forgot to lock: it must be caught."""
    locked = sql.lock_newest(sqlite=False)
    sql.lock_newest = lambda *, sqlite: locked.replace(" FOR UPDATE", "")  # type: ignore[assignment]
    return race(what, entity_id, keys)


def race_with_stale_count(entity_id: int, keys: Sequence[str]) -> list[Outcome]:
    """A capacity whose count is taken before the lock."""
    from billing.entitlements import capacity

    counts: Callable[..., int] = capacity.count
    entity = BillableEntity.objects.get(pk=entity_id)
    outcomes = []
    for key in keys:
        early = counts(entity, _places())
        capacity.count = lambda *_: early  # noqa: B023 - called before the next turn
        outcomes.append(_execute("capacity", entity, key, NOON, True))
    return outcomes


def _places() -> Any:
    from billing.entitlements.resolvers import definition_of
    from tests.gadgets.limits import PLACES

    return definition_of(PLACES)


def press_for_ever(entity_id: int, name: str, acknowledgements: str) -> None:
    """Press until killed; note every key whose press was acknowledged, and nothing else."""
    entity = BillableEntity.objects.get(pk=entity_id)
    descriptor = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in range(100_000):
        key = f"{name}-{number}-{random_key()[-6:]}"
        os.write(descriptor, f"tried {key}\n".encode())
        outcome = _execute("metered", entity, key, NOON, True)
        os.write(descriptor, f"{outcome.kind} {key}\n".encode())
        time.sleep(random.uniform(0, 0.002))


def tell_all(entity_id: int, seed: int) -> int:
    """Tell of one payment by three events, of two refunds and of a dispute that is won, twice, until all could be tied."""
    from billing.payments.connectors.facts import DisputeState
    from billing.payments.purchases import NotYetTied
    from tests.payments import support

    entity = BillableEntity.objects.get(pk=entity_id)
    payments = [
        support.paid(session_id="cs_1"),
        support.paid(invoice_id="in_1"),
        support.paid(amount_minor=None, invoice_id="in_1"),
    ]
    others = [
        support.refunded(250, "re_1"),
        support.refunded(150, "re_2"),
        support.disputed(DisputeState.OPENED),
        support.disputed(DisputeState.WON),
    ]
    waiting: list[Any] = (payments + others) * 2
    random.Random(seed).shuffle(waiting)
    while waiting:
        fact = waiting.pop(0)
        try:
            support.confirm(fact, entity) if fact in payments else support.tell(fact)
        except NotYetTied:
            waiting.append(fact)
    return support.confirm(payments[0], entity).purchase.pk
