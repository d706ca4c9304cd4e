"""
The facts of a subject, read in one statement each, as engine values.

``load`` brings every grant that is not over yet, with its ending, its adjustments and its open lot, the live holds, and the
anchor of anniversary windows. ``load_ledger`` sums what each grant paid; it reads the ledger and is used only where a
balance is rebuilt or a closed window is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection

from billing.engine.lots import Lot, in_burn_order
from billing.engine.projection import Paid
from billing.engine.types import (
    LIFETIME_END,
    LIFETIME_START,
    EnforcementOverride,
    GrantFacts,
    GrantKind,
    HoldFacts,
    Pool,
    Replenish,
    SourceType,
)
from billing.entitlements import sql
from billing.entitlements.resolvers import DefinitionInfo
from mozaiks.kit.cursors import fetch
from mozaiks.kit.db import db_time, utc


@dataclass(slots=True)
class Facts:
    """
    What is known of one (subject, definition): grants, their open lots, live holds, the anchor.

    Grants that were over at ``since`` are left out. ``scheduled_at`` is the start of a plan change that will touch them,
    ``upcoming`` says that the subject has one, whatever it touches. ``adjusted`` says that something was taken from one of
    the grants or that one was frozen, be it released since.
    """

    since: datetime = LIFETIME_END
    grants: list[GrantFacts] = field(default_factory=list)
    lots: dict[int, Lot] = field(default_factory=dict)
    holds: list[HoldFacts] = field(default_factory=list)
    anchor_at: datetime | None = None
    scheduled_at: datetime | None = None
    upcoming: bool = False
    adjusted: bool = False

    def override_at(self, at: datetime) -> EnforcementOverride | None:
        """The strictest override among the grants open at ``at``."""
        return self.strictest(grant.id for grant in self.grants if grant.active_at(at) and not grant.frozen)

    def strictest(self, grant_ids: Iterable[int]) -> EnforcementOverride | None:
        """The strictest override among these grants."""
        ids = set(grant_ids)
        found = {grant.override for grant in self.grants if grant.id in ids}
        for override in (EnforcementOverride.HARD_DENY, EnforcementOverride.SOFT_WARN):
            if override in found:
                return override
        return None


@cache
def _schedule_statement(subjects: int) -> str:
    """A scheduled plan change by what its templates name (0: nothing), and by what the plan before it gave and it will end."""
    who, nothing = ", ".join(["%s"] * subjects), "NULL, NULL, NULL, NULL, NULL"
    change = f"u.id, {nothing}, u.period_start_at, NULL, NULL, 0, 0, NULL, {nothing}, u.billable_entity_id"
    return f"""
SELECT 'u', COALESCE(t.entitlement_definition_id, 0), {change}
FROM billing_plan_assignments u LEFT JOIN billing_plan_entitlement_templates t ON t.plan_id = u.plan_id
WHERE u.billable_entity_id IN ({who}) AND u.status = 'upcoming'
UNION ALL
SELECT 'u', d.entitlement_definition_id, {change}
FROM billing_plan_assignments u
JOIN billing_plan_assignments c ON c.billable_entity_id = u.billable_entity_id AND c.status = 'current'
JOIN billing_entitlement_grants d ON d.source_type = 'plan_assignment' AND d.source_id = CAST(c.id AS CHAR)
LEFT JOIN billing_entitlement_grant_endings o ON o.grant_id = d.id
WHERE u.billable_entity_id IN ({who}) AND u.status = 'upcoming'
  AND (d.expires_at IS NULL OR d.expires_at > u.period_start_at)
  AND (o.ended_at IS NULL OR o.ended_at > u.period_start_at)
"""


@cache
def _load_statement(subjects: int, definitions: int, *, anchored: bool) -> str:
    who, what = ", ".join(["%s"] * subjects), ", ".join(["%s"] * definitions)
    of = f"subject_type = 'billable_entity' AND {{0}}.subject_id IN ({who})"
    nothing = "NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL"
    statement = f"""
SELECT 'g', g.entitlement_definition_id, g.id, g.amount, g.kind, g.replenish, g.enforcement_override, g.source_type,
  g.effective_at, g.expires_at, e.ended_at, COALESCE(a.taken, 0), a.frozen,
  l.grant_id, l.granted, l.remaining, l.pool, l.burn_class, l.expires_sort, g.subject_id
FROM billing_entitlement_grants g
LEFT JOIN billing_entitlement_grant_endings e ON e.grant_id = g.id
LEFT JOIN (
  SELECT j.grant_id, SUM(CASE WHEN j.kind = 'take' THEN j.amount ELSE 0 END) AS taken,
    SUM(CASE j.kind WHEN 'freeze' THEN 1 WHEN 'release' THEN -1 ELSE 0 END) AS frozen
  FROM billing_entitlement_grant_adjustments j WHERE j.{of.format("j")} AND j.occurred_at <= %s GROUP BY j.grant_id
) a ON a.grant_id = g.id
LEFT JOIN billing_entitlement_open_lots l ON l.grant_id = g.id
WHERE g.{of.format("g")} AND g.entitlement_definition_id IN ({what})
  AND (g.expires_at IS NULL OR g.expires_at > %s) AND (e.ended_at IS NULL OR e.ended_at > %s)
