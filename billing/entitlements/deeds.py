"""
What an operator does once: a form that was sent twice is one deed, and every deed says who did it and why.

Deeds that have a key of their own in the ledger (grants, corrections) are in ``manual`` and ``corrections``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from billing.engine.keys import fingerprint
from billing.entitlements import operations
from billing.entitlements.balances import recompute
from billing.entitlements.manual import ByHand, check_by, note
from billing.entitlements.reversals import Reversal, reverse
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity

REVERSED: Final = "use.reversed"
RECOMPUTED: Final = "balances.recomputed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """The answer of a deed; ``replayed`` where it had been done before."""

    answer: Any
    replayed: bool = False


def once(
    entity: BillableEntity,
    name: str,
    *,
    operation_key: str,
    content: Mapping[str, Any],
    work: Callable[[], Any],
    now: datetime,
) -> Deed:
    """
    Do ``work`` in one transaction with its key; the same key again gives the first answer, and nothing is done.

    ``work`` returns JSON. Nothing is locked before the key is looked up: of two at once the second finds the key taken when it
    stores its own, is rolled back, and runs again.

    :raises IdempotencyConflict: the key came with other ``content``. :raises Invalid: it is no key.
    """
    key = operations.check_key(operation_key)
    told = fingerprint({"deed": name, **content})

    def attempt() -> Deed:
        stored = operations.find(entity.pk, key, told)
        if stored is not None:
            return Deed(answer=stored.result, replayed=True)
        answer = work()
        operations.store(entity.pk, key, told, capability=name, status_code=200, result=answer, now=now)
        return Deed(answer=answer)

    return perform(attempt, now=now)


def reverse_by_hand(
    entity: BillableEntity,
    consumption_id: int,
    *,
    by: ByHand,
    now: datetime,
    operation_key: str,
    amount: int | None = None,
) -> Reversal:
    """Take a use back, whole (None) or in part, and say who did it and why. Errors: ``reversals.reverse``."""
    check_by(by)

    def work() -> Reversal:
        made = reverse(entity, consumption_id, amount=amount, now=now, operation_key=operation_key)
        if not made.replayed:
            payload = {
                "consumption": consumption_id,
                "reversal": made.consumption_id,
                "amount": made.amount,
                "forfeited": made.forfeited,
                "key": operation_key,
            }
            note(entity, REVERSED, by=by, now=now, payload=payload)
        return made

    return perform(work, now=now)


def recompute_by_hand(entity: BillableEntity, *, by: ByHand, now: datetime, operation_key: str) -> Deed:
    """Rebuild every balance of a customer from the facts; the answer has the number of ``rows``."""
    check_by(by)

    def work() -> dict[str, int]:
        rows = recompute(entity, now=now)
        note(entity, RECOMPUTED, by=by, now=now, payload={"rows": rows, "key": operation_key})
        return {"rows": rows}

    return once(entity, RECOMPUTED, operation_key=operation_key, content={}, work=work, now=now)
