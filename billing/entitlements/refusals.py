"""What a refused caller is told: the published code, the numbers, and the ways on. Shapes: ``docs/contracts.md``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from billing.conf import is_platform
from billing.engine.types import EntitlementType
from billing.entitlements import decisions, telemetry
from billing.entitlements.policy import Decision
from billing.entitlements.resolvers import DefinitionInfo, definition_of
from billing.entitlements.rows import Row
from billing.entitlements.unlock import ways_to_unlock
from billing.errors import CapacityLocked, LimitExceeded, LimitExceededPayable, StateNotGranted
from billing.models import BillableEntity
from mozaiks.kit.errors import Failure
from mozaiks.kit.times import utc_z


class Refused(Exception):
    """Ends the transaction of a request that does not fit. Never leaves this floor: callers see ``failure``."""

    def __init__(self, decision: Decision, *, capability: str, info: DefinitionInfo, row: Row) -> None:
        super().__init__(decision.code)
        self.decision = decision
        self.capability = capability
        self.info = info
        self.row = row

    def note(self, entity: BillableEntity, *, request_id: str, now: datetime) -> None:
        """Count it and note it for operators."""
        _note(self.decision, self.info.id, self.capability, entity, request_id=request_id, now=now)

    def failure(self, entity: BillableEntity) -> Failure:
        """What the caller is told, with the ways to unlock."""
        ways = ways_to_unlock(entity.pk, self.info, self.row, self.decision)
        decision = replace(self.decision, unlock=ways) if ways else self.decision
        told = refusal(decision, info=self.info, entity=entity)
        told.version = decision.version
        return told


def note_lenient(
    decision: Decision, entity: BillableEntity, *, capability: str, request_id: str, now: datetime
) -> None:
    """Note what was let through although it did not fit."""
    info = definition_of(decision.limitation)
    _note(decision, info.id, capability, entity, request_id=request_id, now=now)


def refusal(decision: Decision, *, info: DefinitionInfo, entity: BillableEntity) -> LimitExceeded | CapacityLocked:
    """The published failure for a decision that denies."""
    if info.is_capacity:
        return CapacityLocked(_capacity_sentence(decision, info), details=_capacity_details(decision))
    if info.rule.type is EntitlementType.STATE:
        kind: type[LimitExceeded] = LimitExceededPayable if is_platform() else StateNotGranted
        details = {"limitationCode": info.code, "reason": decision.reason, "unlock": unlock_json(decision)}
        return kind(f"{info.name}: not granted.", details=details)
    kind = LimitExceededPayable if is_platform() else LimitExceeded
    headers = {"Retry-After": str(decision.retry_after_seconds)} if decision.retry_after_seconds else {}
    if is_platform():
        headers = {}
    return kind(_quota_sentence(decision, info), details=_quota_details(decision, entity), headers=headers)


def unlock_json(decision: Decision) -> list[dict[str, Any]]:
    """The ways on, as the wire has them."""
    return [
        {
            "type": way.type,
            "code": way.code,
            "name": way.name,
            "amountAfter": way.amount_after,
            "priceMinor": way.price_minor,
            "currency": way.currency,
        }
        for way in decision.unlock
    ]


def _quota_details(decision: Decision, entity: BillableEntity) -> dict[str, Any]:
    return {
        "limitationCode": decision.limitation,
        "billableEntityId": entity.pk,
        "reason": decision.reason,
        "requestedAmount": decision.requested_amount,
        "limit": decision.limit,
        "used": decision.used,
        "remaining": decision.remaining,
        "interval": decision.interval,
        "enforcement": decision.enforcement.value,
        "windowEndAt": utc_z(decision.window_end_at) if decision.window_end_at else None,
        "retryAfterSeconds": decision.retry_after_seconds,
        "unlock": unlock_json(decision),
    }


def _capacity_details(decision: Decision) -> dict[str, Any]:
    return {
        "limitationCode": decision.limitation,
        "used": decision.used,
        "cap": decision.limit,
        "overBy": decision.over_by,
        "lockState": decision.lock_state,
        "requiredReduction": decision.required_reduction,
        "unlock": unlock_json(decision),
    }


def _capacity_sentence(decision: Decision, info: DefinitionInfo) -> str:
    state = f"{decision.used} of {decision.limit} in use"
    if decision.over_by:
        return f"{info.name}: over its limit, {state}; {decision.required_reduction} must go first."
    return f"{info.name}: full, {state}."


def _quota_sentence(decision: Decision, info: DefinitionInfo) -> str:
    left = f"{decision.remaining} left of {decision.limit}, {decision.requested_amount} requested"
    if decision.window_end_at is not None:
        return f"{info.name}: the limit is reached, {left}. It resets at {utc_z(decision.window_end_at)}."
    return f"{info.name}: the limit is reached, {left}."


def _note(
    decision: Decision, definition_id: int, capability: str, entity: BillableEntity, *, request_id: str, now: datetime
) -> None:
    telemetry.REFUSALS.labels(code=decision.code).inc()
    decisions.record(
        decision,
        subject_id=entity.pk,
        definition_id=definition_id,
        capability=capability,
        request_id=request_id,
        now=now,
    )