UNION ALL
SELECT 'h', h.entitlement_definition_id, h.id, h.amount - h.captured_amount, NULL, NULL, NULL, NULL,
  NULL, h.expires_at, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, h.subject_id
FROM billing_entitlement_holds h
WHERE h.{of.format("h")} AND h.entitlement_definition_id IN ({what}) AND h.status = 'open' AND h.expires_at > %s
UNION ALL
{_schedule_statement(subjects)}
"""
    if not anchored:
        return statement
    # The grant that was recorded first, then the latest assignment, whose anchor wins.
    return f"""{statement}
UNION ALL
SELECT 'f', f.entitlement_definition_id, f.id, NULL, NULL, NULL, NULL, NULL, f.effective_at, {nothing}, f.subject_id
FROM billing_entitlement_grants f WHERE f.id IN (
  SELECT MIN(m.id) FROM billing_entitlement_grants m
  WHERE m.{of.format("m")} AND m.entitlement_definition_id IN ({what})
  GROUP BY m.subject_id, m.entitlement_definition_id)
UNION ALL
SELECT 'a', 0, p.id, NULL, NULL, NULL, NULL, NULL, p.anchor_at, {nothing}, p.billable_entity_id
FROM billing_plan_assignments p WHERE p.id IN (
  SELECT MAX(q.id) FROM billing_plan_assignments q WHERE q.billable_entity_id IN ({who}) GROUP BY q.billable_entity_id)
"""


def load(
    subject_id: int, infos: Iterable[DefinitionInfo], *, since: datetime, adjusted_until: datetime = LIFETIME_END
) -> dict[int, Facts]:
    """
    The facts of several definitions of one subject, of everything that was not over at ``since``. One statement.

    ``since`` is the instant the oldest of the balances is of; what ended before cannot matter any more. Takes and freezes
    count until ``adjusted_until``.
    """
    found = load_many([subject_id], infos, since=since, adjusted_until=adjusted_until)
    return {definition_id: facts for (_, definition_id), facts in found.items()}


def load_many(
    subject_ids: Sequence[int],
    infos: Iterable[DefinitionInfo],
    *,
    since: datetime,
    adjusted_until: datetime = LIFETIME_END,
) -> dict[tuple[int, int], Facts]:
    """The same for several subjects: by (subject, definition). One statement."""
    wanted = list(infos)
    who, what, lower = list(subject_ids), [info.id for info in wanted], db_time(since)
    anchored = any(info.needs_anchor for info in wanted)
    params: list[Any] = [*who, db_time(adjusted_until), *who, *what, lower, lower, *who, *what, lower, *who, *who]
    if anchored:
        params += [*who, *what, *who]
    facts = {(subject_id, definition_id): Facts(since=since) for subject_id in who for definition_id in what}
    with connection.cursor() as cursor:
        cursor.execute(_load_statement(len(who), len(what), anchored=anchored), params)
        found = cursor.fetchall()
    for row in found:
        _take(facts, row, what)
    return facts


def load_schedule(subject_id: int, facts: Mapping[int, Facts]) -> None:
    """Ask again which definitions a scheduled plan change touches, after plan grants changed. One statement."""
    for each in facts.values():
        each.scheduled_at = None
    with connection.cursor() as cursor:
        cursor.execute(_schedule_statement(1), [subject_id, subject_id])
        for row in cursor.fetchall():
            _take_schedule({(subject_id, definition_id): each for definition_id, each in facts.items()}, row, facts)


def _take_schedule(facts: dict[tuple[int, int], Facts], row: Sequence[Any], what: Iterable[int]) -> None:
    for definition_id in what:
        each = facts[row[19], definition_id]
        each.upcoming = True
        if definition_id == row[1]:
            each.scheduled_at = utc(row[8])


def _take(facts: dict[tuple[int, int], Facts], row: Sequence[Any], what: Iterable[int]) -> None:
    kind, subject_id = row[0], row[19]
    if kind == "a":
        for definition_id in what:
            facts[subject_id, definition_id].anchor_at = utc(row[8])
        return
    if kind == "u":
        _take_schedule(facts, row, what)
        return
    of = facts[subject_id, row[1]]
    if kind == "f":
        of.anchor_at = utc(row[8])
    elif kind == "h":
        of.holds.append(HoldFacts(id=row[2], rest=row[3], expires_at=utc(row[9])))
    else:
        of.grants.append(_grant(row))
        of.adjusted |= row[12] is not None
        if row[13] is not None:
            of.lots[row[2]] = _lot(row)


def _grant(row: Sequence[Any]) -> GrantFacts:
    expires_at, ended_at = utc(row[9]), utc(row[10])
    ends = [end for end in (expires_at, ended_at) if end is not None]
    return GrantFacts(
        id=row[2],
        amount=row[3],
        kind=GrantKind(row[4]),
        replenish=Replenish(row[5]),
        override=EnforcementOverride(row[6]) if row[6] else None,
        source=SourceType(row[7]),
        effective_at=utc(row[8]),
        ends_at=min(ends, default=None),
        taken=int(row[11]),
        frozen=int(row[12] or 0) > 0,
    )


def _lot(row: Sequence[Any]) -> Lot:
    return Lot(
        grant_id=row[2],
        granted=row[14],
        remaining=row[15],
        pool=Pool(row[16]) if row[16] else None,
        burn_class=row[17],
        effective_at=utc(row[8]),
        expires_sort=utc(row[18]),
    )


def read_lots(subject_id: int, definition_id: int) -> list[Lot]:
    """The open lots of the running window in burn order; the head's ``remaining`` is None."""
    with connection.cursor() as cursor:
        cursor.execute(sql.READ_LOTS, [subject_id, definition_id])
        return in_burn_order(_lot_read(row) for row in cursor.fetchall())


