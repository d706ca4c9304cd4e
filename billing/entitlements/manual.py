"""Grants that operators make and end by hand: with a reason, a name, and a line in the customer's timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.engine import keys
from billing.engine.types import (
    MAX_AMOUNT,
    EndingReason,
    EnforcementOverride,
    EntitlementType,
    GrantKind,
    SourceType,
)
from billing.entitlements.grants import REPLENISH, NewGrant, Recorded, record
from billing.entitlements.operations import check_key
from billing.entitlements.resolvers import DefinitionInfo, definition_of
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, BillingEvent, Grant
from billing.models.events import EventStatus, EventType
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import FieldErrors, Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class ByHand:
    """Who did it, and why. Both are required."""

    actor: str
    reason: str


def grant_manually(
    entity: BillableEntity,
    limitation: str,
    *,
    amount: int | None,
    by: ByHand,
    now: datetime,
    operation_key: str,
    kind: GrantKind = GrantKind.MANUAL_ADJUSTMENT,
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
    override: EnforcementOverride | None = None,
) -> Recorded:
    """
    Give ``amount`` units (None: unlimited) from ``effective_at`` (default now) to ``expires_at`` (default never).

    The same ``operation_key`` again changes nothing. :raises Invalid: naming the field and the rule.
    :raises LimitNotConfigured: no such active definition.
    """
    info = definition_of(limitation)
    start = effective_at or now
    _check(info, amount, kind=kind, by=by, start=start, expires_at=expires_at)
    key = check_key(operation_key)
    grant = NewGrant(
        info=info,
        amount=amount,
        kind=kind,
        replenish=REPLENISH[kind],
        effective_at=start,
        expires_at=expires_at,
        override=override,
        source_type=SourceType.MANUAL_CONSOLE,
        source_id=by.actor,
        operation_key=key,
        dedupe_key=keys.manual_grant_key(key, info.id, entity.pk),
        metadata={"reason": by.reason},
    )

    def work() -> Recorded:
        recorded = record(entity.pk, new=[grant], now=now)
        if recorded.inserted:
            note(
                entity,
                "grant.created",
                by=by,
                now=now,
                payload={"limitation": limitation, "amount": amount, "key": key},
            )
        return recorded

    return perform(work, now=now)


def end_grant(grant: Grant, *, by: ByHand, now: datetime) -> Recorded:
    """End a grant now; ending it again changes nothing. :raises Invalid: a reason or a name is missing."""
    check_by(by)

    def work() -> Recorded:
        recorded = record(
            grant.subject_id,
            ending=[grant],
            reason=EndingReason.ENDED_BY_OPERATOR,
            source=(SourceType.MANUAL_CONSOLE, by.actor),
            now=now,
        )
        if recorded.ended:
            entity = BillableEntity.objects.get(pk=grant.subject_id)
            note(entity, "grant.ended", by=by, now=now, payload={"grant": grant.pk})
        return recorded

    return perform(work, now=now)


@requires_transaction
def note(
    entity: BillableEntity, name: str, *, by: ByHand, now: datetime, payload: dict[str, object] | None = None
) -> BillingEvent:
    """Write what an operator did into the customer's timeline."""
    return BillingEvent.objects.create(
        event_type=EventType.OPERATOR,
        event_name=name,
        billable_entity=entity,
        actor=by.actor,
        reason=by.reason,
        status=EventStatus.PROCESSED,
        received_at=now,
        processed_at=now,
        occurred_at=now,
        payload_json=payload or {},
    )


def _check(
    info: DefinitionInfo,
    amount: int | None,
    *,
    kind: GrantKind,
    by: ByHand,
    start: datetime,
    expires_at: datetime | None,
) -> None:
    check_by(by)
    errors: dict[str, list[str]] = {}
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= MAX_AMOUNT):
        errors["amount"] = ["Must be a positive integer, or empty for unlimited."]
    elif info.rule.type is EntitlementType.STATE and amount != 1:
        errors["amount"] = ["A state is granted with amount 1."]
    if expires_at is not None and expires_at <= start:
        errors["expiresAt"] = ["Must be later than the start."]
    _refuse(errors)


def check_by(by: ByHand) -> None:
    """:raises Invalid: the reason or the name is missing."""
    errors = {
        name: ["Is required."] for name, value in (("reason", by.reason), ("actor", by.actor)) if not value.strip()
    }
    _refuse(errors)


def _refuse(errors: FieldErrors) -> None:
    if errors:
        field, messages = next(iter(errors.items()))
        raise Invalid(f"{field}: {messages[0]}", field_errors=errors)
