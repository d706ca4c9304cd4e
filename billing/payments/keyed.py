"""
Keyed writes that ask a provider and keep their answer in ``billing_operations``: plan changes and payment methods.

The provider is asked outside the transaction, under a key that follows from ours, so that of two at once both ask for the
same thing and the second finds the first's answer when it stores its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from billing.engine.keys import fingerprint
from billing.entitlements import operations
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity
from billing.payments.idempotency import Answer
from mozaiks.kit.commands import Command
from mozaiks.kit.db import run_in_transaction

T = TypeVar("T")


def perform_once(
    entity: BillableEntity,
    door: str,
    command: Command,
    *,
    ask: Callable[[str], T],
    keep: Callable[[T], Answer],
    now: datetime,
) -> Answer:
    """
    The answer of ``keep``, written in one transaction with what it does; the same key again gives the stored answer.

    ``ask`` runs before, outside a transaction, and gets the key a provider is to be called with; ``keep`` gets what it found
    out. What either refuses is not stored; a repeat asks the provider with the same key, which knows whether it was done.

    :raises IdempotencyConflict: the key came with other content.
    """
    key = operations.check_key(command.operation_key or "")

    def stored() -> Answer | None:
        found = operations.find(entity.pk, key, command.fingerprint)
        return None if found is None else Answer(status_code=found.status_code, body=found.result, replayed=True)

    def finish() -> Answer:
        first = stored()
        if first is not None:
            return first
        answer = keep(found_out)
        told = {"status_code": answer.status_code, "result": answer.body, "now": now}
        operations.store(entity.pk, key, command.fingerprint, capability=door, **told)
        return answer

    before = run_in_transaction(stored)
    if before is not None:
        return before
    found_out = ask(_provider_key(entity, command))
    return perform(finish, now=now)


def _provider_key(entity: BillableEntity, command: Command) -> str:
    told = {"entity": entity.pk, "key": command.operation_key, "content": command.fingerprint}
    return f"mzk-{fingerprint(told)[:40]}"
