"""
What people see: every limit of a subject, right at the instant of the question.

Nothing is written: a balance whose boundary has passed is rolled forward in memory. One statement for all balances, one
more when a row is missing or due, and one count per capacity.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from billing.engine.standing import Standing
from billing.engine.types import EnforcementMode
from billing.engine.windows import rolling_span, window_at
from billing.entitlements import capacity, rows, sql
from billing.entitlements.allowances import Allowance
from billing.entitlements.capabilities import counter_of, find_capability
from billing.entitlements.passing import roll_forward
from billing.entitlements.policy import Decision, decide
from billing.entitlements.resolvers import (
    DefinitionInfo,
    all_definitions,
    definition_of,
    is_dormant,
    limitations_for,
    snapshot_codes,
)
from billing.entitlements.scheduled import seen
from billing.models import BillableEntity
from mozaiks.kit.db import utc
from mozaiks.kit.errors import Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class Limitation:
    """
    One limit of a subject. Amounts in units; None is unlimited (granted, effective, hard limit).

    ``alert_level`` is the highest of ``alert_thresholds`` (percents of what is granted) that use has reached; None below all.
    """

    definition_id: int
    code: str
    name: str
    entitlement_type: str
    enforcement_mode: str
    unit: str
    window_interval: str | None
    window_anchor: str | None
    granted_amount: int | None
    consumed_amount: int
    held_amount: int
    effective_amount: int | None
    hard_limit_amount: int | None
    unlimited: bool
    over_limit: bool
    lock_state: str
    next_change_at: datetime | None
    window_start_at: datetime
    window_end_at: datetime | None
    last_recomputed_at: datetime | None
    version: int
    alert_thresholds: tuple[int, ...] = ()
    alert_level: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limitations:
    """All limits of ``entity`` at ``generated_at``, sorted by code."""

    entity: BillableEntity
    generated_at: datetime
    limitations: tuple[Limitation, ...]


def resolve_effective_limitations(
    entity: BillableEntity, *, now: datetime, codes: Collection[str] | None = None
) -> Limitations:
    """
    Every active limit that something here uses, with zeros where nothing was ever granted; or only ``codes``.

    :raises Invalid: one of ``codes`` is unknown, inactive or dormant.
    """
    allowances = current_allowances(entity, now=now, codes=codes)
    found = sorted((view_of(allowance) for allowance in allowances), key=lambda limitation: limitation.code)
    return Limitations(entity=entity, generated_at=now, limitations=tuple(found))


def check(entity: BillableEntity, capability_or_code: str, *, now: datetime, amount: int | None = None) -> Decision:
    """
    What would be decided about ``amount`` units now (default: as declared), without consuming.

    Of a capability with several limitations the first that does not fit answers, else the first.
    :raises UndeclaredCapability: neither a capability nor a limitation has that code. :raises LimitNotConfigured: no active
    definition.
    """
    codes, declared = _limitations_of(entity, capability_or_code)
    allowances = current_allowances(entity, now=now, codes=codes)
    asked = declared if amount is None else amount
    decisions = [decide(allowance, asked) for allowance in allowances]
    return next((decision for decision in decisions if not decision.fits), decisions[0])


def current_allowances(
    entity: BillableEntity, *, now: datetime, codes: Collection[str] | None = None
) -> list[Allowance]:
    """
    The balances of the wanted limits as of ``now``: read without a lock, brought forward in memory, capacities counted.
    """
    return seen(lambda: read_allowances(entity, now=now, codes=codes), now=now)


def read_allowances(entity: BillableEntity, *, now: datetime, codes: Collection[str] | None) -> list[Allowance]:
    """The same for whoever reads more of the subject beside it. :raises PlanChangeDue: read all of it within ``seen``."""
    stored, definitions = _read(entity.pk)
    infos = _wanted(entity.pk, definitions, codes)
    allowances = [_allowance(entity.pk, info, stored, now) for info in infos]
    roll_forward(allowances, reading=True)
    for allowance in allowances:
        allowance.row.note_limits(allowance.info.rule)  # its enforcement may have been edited since the row was written
        if allowance.info.is_capacity:
            capacity.apply_count(allowance, capacity.count(entity, allowance.info))
    return allowances


def view_of(allowance: Allowance) -> Limitation:
    """The limit as people see it."""
    row, info = allowance.row, allowance.info
    rolling = info.rule.is_rolling
    return Limitation(
        definition_id=info.id,
        code=info.code,
        name=info.name,
        entitlement_type=info.rule.type.value,
        enforcement_mode=EnforcementMode(row.enforcement_override or info.rule.enforcement).value,
        unit=info.unit,
        window_interval=info.rule.interval.value if info.rule.interval else None,
        window_anchor=info.rule.anchor.value if info.rule.anchor else None,
        granted_amount=row.granted_amount,
        consumed_amount=row.consumed_amount,
        held_amount=row.held_amount,
        effective_amount=row.effective_amount,
        hard_limit_amount=row.hard_limit_amount,
        unlimited=row.is_unlimited,
        over_limit=row.over_limit,
        lock_state=row.lock_state,
        next_change_at=row.next_change_at,
        window_start_at=allowance.at - rolling_span(info.rule) if rolling else row.window_start_at,
        window_end_at=None if rolling else row.window_end_at,
        last_recomputed_at=row.last_recomputed_at if row.version else None,
        version=row.version,
        alert_thresholds=info.alert_thresholds,
        alert_level=alert_level(info.alert_thresholds, used=row.consumed_amount, granted=row.granted_amount),
    )


def alert_level(thresholds: Iterable[int], *, used: int, granted: int | None) -> int | None:
    """The highest percent that ``used`` units of ``granted`` have reached; nothing used, or unlimited, reaches none."""
    if granted is None or used <= 0:
        return None
    return max((percent for percent in thresholds if used * 100 >= percent * granted), default=None)


def _read(subject_id: int) -> tuple[dict[int, rows.Row], list[DefinitionInfo]]:
    """The running rows by definition, and all definitions. One statement while no definition changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql.read_running(), [subject_id])
        found = cursor.fetchall()
    newest, count = found[0][-2], found[0][-1]
    stored = [rows.row_of(values) for values in found if values[0] is not None]
    definitions = all_definitions(newest_at=utc(newest), count=count)
    return {row.definition_id: row for row in stored}, definitions


