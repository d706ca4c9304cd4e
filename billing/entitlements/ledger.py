"""Writes consumptions: the use itself and, where several lots paid or some is overage, its shares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.keys import consumption_key, random_key
from billing.engine.windows import rolling_span
from billing.entitlements import sql, telemetry
from billing.entitlements.allowances import Allowance
from billing.entitlements.late import ClosedWindow, spend_late
from billing.entitlements.spending import Payment, note_use, read_standing, spend
from billing.entitlements.writing import AllocationRow
from mozaiks.kit.cursors import execute
from mozaiks.kit.db import db_time


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """What was booked of one limitation, in units. ``version`` is that of the balance after it."""

    limitation: str
    amount: int
    version: int
    overage: int = 0
    consumption_id: int | None = None


def book(
    allowance: Allowance,
    amount: int,
    *,
    occurred_at: datetime,
    reason_code: str,
    closed: ClosedWindow | None = None,
    operation_key: str | None = None,
    fingerprint: str = "",
    request_id: str = "",
    advisory: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[Booking, list[AllocationRow]]:
    """
    Spend ``amount`` units of a locked allowance, or of its ``closed`` window, and write the consumption.

    The allowance and the returned shares are written by the caller.
    """
    row = closed.row if closed else allowance.row
    payment = spend_late(allowance, closed, amount) if closed else _spend(allowance, amount, occurred_at)
    key = operation_key or random_key()
    values = (
        row.subject_id,
        row.definition_id,
        amount,
        payment.overage,
        payment.sole_grant_id,
        None,
        advisory,
        db_time(occurred_at),
        db_time(row.window_start_at),
        reason_code,
        operation_key or "",
        "",
        "",
        request_id,
        consumption_key(row.subject_id, row.definition_id, reason_code, key),
        fingerprint,
        json.dumps(metadata) if metadata else "{}",
        db_time(allowance.at),
    )
    consumption_id = insert_consumption(values)
    note_use(allowance, occurred_at)
    booking = Booking(
        limitation=allowance.info.code,
        amount=amount,
        version=allowance.row.version + 1,
        overage=payment.overage,
        consumption_id=consumption_id,
    )
    return booking, _shares(allowance, payment, consumption_id, row.window_start_at, occurred_at)


def insert_consumption(values: tuple[Any, ...]) -> int:
    """Insert one consumption or reversal, in the order of columns of ``sql.INSERT_CONSUMPTION``; returns its id."""
    telemetry.CONSUMPTIONS_INSERTED.inc()
    return execute(sql.INSERT_CONSUMPTION, values)


def _spend(allowance: Allowance, amount: int, occurred_at: datetime) -> Payment:
    """Spend now; a use that has already left a rolling span is recorded and counts no more."""
    rule = allowance.info.rule
    if not rule.is_rolling or occurred_at > allowance.at - rolling_span(rule):
        return spend(allowance, amount)
    standing = read_standing(allowance)
    pools, overage = dict(standing.pool_used), standing.overage
    payment = spend(allowance, amount)
    standing.pool_used, standing.overage = pools, overage
    return payment


def _shares(
    allowance: Allowance, payment: Payment, consumption_id: int, window_start: datetime, occurred_at: datetime
) -> list[AllocationRow]:
    if payment.sole_grant_id is not None:
        return []
    return [
        AllocationRow(
            allowance=allowance,
            consumption_id=consumption_id,
            window_start=window_start,
            grant_id=share.grant_id,
            amount=share.amount,
            occurred_at=occurred_at,
        )
        for share in payment.shares
    ]
