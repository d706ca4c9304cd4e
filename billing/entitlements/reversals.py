"""
Take a use back, whole or in part.

First from the use's overage -- what is unpaid in its window, then back to the lots of that window's settlements --, then from
its shares, last-taken first. To a lot outside a pool that has ended nothing goes back, and the result says so. Units that
become free pay overage of the running window. A reversal carries the time of the use it takes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from billing.engine.burndown import debit
from billing.engine.keys import fingerprint as fingerprint_of
from billing.engine.keys import random_key, reversal_key
from billing.engine.lots import pool_of
from billing.engine.reversal import TakeBack, merged, take_back
from billing.engine.standing import Standing
from billing.engine.types import AllocationKind, Replenish, Share
from billing.engine.windows import rolling_span
from billing.entitlements import late, operations, telemetry
from billing.entitlements.allowances import Allowance, lock_one
from billing.entitlements.facts import Facts
from billing.entitlements.ledger import insert_consumption
from billing.entitlements.passing import load_facts
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.rolling import aged_between
from billing.entitlements.scheduled import perform
from billing.entitlements.spending import settle_overage
from billing.entitlements.writing import AllocationRow, settlement_rows, write
from billing.models import BillableEntity, Consumption
from mozaiks.kit.db import db_time
from mozaiks.kit.errors import Invalid, NotFound


@dataclass(frozen=True, kw_only=True, slots=True)
class Reversal:
    """What was taken back, in units. ``forfeited`` units went to lots that have ended: nobody can use them again."""

    consumption_id: int
    amount: int
    overage: int
    forfeited: int
    version: int
    replayed: bool = False


def reverse(
    entity: BillableEntity,
    consumption_id: int,
    *,
    now: datetime,
    amount: int | None = None,
    operation_key: str | None = None,
    request_id: str = "",
) -> Reversal:
    """
    Take ``amount`` units of a use back (default: all that is left of it), in one transaction.

    :raises NotFound: the subject has no such use. :raises Invalid: more than is left of it, or it is a reversal itself.
    :raises IdempotencyConflict: the key came with other content.
    """
    use = Consumption.objects.for_subject(entity.pk).filter(pk=consumption_id).first()
    if use is None:
        raise NotFound("There is no such use.")
    if use.amount < 0:
        raise _invalid("A reversal cannot be taken back.")
    key = None if operation_key is None else operations.check_key(operation_key)
    return perform(
        lambda: _attempt(use, amount, now=now, key=key, request_id=request_id), now=now, repeatable=key is not None
    )


@dataclass(slots=True)
class _Before:
    """What was taken back of the use before, and who paid for it and for its window's overage."""

    reversed: int = 0
    overage: int = 0
    shares: list[Share] = field(default_factory=list)
    settlements: list[Share] = field(default_factory=list)


def _attempt(use: Consumption, amount: int | None, *, now: datetime, key: str | None, request_id: str) -> Reversal:
    allowance = lock_one(use.subject_id, definition_by_id(use.definition_id), now=now)
    content = fingerprint_of({"reverse": use.pk, "amount": amount})
    stored = operations.find(use.subject_id, key, content) if key is not None else None
    if stored is not None:
        telemetry.REPLAYS.inc()
        return Reversal(**stored.result, replayed=True)
    load_facts([allowance], whole_history=True)
    closed = late.lock_closed(allowance, use.occurred_at) if _is_closed(allowance, use) else None
    before = _read_before(use)
    passed = list(settlement_rows([allowance]))  # of boundaries passed just now: not in the ledger yet
    allowance.settlements = []
    before.settlements += [
        Share(grant_id=row.grant_id, amount=row.amount) for row in passed if row.window_start == use.window_start_at
    ]
    units = _checked(amount, use.amount - before.reversed)
    given = _take_back(units, use, before, allowance, closed)
    forfeited = _give_back(given, use, allowance, closed)
    reversal_id, allocations = _record(given, units, use, allowance, key=key, request_id=request_id)
    _note_oldest(allowance)
    settle_overage(allowance)
    result = Reversal(
        consumption_id=reversal_id,
        amount=units,
        overage=given.overage,
        forfeited=forfeited,
        version=allowance.row.version + 1,
    )
    if key is not None:
        _store(use, key, content, result, now)
    write([allowance], allocations=[*passed, *allocations])
    return result


def _store(use: Consumption, key: str, content: str, result: Reversal, now: datetime) -> None:
    plain = {name: getattr(result, name) for name in ("consumption_id", "amount", "overage", "forfeited", "version")}
    operations.store(
        use.subject_id, key, content, capability="consumption.reverse", status_code=200, result=plain, now=now
    )


def _is_closed(allowance: Allowance, use: Consumption) -> bool:
    return allowance.info.rule.has_windows and use.window_start_at < _standing(allowance, None).window.start


def _checked(amount: int | None, left: int) -> int:
    if amount is None:
        amount = left
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise _invalid("Must be a positive integer, and something must be left to take back.")
    if amount > left:
        raise _invalid(f"Only {left} units are left to take back.")
    return amount


def _invalid(rule: str) -> Invalid:
    return Invalid(rule, field_errors={"amount": [rule]})


_BEFORE = """
SELECT 'r', c.id, c.grant_id, c.amount, c.overage_amount FROM billing_entitlement_consumptions c WHERE c.reverses_id = %s
UNION ALL
SELECT a.kind, a.id, a.grant_id, a.amount, 0 FROM billing_entitlement_allocations a
WHERE a.consumption_id = %s
  OR a.consumption_id IN (SELECT c.id FROM billing_entitlement_consumptions c WHERE c.reverses_id = %s)
UNION ALL
SELECT a.kind, a.id, a.grant_id, a.amount, 0 FROM billing_entitlement_allocations a
WHERE a.subject_type = 'billable_entity' AND a.subject_id = %s AND a.entitlement_definition_id = %s
  AND a.window_start_at = %s AND a.kind = 'overage_settlement'
"""


