"""
Corrections by hand: units given once, or taken from what is left.

A positive correction is a ``correction`` grant; a negative one is a use with reason ``billing.correction`` that takes at most
what is left, so that it never makes overage (section 5 of the entitlement specification).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from billing.engine import keys
from billing.engine.types import MAX_AMOUNT, EntitlementType, GrantKind, SourceType
from billing.entitlements import operations
from billing.entitlements.allowances import Allowance, lock_one
from billing.entitlements.announcements import ChangeSource
from billing.entitlements.grants import REPLENISH, NewGrant, record
from billing.entitlements.ledger import book
from billing.entitlements.manual import ByHand, check_by, note
from billing.entitlements.passing import roll_forward
from billing.entitlements.resolvers import DefinitionInfo, definition_of
from billing.entitlements.scheduled import perform
from billing.entitlements.writing import write
from billing.errors import IdempotencyConflict
from billing.models import BillableEntity
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import Invalid

REASON: Final = "billing.correction"
CORRECTED: Final = "balance.corrected"


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """What was given (``amount`` > 0) or taken (< 0) of what was ``asked``, in units; and the fact that says so."""

    limitation: str
    asked: int
    amount: int
    grant_id: int | None = None
    consumption_id: int | None = None
    replayed: bool = False


def correct(
    entity: BillableEntity, limitation: str, *, amount: int, by: ByHand, now: datetime, operation_key: str
) -> Correction:
    """
    Give ``amount`` units once and for good, or, where it is negative, take as many; at most what is left now.

    The same ``operation_key`` again changes nothing and gives the first answer.

    :raises Invalid: no whole number other than 0; nothing is left to take; units are taken of what has none to take.
    :raises LimitNotConfigured: no such active definition. :raises IdempotencyConflict: the key came with other content.
    """
    info = definition_of(limitation)
    check_by(by)
    _check_amount(info, amount)
    key = operations.check_key(operation_key)
    content = keys.fingerprint({"correct": limitation, "amount": amount})

    def work() -> Correction:
        allowance = lock_one(entity.pk, info, now=now)
        stored = operations.find(entity.pk, key, content)
        if stored is not None:
            return Correction(**stored.result, replayed=True)
        made = (
            _give(entity, info, amount, by=by, now=now, key=key) if amount > 0 else _take(allowance, -amount, by, key)
        )
        plain = _plain(made)
        operations.store(entity.pk, key, content, capability=REASON, status_code=200, result=plain, now=now)
        note(entity, CORRECTED, by=by, now=now, payload={**plain, "key": key})
        return made

    return perform(work, now=now)


@requires_transaction
def _give(
    entity: BillableEntity, info: DefinitionInfo, amount: int, *, by: ByHand, now: datetime, key: str
) -> Correction:
    grant = NewGrant(
        info=info,
        amount=amount,
        kind=GrantKind.CORRECTION,
        replenish=REPLENISH[GrantKind.CORRECTION],
        effective_at=now,
        source_type=SourceType.MANUAL_CONSOLE,
        source_id=by.actor,
        operation_key=key,
        dedupe_key=keys.manual_grant_key(key, info.id, entity.pk),
        metadata={"reason": by.reason},
    )
    recorded = record(entity.pk, new=[grant], now=now)
    if not recorded.inserted:
        raise IdempotencyConflict("This key was used before for another request.", details={"key": key})
    return Correction(limitation=info.code, asked=amount, amount=amount, grant_id=recorded.inserted[0])


@requires_transaction
def _take(allowance: Allowance, asked: int, by: ByHand, key: str) -> Correction:
    roll_forward([allowance])
    row = allowance.row
    if row.is_unlimited or row.effective_amount is None:
        raise _invalid("It is unlimited now: taking units would change nothing. End the unlimited grant instead.")
    units = min(asked, max(0, row.effective_amount))
    if units == 0:
        raise _invalid("Nothing is left that could be taken; a correction never makes a customer owe units.")
    booking, allocations = book(
        allowance,
        units,
        occurred_at=allowance.at,
        reason_code=REASON,
        operation_key=key,
        metadata={"actor": by.actor, "reason": by.reason, "asked": asked},
    )
    write([allowance], allocations=allocations, source=ChangeSource.MANUAL_REFRESH)
    return Correction(
        limitation=allowance.info.code, asked=-asked, amount=-units, consumption_id=booking.consumption_id
    )


def _check_amount(info: DefinitionInfo, amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount == 0 or abs(amount) > MAX_AMOUNT:
        raise _invalid("Must be a whole number other than 0.")
    if info.rule.type is EntitlementType.STATE and amount != 1:
        raise _invalid("A state is corrected with 1; to take it away, end its grant.")
    if amount < 0 and not info.rule.is_consumable:
        raise _invalid("A capacity counts what is there, so no units can be taken; end a grant instead.")


def _invalid(rule: str) -> Invalid:
    return Invalid(rule, field_errors={"amount": [rule]})


def _plain(made: Correction) -> dict[str, Any]:
    return {name: value for name, value in asdict(made).items() if name != "replayed"}
