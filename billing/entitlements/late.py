"""
Late uses: their window is closed.

Decided as at the last instant of their window: by the lots open then -- of once lots only those still open -- and with the
pools of that window. The newest row is locked first, then the closed one. What no lot pays is overage of that window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from billing.engine.burndown import allocate, debit
from billing.engine.projection import INSTANT, Paid, project
from billing.engine.standing import Standing
from billing.engine.types import LIFETIME_START, GrantFacts, Replenish, Share, Window
from billing.engine.windows import window_at
from billing.entitlements import rows, sql
from billing.entitlements.allowances import Allowance
from billing.entitlements.facts import Facts, load, load_ledger, sum_up
from billing.entitlements.rows import Row
from billing.entitlements.spending import Payment, read_standing
from mozaiks.kit.db import db_time, utc


@dataclass(slots=True)
class ClosedWindow:
    """A closed window while something is booked in it: its row, how it stood at its end, and the grants of all time."""

    row: Row
    standing: Standing
    facts: Facts


def is_late(allowance: Allowance, occurred_at: datetime) -> bool:
    """Whether the window of ``occurred_at`` is closed. The row must be up to date."""
    return allowance.info.rule.has_windows and occurred_at < allowance.row.window_start_at


def lock_closed(allowance: Allowance, occurred_at: datetime) -> ClosedWindow:
    """Lock the closed window that contains ``occurred_at`` (made if it was never touched) and see how it ended."""
    read_standing(allowance)
    facts = allowance.facts
    if facts is None or facts.since > LIFETIME_START:
        facts = load(allowance.row.subject_id, [allowance.info], since=LIFETIME_START)[allowance.info.id]
    row = _just_closed(allowance, occurred_at)
    if row is None:
        row = _lock_row(allowance, occurred_at, facts)
        allowance.closed_rows.append(row)
    if facts.adjusted:
        until = row.window_end_at - INSTANT  # takes and freezes after the window do not change it
        facts = load(row.subject_id, [allowance.info], since=LIFETIME_START, adjusted_until=until)[allowance.info.id]
    closed = ClosedWindow(row=row, standing=_standing_at_end(allowance, row, facts), facts=facts)
    note(closed)
    return closed


def spend_late(allowance: Allowance, closed: ClosedWindow, amount: int) -> Payment:
    """Book ``amount`` units in a closed window; once lots pay with units they then lack in the running one."""
    shares = allocate(closed.standing, amount)
    debit(closed.standing, shares)
    overage = amount - sum(share.amount for share in shares)
    closed.standing.overage += overage
    for share in shares:
        move_elsewhere(allowance, closed, share)
    note_change(allowance, closed)
    return Payment(shares=tuple(shares), overage=overage)


def move_elsewhere(allowance: Allowance, closed: ClosedWindow, share: Share) -> None:
    """
    A once lot paid units in the closed window (negative: got them back), so the running window has less of it.

    Lots that are not open now have nothing to change.
    """
    once = any(grant.id == share.grant_id and grant.replenish is Replenish.ONCE for grant in closed.facts.grants)
    for lot in read_standing(allowance).lots:
        if once and lot.grant_id == share.grant_id and lot.granted is not None:
            lot.granted -= share.amount
            lot.remaining -= share.amount


def note_change(allowance: Allowance, closed: ClosedWindow) -> None:
    """Write what was booked into the closed row, under the version the newest row gets for it."""
    note(closed)
    closed.row.version = allowance.row.version + 1


def note(closed: ClosedWindow) -> None:
    """Write the numbers of the standing into the closed row, which has no head and no next boundary."""
    override = closed.facts.strictest(lot.grant_id for lot in closed.standing.lots)
    rows.take_figures(closed.row, closed.standing, override=override)
    closed.row.head_grant_id = closed.row.head_remaining = closed.row.head_pool = None
    closed.row.next_change_at = None


def _just_closed(allowance: Allowance, occurred_at: datetime) -> Row | None:
    """The row of a window that ended in this very operation: the database still has it open."""
    found = (row for row in allowance.closed_rows if row.window_start_at <= occurred_at < row.window_end_at)
    return next(found, None)


def _lock_row(allowance: Allowance, occurred_at: datetime, facts: Facts) -> Row:
    window = window_at(allowance.info.rule, occurred_at, anchor_at=facts.anchor_at)
    while True:
        at = db_time(occurred_at)
        with connection.cursor() as cursor:
            statement = sql.lock_window(sqlite=sql.is_sqlite())
            cursor.execute(statement, [allowance.row.subject_id, allowance.info.id, at, at])
            found = cursor.fetchone()
        if found is not None:
            return rows.row_of(found)
        window = _between_neighbours(allowance, window, occurred_at)
        rows.insert([_never_touched(allowance, window)], at=allowance.at, or_ignore=True)


def _between_neighbours(allowance: Allowance, window: Window, occurred_at: datetime) -> Window:
    """Cut where windows were opened by another anchor: no instant lies in two of them."""
    if not allowance.info.needs_anchor:
        return window
    at = db_time(occurred_at)
    with connection.cursor() as cursor:
        cursor.execute(sql.NEIGHBOURS, [at, at, allowance.row.subject_id, allowance.info.id])
        ended_at, began_at = (utc(value) for value in cursor.fetchone())
    return Window(
        start=max(window.start, ended_at or window.start),
        end=min(window.end, began_at or window.end, read_standing(allowance).window.start),
    )


def _never_touched(allowance: Allowance, window: Window) -> Row:
    standing = Standing(rule=allowance.info.rule, window=window, as_of=window.end, lots=[])
    row = rows.blank_row(standing, subject_id=allowance.row.subject_id, definition_id=allowance.info.id, version=1)
    row.closed_at = allowance.at
    return row


def _standing_at_end(allowance: Allowance, row: Row, facts: Facts) -> Standing:
    window = Window(start=row.window_start_at, end=row.window_end_at)
    subject_id, definition_id = row.subject_id, row.definition_id
    ledger = load_ledger([subject_id], [definition_id], after=window.start - INSTANT, until=window.end - INSTANT)
    sums = sum_up(ledger.get((subject_id, definition_id), []), window.start)
    unwritten = _unwritten_settlements(allowance, window.start)
    open_now = {lot.grant_id: lot for lot in read_standing(allowance).lots}
    grants: list[GrantFacts] = []
    paid: dict[int, Paid] = {}
    for grant in facts.grants:
        here = sums.paid.get(grant.id, Paid()).here + unwritten.get(grant.id, 0)
        paid[grant.id] = Paid(here=here)
        if grant.replenish is Replenish.ONCE:
            lot = open_now.get(grant.id)
            if lot is None:
                continue
            if grant.amount is not None:
                paid[grant.id] = Paid(here=here, elsewhere=grant.amount - grant.taken - here - lot.remaining)
        grants.append(grant)
    at = window.end - INSTANT
    return project(allowance.info.rule, window, at=at, grants=grants, paid=paid, overage=row.overage_amount, held=0)


def _unwritten_settlements(allowance: Allowance, window_start: datetime) -> dict[int, int]:
    """Units per grant that paid overage of the window in this very operation: the ledger does not have them yet."""
    units: dict[int, int] = {}
    for settlement in allowance.settlements:
        if settlement.window_start == window_start:
            for share in settlement.shares:
                units[share.grant_id] = units.get(share.grant_id, 0) + share.amount
    return units
