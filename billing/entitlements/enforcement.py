"""
The doors of consumption: run an action with what it uses, book a use without one, change a capacity.

What happens behind them, and in which order, is in ``calls``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from billing.entitlements import operations, telemetry
from billing.entitlements.allowances import CLOCK_TOLERANCE
from billing.entitlements.calls import Amount, Call, Execution, Use
from billing.entitlements.resolvers import definition_of
from billing.models import BillableEntity
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import utc_z

__all__ = ["Execution", "Use", "consume_entitlement", "execute_with_entitlement_consumption", "refresh_capacity"]

T = TypeVar("T")


def execute_with_entitlement_consumption(
    entity: BillableEntity,
    uses: str | Use | Sequence[Use],
    *,
    action: Callable[[], T],
    now: datetime,
    amount: Amount | None = None,
    operation_key: str | None = None,
    fingerprint: str = "",
    encode: Callable[[T], Any] | None = None,
    status_code: int = 200,
    occurred_at: datetime | None = None,
    already_happened: bool = False,
    request_id: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Execution[T]:
    """
    Run ``action`` once, in one transaction with what it uses, or refuse and leave no trace.

    ``uses`` names one capability (with ``amount`` units) or several, all or nothing. ``encode`` turns the action's value into
    JSON that is stored under ``operation_key`` and given to repeats. ``occurred_at`` is the business time and chooses the
    window; at most 5 minutes ahead of ``now``. ``already_happened`` books what cannot be undone: beyond the limit it is overage.

    :raises LimitExceeded: a quota, credits or a state do not allow it. :raises CapacityLocked: a capacity is full.
    :raises LimitNotConfigured: no active definition, or nobody counts it. :raises IdempotencyConflict: the key came with other
    content. :raises Invalid: an amount, a key or a time breaks a rule. :raises Unavailable: no luck with the database for 5 s.
    """
    call = Call(
        entity=entity,
        uses=_as_uses(uses, amount),
        action=action,
        now=now,
        key=None if operation_key is None else operations.check_key(operation_key),
        fingerprint=fingerprint,
        encode=encode or _as_it_is,
        status_code=status_code,
        occurred_at=_checked_time(occurred_at, now),
        already_happened=already_happened,
        request_id=request_id,
        metadata=dict(metadata or {}),
    )
    with telemetry.ENFORCEMENT_SECONDS.time():
        return call.run()


def consume_entitlement(
    entity: BillableEntity, uses: str | Use | Sequence[Use], *, now: datetime, **options: Any
) -> Execution[None]:
    """Book a use that has no action of its own. Options and errors: ``execute_with_entitlement_consumption``."""
    return execute_with_entitlement_consumption(entity, uses, action=_nothing, now=now, **options)


def refresh_capacity(
    entity: BillableEntity,
    limitation: str,
    *,
    now: datetime,
    action: Callable[[], T],
    operation_key: str | None = None,
    fingerprint: str = "",
    encode: Callable[[T], Any] | None = None,
    status_code: int = 200,
    request_id: str = "",
) -> Execution[T]:
    """
    Run an action that may lower a capacity's count, count again, and write the balance, in one transaction. Never refused.

    :raises LimitNotConfigured: no active definition, or nobody counts it. :raises IdempotencyConflict: as above.
    """
    call = Call(
        entity=entity,
        uses=(),
        action=action,
        now=now,
        key=None if operation_key is None else operations.check_key(operation_key),
        fingerprint=fingerprint,
        encode=encode or _as_it_is,
        status_code=status_code,
        request_id=request_id,
        recounts=definition_of(limitation),
    )
    return call.run()


def _as_uses(uses: str | Use | Sequence[Use], amount: Amount | None) -> Sequence[Use]:
    if isinstance(uses, str):
        return (Use(capability=uses, amount=amount),)
    if amount is not None:
        raise ValueError("give the amount with each Use")
    return (uses,) if isinstance(uses, Use) else tuple(uses)


def _checked_time(occurred_at: datetime | None, now: datetime) -> datetime | None:
    if occurred_at is not None and occurred_at > now + CLOCK_TOLERANCE:
        rule = f"Must be at most 5 minutes ahead of {utc_z(now)}."
        raise Invalid(f"occurredAt lies in the future. {rule}", field_errors={"occurredAt": [rule]})
    return occurred_at


def _as_it_is(result: Any) -> Any:
    return result


def _nothing() -> None:
    return None
