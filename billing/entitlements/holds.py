"""
Units set aside for a short time, and taken or given back later.

A hold is a number: it lowers what is free for decisions and nothing else. It stops counting at its end by itself. A capture
is a debit at its own time; up to the hold's rest it is never refused, before and after its end alike.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from billing.engine.keys import hold_key, random_key
from billing.engine.types import HoldStatus
from billing.entitlements import refusals
from billing.entitlements.capabilities import Capability, capability_of
from billing.entitlements.holding import (
    HoldView,
    Locked,
    change,
    counted_units,
    find_hold,
    locked_hold,
    note,
    perform,
    set_aside,
)
from billing.entitlements.ledger import book
from billing.entitlements.policy import EXCEEDED, decide
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id, definition_of, limitations_for
from billing.errors import HoldClosed
from billing.models import BillableEntity, Hold
from billing.models.holds import HoldEventKind
from mozaiks.kit.errors import Invalid

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(hours=24)
DEFAULT_TTL = timedelta(seconds=60)


class Overrun(StrEnum):
    """What a capture above the hold's rest does: refuse it, take the difference if it fits, or record it as overage."""

    REJECT = "reject"
    IF_AVAILABLE = "if_available"
    OVERDRAFT = "overdraft"


def hold(
    entity: BillableEntity,
    capability: str,
    *,
    amount: int,
    now: datetime,
    ttl: timedelta = DEFAULT_TTL,
    operation_key: str | None = None,
    request_id: str = "",
) -> HoldView:
    """
    Set ``amount`` units of the capability's limitation aside for ``ttl`` (1 s to 24 h).

    :raises LimitExceeded: it does not fit (never in soft modes). :raises Invalid: an amount, a ttl, a key, or a definition
    that counts a level instead of uses.
    """
    what = capability_of(capability)
    info = definition_of(limitations_for(entity, what)[0])
    _check(info, amount, ttl)
    content = {"hold": what.code, "amount": amount, "ttl": ttl.total_seconds()}

    def work(locked: Locked) -> HoldView:
        allowance = locked.allowance
        decision = decide(allowance, amount)
        if not decision.allowed:
            raise refusals.Refused(decision, capability=what.code, info=info, row=allowance.row)
        made = Hold.objects.create(
            subject_id=entity.pk,
            definition_id=info.id,
            window_start_at=allowance.row.window_start_at,
            amount=amount,
            expires_at=allowance.at + ttl,
            dedupe_key=hold_key(entity.pk, info.id, locked.key or random_key()),
            fingerprint=locked.content,
            metadata_json={"capability": what.code},
            created_at=allowance.at,
            updated_at=allowance.at,
        )
        set_aside(allowance, made, before=0, after=amount)
        note(made, HoldEventKind.OPENED, amount, locked)
        return locked.view(made)

    try:
        return perform(entity, info, what, content, work, now=now, operation_key=operation_key)
    except refusals.Refused as refused:
        refused.note(entity, request_id=request_id, now=now)
        raise refused.failure(entity) from None


def capture(
    entity: BillableEntity,
    hold_id: int,
    *,
    amount: int,
    now: datetime,
    above_rest: Overrun = Overrun.IF_AVAILABLE,
    final: bool = True,
    operation_key: str | None = None,
    request_id: str = "",
) -> HoldView:
    """
    Debit ``amount`` units against a hold. ``final`` closes it; else the rest stays set aside.

    :raises NotFound: the subject has no such hold. :raises HoldClosed: it was captured in full or released.
    :raises LimitExceeded: the difference above the rest is refused; the hold stays as it was.
    """
    found = find_hold(entity, hold_id)
    info, what = definition_by_id(found.definition_id), capability_of(found.metadata_json["capability"])
    _check(info, amount, DEFAULT_TTL)
    content = {"capture": hold_id, "amount": amount, "above": above_rest.value, "final": final}

    def work(locked: Locked) -> HoldView:
        held, allowance = locked_hold(locked, hold_id), locked.allowance
        rest, counted = held.amount - held.captured_amount, counted_units(held, allowance.at)
        set_aside(allowance, held, before=counted, after=0)
        _check_overrun(locked, amount, rest, above_rest, what)
        booking, locked.allocations = book(
            allowance,
            amount,
            occurred_at=allowance.at,
            reason_code=what.reason,
            operation_key=locked.key,
            fingerprint=locked.content,
            request_id=request_id,
            metadata={"hold": hold_id},
        )
        left = 0 if final else max(0, rest - amount)
        held.captured_amount += amount
        held.status = HoldStatus.OPEN if left else HoldStatus.CAPTURED
        held.updated_at = allowance.at
        held.save(update_fields=["captured_amount", "status", "updated_at"])
        set_aside(allowance, held, before=0, after=left if counted else 0)
        note(held, HoldEventKind.CAPTURED, amount, locked, consumption_id=booking.consumption_id)
        return locked.view(held, consumption_id=booking.consumption_id)

    try:
        return perform(entity, info, what, content, work, now=now, operation_key=operation_key)
    except refusals.Refused as refused:
        refused.note(entity, request_id=request_id, now=now)
        raise refused.failure(entity) from None


