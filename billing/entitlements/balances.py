"""
Rebuild balances from the facts, and prove that they equal them.

``recompute`` throws a subject's projections away and writes what the facts give. ``verify`` compares, set-based in chunks of
subjects: every running balance and open lot with its rebuild at the instant the row is of, closed rows' overage, the sums of
shares, reversals and holds, and that versions rise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection

from billing.engine.projection import INSTANT, next_change
from billing.engine.types import LIFETIME_START, EntitlementType
from billing.engine.windows import rolling_span
from billing.entitlements import capacity, integrity, rows, sql, telemetry
from billing.entitlements.allowances import lock_many, with_head
from billing.entitlements.announcements import ChangeSource
from billing.entitlements.facts import Facts, LedgerLine, load_ledger, load_many, sum_up
from billing.entitlements.integrity import Difference
from billing.entitlements.passing import bring_row_up_to_date, load_facts, standing_from_facts
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id
from billing.entitlements.rolling import aged_between
from billing.entitlements.rows import Row
from billing.entitlements.scheduled import perform
from billing.entitlements.spending import settle_overage
from billing.entitlements.writing import write
from billing.models import Balance, BillableEntity, BillingEvent, Grant
from billing.models.events import EventStatus, EventType
from mozaiks.kit.db import run_in_transaction

CHUNK = 200
#: The event that says how a run over all subjects ended.
VERIFIED = "ledger.verified"

#: What is compared of a running row; ids, versions and bookkeeping times are not.
COMPARED = (
    "granted_amount",
    "consumed_amount",
    "held_amount",
    "effective_amount",
    "hard_limit_amount",
    "is_unlimited",
    "overage_amount",
    "over_limit",
    "lock_state",
    "enforcement_override",
    "next_change_at",
    "plan_granted",
    "plan_used",
    "bonus_granted",
    "bonus_used",
)


def recompute(entity: BillableEntity, *, now: datetime) -> int:
    """
    Rebuild all balances and open lots of a subject from the facts, in one transaction; returns how many rows there are.

    Facts stay as they are, except that overage which free units can pay is settled, as any other touch would do.
    """
    with telemetry.RECOMPUTE_SECONDS.time():
        return perform(lambda: _recompute(entity, now), now=now)


def _recompute(entity: BillableEntity, now: datetime) -> int:
    subject_id = entity.pk
    known = set(Balance.objects.for_subject(subject_id).running().values_list("definition_id", flat=True))
    known |= set(Grant.objects.for_subject(subject_id).values_list("definition_id", flat=True).distinct())
    if not known:
        return 0
    allowances = lock_many(subject_id, [definition_by_id(definition_id) for definition_id in sorted(known)], now=now)
    load_facts(allowances, rebuild=True)
    for allowance in allowances:
        settle_overage(allowance)
        bring_row_up_to_date(allowance)
        if allowance.info.is_capacity:
            capacity.recount(entity, allowance)
    write(allowances, source=ChangeSource.MANUAL_REFRESH)
    telemetry.RECOMPUTES.inc(len(allowances))
    return len(allowances)


def verify(subject_ids: Sequence[int] | None = None, *, tell: Callable[[int], None] | None = None) -> list[Difference]:
    """
    Every difference between the projections and the facts, of all subjects or of some. Writes nothing.

    A difference is looked at again under the subject's locks before it is reported, so that traffic causes no alarms.
    ``tell`` hears after every chunk how many subjects are done.
    """
    found: list[Difference] = []
    done = 0
    for chunk in _chunks(subject_ids):
        suspects = sorted({difference.subject_id for difference in _differences(chunk)})
        for subject_id in suspects:
            found += run_in_transaction(partial(_confirmed, subject_id))
        done += len(chunk)
        if tell is not None:
            tell(done)
    telemetry.DRIFT.set(len(found))
    return found


def note_verified(*, subjects: int, differences: int, now: datetime) -> BillingEvent:
    """Keep what a run over all subjects found, for the overview of the console and whoever asks when it was."""
    return BillingEvent.objects.create(
        event_type=EventType.SYSTEM,
        event_name=VERIFIED,
        status=EventStatus.PROCESSED,
        actor="verify_ledger",
        payload_json={"subjects": subjects, "differences": differences},
        received_at=now,
        processed_at=now,
        occurred_at=now,
    )


def subjects() -> int:
    """How many subjects there are to verify: whoever may have been given something."""
    return BillableEntity.objects.count()


def _chunks(subject_ids: Sequence[int] | None) -> Iterator[list[int]]:
    if subject_ids is not None:
        for start in range(0, len(subject_ids), CHUNK):
            yield list(subject_ids[start : start + CHUNK])
        return
    last = 0
    while True:
        after = BillableEntity.objects.filter(pk__gt=last).order_by("pk")
        chunk = list(after.values_list("pk", flat=True)[:CHUNK])
        if not chunk:
            return
        yield chunk
        last = chunk[-1]


def _confirmed(subject_id: int) -> list[Difference]:
    with connection.cursor() as cursor:
        statement = "SELECT id FROM billing_entitlement_balances WHERE subject_id = %s ORDER BY id"
        cursor.execute(statement if sql.is_sqlite() else f"{statement} FOR UPDATE", [subject_id])
        cursor.fetchall()
    return _differences([subject_id])


def _differences(subject_ids: list[int]) -> list[Difference]:
    stored = _read_rows(subject_ids)
    infos = {row.definition_id: definition_by_id(row.definition_id) for row in stored}
    found = _missing(subject_ids, stored)
    if not infos:
        return found
    facts = load_many(subject_ids, infos.values(), since=LIFETIME_START)
    ledger = load_ledger(subject_ids, list(infos))
    for row in stored:
        key = (row.subject_id, row.definition_id)
        lines = ledger.get(key, [])
        if row.closed_at is not None:
            found += _compare_closed(row, infos[row.definition_id], lines)
        elif row.version > 0:
            found += _compare_running(row, infos[row.definition_id], facts.get(key, Facts()), lines)
    return found + _falling_versions(stored) + integrity.broken_rules(subject_ids)


def _missing(subject_ids: list[int], stored: list[Row]) -> list[Difference]:
    """Whoever was given something has a balance of it."""
    known = {(row.subject_id, row.definition_id) for row in stored if row.closed_at is None}
    given = Grant.objects.filter(subject_id__in=subject_ids).values_list("subject_id", "definition_id").distinct()
    return [
        Difference(subject_id=subject, definition_id=definition, what="running balance", expected="one", actual="none")
        for subject, definition in sorted(set(given) - known)
    ]


def _read_rows(subject_ids: list[int]) -> list[Row]:
    marks = ", ".join(["%s"] * len(subject_ids))
    columns = ", ".join(sql.ROW_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {sql.BALANCES} WHERE subject_id IN ({marks}) ORDER BY id", subject_ids)
        return [rows.row_of(values) for values in cursor.fetchall()]


def _compare_running(row: Row, info: DefinitionInfo, facts: Facts, lines: list[LedgerLine]) -> list[Difference]:
    standing = standing_from_facts(info, row, facts, lines)
    if info.rule.type is not EntitlementType.STATE:
        # What follows from the definition's enforcement is derived again by whoever reads a row that was written before an edit.
        row.lock_state = rows.lock_state_of(info.rule, over_limit=row.over_limit)
    at = row.last_event_at
    oldest = None
    if info.rule.is_rolling:
        floor = at - rolling_span(info.rule)
        oldest = aged_between(row.subject_id, info.id, after=floor, until=floor).oldest_use_at
    rebuilt = replace(row)
    lapsed = any(grant.effective_at <= at and grant.ever_active for grant in facts.grants)
    override = facts.override_at(at)
    rows.take_figures(rebuilt, standing, override=override.value if override else None, lapsed=lapsed)
    rebuilt.next_change_at = next_change(
        info.rule,
        standing.window,
        at=_announced_until(row, info),
        grants=facts.grants,
        holds=facts.holds,
        oldest_use_at=oldest,
        scheduled_at=facts.scheduled_at,
    )
    if row.was_retired:
        rebuilt.next_change_at = None
    found = [
        _difference(row, name, getattr(rebuilt, name), getattr(row, name))
        for name in COMPARED
        if getattr(rebuilt, name) != getattr(row, name)
    ]
    if info.rule.is_consumable:
        expected = {lot.grant_id: (lot.granted, lot.remaining) for lot in standing.lots}
        actual = {lot.grant_id: (lot.granted, lot.remaining) for lot in with_head(facts.lots.values(), row)}
        if expected != actual:
            found.append(_difference(row, "open_lots", expected, actual))
    return found


def _announced_until(row: Row, info: DefinitionInfo) -> datetime:
    """The instant from which the next boundary counts: past the window's end where the row rests there (see ``passing``)."""
    at_its_end = info.rule.has_windows and row.last_event_at == row.window_end_at - INSTANT
    return row.window_end_at if at_its_end and row.next_change_at != row.window_end_at else row.last_event_at


def _compare_closed(row: Row, info: DefinitionInfo, lines: list[LedgerLine]) -> list[Difference]:
    expected = sum_up(lines, row.window_start_at).overage
    found = []
    if info.rule.is_consumable and expected != row.overage_amount:
        found.append(_difference(row, "closed overage_amount", expected, row.overage_amount))
    if row.next_change_at is not None:
        found.append(_difference(row, "closed next_change_at", None, row.next_change_at))
    return found


def _falling_versions(stored: list[Row]) -> list[Difference]:
    """The running row has seen everything the closed ones before it have."""
    running = {(row.subject_id, row.definition_id): row for row in stored if row.closed_at is None}
    return [
        _difference(row, "version", f"at most {newest.version}", row.version)
        for row in stored
        if (newest := running.get((row.subject_id, row.definition_id))) is not None
        and row.closed_at is not None
        and row.version > newest.version
    ]


def _difference(row: Row, what: str, expected: Any, actual: Any) -> Difference:
    return Difference(
        subject_id=row.subject_id, definition_id=row.definition_id, what=what, expected=expected, actual=actual
    )