def read_lots_of(subject_id: int, definition_ids: Sequence[int]) -> dict[int, list[Lot]]:
    """The same for several definitions, by their ids. One statement."""
    found: dict[int, list[Lot]] = {definition_id: [] for definition_id in definition_ids}
    for row in fetch(sql.read_lots_of(len(found)), [subject_id, *found]):
        found[row[7]].append(_lot_read(row))
    return found


def _lot_read(row: Sequence[Any]) -> Lot:
    return Lot(row[0], row[1], row[2], Pool(row[3]) if row[3] else None, row[4], utc(row[5]), utc(row[6]))


@dataclass(slots=True)
class LedgerSums:
    """What the ledger says of one (subject, definition) in one window: units per grant, and overage nobody paid."""

    paid: dict[int, Paid] = field(default_factory=dict)
    overage: int = 0


@cache
def _paid_statement(subjects: int, definitions: int) -> str:
    who, what = ", ".join(["%s"] * subjects), ", ".join(["%s"] * definitions)
    of = (
        f"subject_type = 'billable_entity' AND subject_id IN ({who}) AND entitlement_definition_id IN ({what})"
        " AND occurred_at > %s AND occurred_at <= %s"
    )
    return f"""
SELECT x.subject_id, x.entitlement_definition_id, x.window_start_at, x.grant_id, SUM(x.amount), SUM(x.overage) FROM (
  SELECT subject_id, entitlement_definition_id, grant_id, window_start_at,
    CASE WHEN grant_id IS NULL THEN 0 ELSE amount END AS amount, overage_amount AS overage
  FROM billing_entitlement_consumptions WHERE {of}
  UNION ALL
  SELECT subject_id, entitlement_definition_id, grant_id, window_start_at, amount,
    CASE WHEN kind = 'overage_settlement' THEN -amount ELSE 0 END
  FROM billing_entitlement_allocations WHERE {of}
) x GROUP BY x.subject_id, x.entitlement_definition_id, x.window_start_at, x.grant_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """What one grant (None: nobody) paid in one window, and how that changed the window's unpaid overage."""

    window_start: datetime
    grant_id: int | None
    amount: int
    overage: int


def load_ledger(
    subject_ids: Sequence[int],
    definition_ids: Sequence[int],
    *,
    after: datetime = LIFETIME_START - timedelta(days=1),
    until: datetime = LIFETIME_END,
) -> dict[tuple[int, int], list[LedgerLine]]:
    """The ledger summed by grant and window, of uses in ``(after, until]``. One statement that reads the ledger."""
    lines: dict[tuple[int, int], list[LedgerLine]] = {}
    who, what = list(subject_ids), list(definition_ids)
    with connection.cursor() as cursor:
        cursor.execute(_paid_statement(len(who), len(what)), [*who, *what, db_time(after), db_time(until)] * 2)
        for subject_id, definition_id, window_start, grant_id, amount, overage in cursor.fetchall():
            lines.setdefault((subject_id, definition_id), []).append(
                LedgerLine(window_start=utc(window_start), grant_id=grant_id, amount=int(amount), overage=int(overage))
            )
    return lines


def sum_up(lines: Iterable[LedgerLine], window_start: datetime) -> LedgerSums:
    """What every grant paid in the window that starts at ``window_start`` and in all others, and its unpaid overage."""
    sums = LedgerSums()
    for line in lines:
        here = line.window_start == window_start
        if here:
            sums.overage += line.overage
        if line.grant_id is not None:
            known = sums.paid.get(line.grant_id, Paid())
            sums.paid[line.grant_id] = Paid(
                here=known.here + (line.amount if here else 0),
                elsewhere=known.elsewhere + (0 if here else line.amount),
            )
    return sums
