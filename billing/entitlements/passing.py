"""
Time passes for allowances: bring them to the instant of the operation, from what is stored or from the facts alone.

One statement reads the grants of any number of definitions, and of any number of subjects; a rebuild reads their ledger too.

A window *rests* when it is over and nobody has used the next one: the boundary worker leaves its row at its last instant, with
the first boundary after its end, and opens nothing. Whoever touches it opens the window they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from billing.engine.projection import INSTANT, Paid, advance, held_at, next_change, project
from billing.engine.standing import Standing
from billing.engine.types import LIFETIME_START, EntitlementType, LockState, Pool, Replenish, Window
from billing.engine.windows import rolling_span, window_at
from billing.entitlements import rows
from billing.entitlements.allowances import Allowance, images_of, standing_of, with_head
from billing.entitlements.facts import (
    Facts,
    LedgerLine,
    LedgerSums,
    load,
    load_ledger,
    load_many,
    read_lots_of,
    sum_up,
)
from billing.entitlements.resolvers import DefinitionInfo
from billing.entitlements.rolling import Stretch, aged_in
from billing.entitlements.rows import Row
from billing.entitlements.scheduled import require_no_due_change


def roll_forward(allowances: Sequence[Allowance], *, reading: bool = False) -> None:
    """
    Bring every due allowance to its ``at``. One statement for their facts, none where nothing is due.

    ``reading``: a row that is missing has no ledger behind it either, so that none is read.
    """
    due = [allowance for allowance in allowances if allowance.is_due]
    load_facts(due, with_ledger=not reading)
    for allowance in due:
        bring_row_up_to_date(allowance)


def load_facts(
    allowances: Sequence[Allowance],
    *,
    whole_history: bool = False,
    rebuild: bool = False,
    with_ledger: bool = True,
    resting: bool = False,
) -> None:
    """
    Read the grants of ``allowances`` and bring them to their ``at``: before grants change, or when a boundary passed.

    ``whole_history`` brings the grants that are over too; ``rebuild`` believes nothing but the facts. ``resting``: a window that
    is over stays as it ended, and the next one is left to whoever uses it; only the boundary worker asks for that.
    :raises PlanChangeDue: a scheduled plan change comes first (see ``scheduled``).
    """
    if not allowances:
        return
    unknown = [allowance for allowance in allowances if rebuild or allowance.row.version == 0]
    whole = whole_history or bool(unknown)
    since = LIFETIME_START if whole else min(allowance.row.last_event_at for allowance in allowances)
    subject_ids = sorted({allowance.row.subject_id for allowance in allowances})
    facts = load_many(subject_ids, {each.info.id: each.info for each in allowances}.values(), since=since)
    consumable = sorted({allowance.info.id for allowance in unknown if allowance.info.rule.is_consumable})
    ledger = load_ledger(subject_ids, consumable) if consumable and with_ledger else {}
    for allowance in allowances:
        allowance.facts = facts[allowance.row.subject_id, allowance.info.id]
    require_no_due_change(allowances)
    for allowance in allowances:
        key = (allowance.row.subject_id, allowance.info.id)
        from_facts = rebuild or allowance.row.version == 0
        allowance.standing = _standing(allowance, facts[key], ledger.get(key, []) if from_facts else None)
    _age([allowance for allowance in allowances if allowance.info.rule.is_rolling])
    for allowance in allowances:
        _advance(allowance, facts[allowance.row.subject_id, allowance.info.id], resting=resting)


def load_lots(allowances: Sequence[Allowance]) -> None:
    """
    Read the open lots of allowances of one subject that are consumable and not due: all that counts for them now. One statement.

    No boundary has passed, so nothing else of what was granted before can matter; ``facts`` stay unread.
    """
    if not allowances:
        return
    lots = read_lots_of(allowances[0].row.subject_id, [allowance.info.id for allowance in allowances])
    for allowance in allowances:
        allowance.stored_lots = images_of(lots[allowance.info.id], allowance.row.window_start_at)
        allowance.standing = standing_of(allowance, with_head(lots[allowance.info.id], allowance.row))
        allowance.standing.as_of = allowance.at


def _standing(allowance: Allowance, facts: Facts, lines: Iterable[LedgerLine] | None) -> Standing:
    """Where the row stands at its last event: as it says itself, or as ``lines`` of the ledger give it."""
    if allowance.row.version == 0 and allowance.info.needs_anchor:
        place_window(allowance, facts)
    allowance.stored_lots = images_of(facts.lots.values(), allowance.row.window_start_at)
    if lines is not None:
        return standing_from_facts(allowance.info, allowance.row, facts, lines)
    return standing_of(allowance, with_head(facts.lots.values(), allowance.row))


def place_window(allowance: Allowance, facts: Facts) -> None:
    """The window of an anniversary row that was never computed is known once the anchor is."""
    row = allowance.row
    if facts.anchor_at is not None:
        window = window_at(allowance.info.rule, row.last_event_at, anchor_at=facts.anchor_at)
        row.window_start_at, row.window_end_at = window.start, window.end


def standing_from_facts(info: DefinitionInfo, row: Row, facts: Facts, lines: Iterable[LedgerLine]) -> Standing:
    """What the facts say of the row's window at the instant the row is of."""
    sums = sum_up(lines, row.window_start_at)
    if info.rule.is_rolling:
        floor = row.last_event_at - rolling_span(info.rule)
        recent = load_ledger([row.subject_id], [info.id], after=floor).get((row.subject_id, info.id), [])
        sums = _recent_of_pool(sums, sum_up(recent, row.window_start_at), facts)
    standing = project(
        info.rule,
        Window(start=row.window_start_at, end=row.window_end_at),
        at=row.last_event_at,
        grants=facts.grants,
        paid=sums.paid,
        overage=sums.overage,
        held=held_at(facts.holds, row.last_event_at) if info.rule.is_consumable else 0,
    )
    standing.count = row.consumed_amount if info.is_capacity else 0
    return standing