def _wanted(
    subject_id: int, definitions: Iterable[DefinitionInfo], codes: Collection[str] | None
) -> list[DefinitionInfo]:
    active = [info for info in definitions if info.is_active]
    uncounted = any(info.is_capacity and counter_of(info.code) is None for info in active)
    snapshots = snapshot_codes(subject_id) if uncounted else {}
    shown = [info for info in active if not is_dormant(info, with_snapshot=snapshots)]
    if codes is None:
        return shown
    unknown = sorted(set(codes) - {info.code for info in shown})
    if unknown:
        raise Invalid(
            f"Unknown limitation: {', '.join(unknown)}.", field_errors={"codes": [f"Unknown: {', '.join(unknown)}."]}
        )
    return [info for info in shown if info.code in codes]


def _allowance(subject_id: int, info: DefinitionInfo, stored: dict[int, rows.Row], now: datetime) -> Allowance:
    row = stored.get(info.id)
    if row is not None:
        return Allowance(info=info, row=row, at=max(now, row.last_event_at))
    standing = Standing(rule=info.rule, window=window_at(info.rule, now), as_of=now, lots=[])
    blank = rows.blank_row(standing, subject_id=subject_id, definition_id=info.id)
    return Allowance(info=info, row=blank, at=now)


def _limitations_of(entity: BillableEntity, code: str) -> tuple[Sequence[str], int]:
    capability = find_capability(code)
    if capability is not None:
        return limitations_for(entity, capability), capability.amount
    return (definition_of(code).code,), 1