def release(entity: BillableEntity, hold_id: int, *, now: datetime, operation_key: str | None = None) -> HoldView:
    """Give the rest of a hold back. :raises NotFound: no such hold. :raises HoldClosed: it is closed already."""
    found = find_hold(entity, hold_id)

    def work(locked: Locked) -> HoldView:
        held = locked_hold(locked, hold_id)
        set_aside(locked.allowance, held, before=counted_units(held, locked.allowance.at), after=0)
        held.status, held.updated_at = HoldStatus.RELEASED, locked.allowance.at
        held.save(update_fields=["status", "updated_at"])
        note(held, HoldEventKind.RELEASED, held.amount - held.captured_amount, locked)
        return locked.view(held)

    return change(entity, found, {"release": hold_id}, work, now=now, operation_key=operation_key)


def extend(
    entity: BillableEntity,
    hold_id: int,
    *,
    now: datetime,
    ttl: timedelta = DEFAULT_TTL,
    operation_key: str | None = None,
) -> HoldView:
    """
    Let a live hold end ``ttl`` from now. :raises HoldClosed: it is closed, or its time is over. :raises NotFound, Invalid.
    """
    found = find_hold(entity, hold_id)
    _check(definition_by_id(found.definition_id), 1, ttl)

    def work(locked: Locked) -> HoldView:
        held, at = locked_hold(locked, hold_id), locked.allowance.at
        if held.expires_at <= at:
            raise HoldClosed("The hold's time is over.", details={"hold": hold_id})
        rest = counted_units(held, at)
        held.expires_at, held.updated_at = at + ttl, at
        held.save(update_fields=["expires_at", "updated_at"])
        set_aside(locked.allowance, held, before=rest, after=rest)
        note(held, HoldEventKind.EXTENDED, 0, locked)
        return locked.view(held)

    content = {"extend": hold_id, "ttl": ttl.total_seconds()}
    return change(entity, found, content, work, now=now, operation_key=operation_key)


def _check_overrun(locked: Locked, amount: int, rest: int, above_rest: Overrun, what: Capability) -> None:
    """Above the hold's rest a capture is a new request: refuse it, let it through if it fits, or record it."""
    if amount <= rest or above_rest is Overrun.OVERDRAFT:
        return
    allowance = locked.allowance
    decision = decide(allowance, amount)
    if above_rest is Overrun.REJECT:
        decision = replace(decision, allowed=False, code=EXCEEDED, reason="hold_exceeded")
    if not decision.allowed:
        raise refusals.Refused(decision, capability=what.code, info=allowance.info, row=allowance.row)


def _check(info: DefinitionInfo, amount: int, ttl: timedelta) -> None:
    errors: dict[str, list[str]] = {}
    if not info.rule.is_consumable:
        errors["capability"] = [f"{info.code} counts a level; only uses can be held."]
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount < 2**62:
        errors["amount"] = ["Must be a positive integer."]
    if not SHORTEST <= ttl <= LONGEST:
        errors["ttl"] = ["Must be 1 second to 24 hours."]
    if errors:
        field, messages = next(iter(errors.items()))
        raise Invalid(f"{field}: {messages[0]}", field_errors=errors)