def _recent_of_pool(life: LedgerSums, recent: LedgerSums, facts: Facts) -> LedgerSums:
    """In a rolling window the pool and the overage count the span only, once lots their whole life."""
    pooled = {grant.id for grant in facts.grants if grant.replenish is Replenish.PER_WINDOW}
    paid = {
        grant_id: recent.paid.get(grant_id, Paid()) if grant_id in pooled else units
        for grant_id, units in life.paid.items()
    }
    return LedgerSums(paid=paid, overage=recent.overage)


def _advance(allowance: Allowance, facts: Facts, *, resting: bool) -> None:
    """Let time pass until the operation's instant, or until the end of a window that nobody has used since."""
    standing = allowance.standing
    if standing is None:
        raise ValueError("time passes for what was read")
    if resting and _rests(allowance, facts):
        allowance.rests = True
        allowance.at = max(allowance.row.last_event_at, allowance.row.window_end_at - INSTANT)
    passage = advance(standing, to=allowance.at, grants=facts.grants, holds=facts.holds, anchor_at=facts.anchor_at)
    allowance.settlements += passage.settlements
    if passage.at_end is not None:
        allowance.closed_rows.append(_closed(allowance, passage.at_end))
        allowance.row = replace(allowance.row, id=0, created_at=allowance.at, closed_at=None)


def _rests(allowance: Allowance, facts: Facts) -> bool:
    """Whether the window is over and nothing else has happened since its end."""
    end = allowance.row.window_end_at
    if end > allowance.at:
        return False
    later = _next_change(allowance, facts, allowance.window, at=end)
    return later is None or later > allowance.at


def _age(allowances: Sequence[Allowance]) -> None:
    """Take what left the rolling span since the row's last event out of the standings."""
    stretches = []
    for allowance in allowances:
        row, span = allowance.row, rolling_span(allowance.info.rule)
        after, until = row.last_event_at - span, allowance.at - span
        stretches.append(Stretch(subject_id=row.subject_id, definition_id=allowance.info.id, after=after, until=until))
    for allowance, aged in zip(allowances, aged_in(stretches), strict=True):
        if allowance.standing is not None:
            allowance.standing.pool_used[Pool.BASE] -= aged.pool
            allowance.standing.overage -= aged.overage
        allowance.oldest_use_at = aged.oldest_use_at


def _closed(allowance: Allowance, at_end: Standing) -> Row:
    """The row of the window that ended, with its last numbers; nobody pays its overage any more."""
    row = replace(allowance.row, closed_at=allowance.at, next_change_at=None)
    override = allowance.facts.strictest(lot.grant_id for lot in at_end.lots) if allowance.facts else None
    rows.take_figures(row, at_end, override=override)
    row.head_grant_id = row.head_remaining = row.head_pool = None
    row.last_event_at = max(row.last_event_at, row.window_end_at)
    return row


def _has_begun(allowance: Allowance, facts: Facts) -> bool:
    """Whether a state was ever granted; grants that were over before are asked for where those at hand do not tell."""
    begun = any(grant.effective_at <= allowance.at and grant.ever_active for grant in facts.grants)
    is_state = allowance.info.rule.type is EntitlementType.STATE
    if begun or not is_state or facts.since == LIFETIME_START or (allowance.standing and allowance.standing.lots):
        return begun
    whole = load(allowance.row.subject_id, [allowance.info], since=LIFETIME_START)[allowance.info.id]
    return _has_begun(allowance, whole)


def bring_row_up_to_date(allowance: Allowance) -> None:
    """Write the standing's numbers into the row, in memory; with the next boundary where grants were read."""
    row, facts = allowance.row, allowance.facts
    if allowance.standing is None:
        row.note_limits(allowance.info.rule)
        return
    override = row.enforcement_override
    lapsed = row.lock_state != LockState.NONE
    if facts is not None:
        came_and_went = any(grant.effective_at <= allowance.at and not grant.ever_active for grant in facts.grants)
        lapsed = (lapsed and not came_and_went) or _has_begun(allowance, facts)  # what ended as it began never was
        override = facts.override_at(allowance.at)
        row.last_recomputed_at = allowance.at
        seen_until = row.window_end_at if allowance.rests else allowance.at
        row.next_change_at = _next_change(allowance, facts, allowance.standing.window, at=seen_until)
    rows.take_figures(row, allowance.standing, override=override, lapsed=lapsed)


def _next_change(allowance: Allowance, facts: Facts, window: Window, *, at: datetime) -> datetime | None:
    return next_change(
        allowance.info.rule,
        window,
        at=at,
        grants=facts.grants,
        holds=facts.holds,
        oldest_use_at=allowance.oldest_use_at,
        scheduled_at=facts.scheduled_at,
    )