def _read_before(use: Consumption) -> _Before:
    """One statement."""
    window = db_time(use.window_start_at)
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, [use.pk, use.pk, use.pk, use.subject_id, use.definition_id, window])
        found = sorted(cursor.fetchall(), key=lambda line: (line[0] != "r", line[1]))
    before = _Before()
    if use.grant_id is not None:
        before.shares.append(Share(grant_id=use.grant_id, amount=use.amount))
    for kind, _, grant_id, amount, overage in found:
        if kind == "r":
            before.reversed -= amount
            before.overage -= overage
            if grant_id is not None:
                before.shares.append(Share(grant_id=grant_id, amount=amount))
        elif kind == AllocationKind.SHARE:
            before.shares.append(Share(grant_id=grant_id, amount=amount))
        else:
            before.settlements.append(Share(grant_id=grant_id, amount=amount))
    before.shares.sort(key=lambda share: share.amount < 0)  # what was given back cancels what was taken
    return before


def _take_back(
    units: int, use: Consumption, before: _Before, allowance: Allowance, closed: late.ClosedWindow | None
) -> TakeBack:
    overage = use.overage_amount - before.overage
    unpaid = _standing(allowance, closed).overage
    if allowance.info.rule.is_rolling:
        unpaid = overage  # overage of a rolling window is never settled
    return take_back(units, overage=overage, unpaid=unpaid, settlements=before.settlements, shares=before.shares)


def _standing(allowance: Allowance, closed: late.ClosedWindow | None) -> Standing:
    standing = closed.standing if closed else allowance.standing
    if standing is None:
        raise ValueError("the facts were not read")
    return standing


def _give_back(given: TakeBack, use: Consumption, allowance: Allowance, closed: late.ClosedWindow | None) -> int:
    """Lower overage and return units to their lots and pools; returns how many went to lots that have ended."""
    standing = _standing(allowance, closed)
    counts = _still_counts(use, allowance)
    if counts:
        standing.overage -= given.unpaid
    forfeited = sum(
        share.amount
        for share in merged(given.returned)
        if not _return(share, standing, allowance, closed, counts=counts)
    )
    if closed is not None:
        late.note_change(allowance, closed)
    return forfeited


def _return(
    share: Share, standing: Standing, allowance: Allowance, closed: late.ClosedWindow | None, *, counts: bool
) -> bool:
    """Return units to one lot; False where the lot has ended and belongs to no pool. A frozen lot has them once released."""
    facts = (closed.facts if closed else allowance.facts) or Facts()
    grant = next(grant for grant in facts.grants if grant.id == share.grant_id)
    pool = pool_of(standing.rule, grant)
    negative = Share(grant_id=share.grant_id, amount=-share.amount)
    if pool is not None and not counts:
        return True  # the use has left the rolling span already
    is_open = any(lot.grant_id == share.grant_id for lot in standing.lots)
    if is_open:
        debit(standing, [negative])
    elif pool is not None:
        standing.pool_used[pool] -= share.amount
    lasts = grant.ends_at is None or grant.ends_at > allowance.at
    if closed is None:
        return lasts or pool is not None
    late.move_elsewhere(allowance, closed, negative)
    return (lasts and grant.replenish is Replenish.ONCE) or pool is not None


def _still_counts(use: Consumption, allowance: Allowance) -> bool:
    """Whether the use is within the span of a rolling window; always true elsewhere."""
    rule = allowance.info.rule
    return not rule.is_rolling or use.occurred_at > allowance.at - rolling_span(rule)


def _record(
    given: TakeBack, units: int, use: Consumption, allowance: Allowance, *, key: str | None, request_id: str
) -> tuple[int, list[AllocationRow]]:
    """Insert the reversal; its shares and negative settlements are written with the balance."""
    shares = merged(given.shares)
    sole = shares[0].grant_id if len(shares) == 1 and given.overage == 0 else None
    values: tuple[Any, ...] = (
        use.subject_id,
        use.definition_id,
        -units,
        -given.overage,
        sole,
        use.pk,
        False,
        db_time(use.occurred_at),
        db_time(use.window_start_at),
        use.reason_code,
        key or "",
        "",
        "",
        request_id,
        reversal_key(use.pk, key or random_key()),
        "",
        "{}",
        db_time(allowance.at),
    )
    reversal_id = insert_consumption(values)
    allocations = [] if sole is not None else _rows(shares, reversal_id, use, allowance)
    return reversal_id, allocations + _rows(given.settled, None, use, allowance)


def _rows(
    shares: Sequence[Share], consumption_id: int | None, use: Consumption, allowance: Allowance
) -> list[AllocationRow]:
    return [
        AllocationRow(
            allowance=allowance,
            consumption_id=consumption_id,
            window_start=use.window_start_at,
            grant_id=share.grant_id,
            amount=-share.amount,
            occurred_at=use.occurred_at,
        )
        for share in shares
    ]


def _note_oldest(allowance: Allowance) -> None:
    """In a rolling window the use that leaves next may be the one that was taken back."""
    rule = allowance.info.rule
    if rule.is_rolling:
        floor = allowance.at - rolling_span(rule)
        aged = aged_between(allowance.row.subject_id, allowance.info.id, after=floor, until=floor)
        allowance.oldest_use_at = aged.oldest_use_at
