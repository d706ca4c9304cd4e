"""How allowances reach the database: at most one statement of each kind, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.types import AllocationKind
from billing.entitlements import leases, rows, sql
from billing.entitlements.allowances import Allowance, LotImage
from billing.entitlements.announcements import ChangeSource, announce_changes
from billing.entitlements.passing import bring_row_up_to_date
from billing.entitlements.rows import Row
from mozaiks.kit.cursors import execute
from mozaiks.kit.db import db_time, requires_transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocationRow:
    """A share or a settlement to be written. ``consumption_id`` None: a settlement."""

    allowance: Allowance
    consumption_id: int | None
    window_start: datetime
    grant_id: int
    amount: int
    occurred_at: datetime

    @property
    def kind(self) -> AllocationKind:
        return AllocationKind.OVERAGE_SETTLEMENT if self.consumption_id is None else AllocationKind.SHARE


@requires_transaction
def write(
    allowances: Sequence[Allowance],
    *,
    allocations: Sequence[AllocationRow] = (),
    source: ChangeSource = ChangeSource.CONSUMPTION,
) -> None:
    """
    Write allowances of one subject back: rows by primary key, lots that changed, shares and settlements. Each row's version
    rises by one. ``source`` is why, for those who are told after the commit.
    """
    _finish(allowances)
    _write_allocations([*allocations, *settlement_rows(allowances)])
    _write_lots(allowances)
    _write_rows(allowances)
    announce_changes(allowances, source)


@requires_transaction
def write_leased(allowances: Sequence[Allowance], retired: Sequence[Row], *, token: str, now: datetime) -> None:
    """
    The same for a batch of the boundary worker, of many subjects: rows are written under the lease they were taken with.

    ``retired`` rows are written as they are.
    """
    _finish(allowances)
    _write_allocations(list(settlement_rows(allowances)))
    _write_lots(allowances)
    closed = [row for allowance in allowances for row in allowance.closed_rows]
    leases.save([*closed, *(each.row for each in allowances if each.row.id), *retired], token, now=now)
    rows.insert([allowance.row for allowance in allowances if not allowance.row.id], at=now)


def _finish(allowances: Iterable[Allowance]) -> None:
    for allowance in allowances:
        bring_row_up_to_date(allowance)
        allowance.row.version += 1
        allowance.row.last_event_at = allowance.at


def settlement_rows(allowances: Iterable[Allowance]) -> Iterator[AllocationRow]:
    """The settlements that were made and are not in the ledger yet."""
    for allowance in allowances:
        for settlement in allowance.settlements:
            for share in settlement.shares:
                yield AllocationRow(
                    allowance=allowance,
                    consumption_id=None,
                    window_start=settlement.window_start,
                    grant_id=share.grant_id,
                    amount=share.amount,
                    occurred_at=settlement.at,
                )


def _write_allocations(allocations: Sequence[AllocationRow]) -> None:
    if not allocations:
        return
    values: list[Any] = []
    for each in allocations:
        row = each.allowance.row
        values += [each.kind.value, each.consumption_id, row.subject_id, row.definition_id]
        values += [db_time(each.window_start), each.grant_id, each.amount, db_time(each.occurred_at)]
        values += [db_time(each.allowance.at), "billable_entity"]
    execute(sql.insert_allocations(len(allocations)), values)


def _write_lots(allowances: Iterable[Allowance]) -> None:
    changed: list[Any] = []
    gone: list[int] = []
    for allowance in allowances:
        if allowance.standing is not None and allowance.info.rule.is_consumable:
            wanted = _wanted_lots(allowance)
            changed += [values for grant_id, values in wanted.items() if _image(values) != _stored(allowance, grant_id)]
            gone += [grant_id for grant_id in allowance.stored_lots if grant_id not in wanted]
    if gone:
        execute(sql.delete_lots(len(gone)), gone)
    if changed:
        flat = [value for values in changed for value in _plain(values)]
        execute(sql.upsert_lots(len(changed), sqlite=sql.is_sqlite()), flat)


def _wanted_lots(allowance: Allowance) -> dict[int, tuple[Any, ...]]:
    """The rows of the open lots by grant; the head's rest is in the balance row, so it is NULL here."""
    row, standing = allowance.row, allowance.standing
    return {
        lot.grant_id: (
            lot.grant_id,
            row.window_start_at,
            lot.granted,
            None if lot.grant_id == row.head_grant_id else lot.remaining,
            lot.expires_sort,
            lot.pool.value if lot.pool else None,
            lot.burn_class,
            lot.effective_at,
            row.subject_id,
            row.definition_id,
            "billable_entity",
        )
        for lot in (standing.lots if standing else ())
    }


def _image(values: tuple[Any, ...]) -> LotImage:
    return (values[1], values[2], values[3], values[4])


def _stored(allowance: Allowance, grant_id: int) -> LotImage | None:
    return allowance.stored_lots.get(grant_id)


def _plain(values: tuple[Any, ...]) -> list[Any]:
    return [db_time(value) if isinstance(value, datetime) else value for value in values]


def _write_rows(allowances: Sequence[Allowance]) -> None:
    at = allowances[0].at if allowances else None
    if at is None:
        return
    if len(allowances) == 1 and allowances[0].standing is None and allowances[0].info.rule.is_consumable:
        rows.save_spending(allowances[0].row, at=at)
        return
    closed = [row for allowance in allowances for row in allowance.closed_rows]
    rows.save([*closed, *(allowance.row for allowance in allowances if allowance.row.id)], at=at)
    rows.insert([allowance.row for allowance in allowances if not allowance.row.id], at=at)
