"""
Why a limit is what it is: its lots with what they were given for, the last uses, and one sentence per step.

Computed from the facts at the instant of the question, in a number of statements that does not grow with them. Nothing is
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from billing.engine.lots import Lot
from billing.engine.standing import Standing
from billing.engine.types import GrantFacts, Pool
from billing.engine.windows import rolling_span
from billing.entitlements.allowances import Allowance
from billing.entitlements.explained import Explanation, LotState, LotView, OperationView, ShareView, Surveyed
from billing.entitlements.facts import load, load_ledger, sum_up
from billing.entitlements.limitations import read_allowances, view_of
from billing.entitlements.passing import load_facts
from billing.entitlements.reasons import Situation, reasons
from billing.entitlements.scheduled import seen
from billing.entitlements.sources import Source, sources_of
from billing.models import Allocation, BillableEntity, Consumption, Grant

#: Lots beyond these are counted in the sums and not listed: open ones in the order they burn, others the latest first.
MOST_OPEN_LOTS = 200
MOST_OTHER_LOTS = 20
MOST_OPERATIONS = 20
#: Lots of each limit that a survey of all limits lists.
MOST_SURVEYED_LOTS = 12

_INSTANT = timedelta(milliseconds=1)


def explain(entity: BillableEntity, code: str, *, now: datetime) -> Explanation:
    """
    Why the limit ``code`` of ``entity`` is what it is now.

    :raises Invalid: there is no such limit in use.
    """
    return seen(lambda: _explain(entity, code, now=now), now=now)


def survey(entity: BillableEntity, *, now: datetime) -> tuple[Surveyed, ...]:
    """
    Every limit of ``entity`` with the lots that count or will count, in a number of statements that grows with neither.

    Grants that are over are left to ``explain``: to tell what they paid, the ledger has to be read.
    """
    return seen(lambda: _survey(entity, now=now), now=now)


def _survey(entity: BillableEntity, *, now: datetime) -> tuple[Surveyed, ...]:
    allowances = sorted(read_allowances(entity, now=now, codes=None), key=lambda allowance: allowance.info.code)
    # Rows that are due or missing know their grants already, and may have had to read all there ever were.
    load_facts([allowance for allowance in allowances if allowance.facts is None])
    shown = [(allowance, _counting(allowance), _waiting(allowance)) for allowance in allowances]
    ids = [lot.grant_id for _, lots, _ in shown for lot in lots[:MOST_SURVEYED_LOTS]]
    ids += [grant.id for _, _, waiting in shown for grant in waiting]
    sources = sources_of(list(Grant.objects.filter(pk__in=ids))) if ids else {}
    return tuple(
        Surveyed(
            limitation=view_of(allowance),
            lots=tuple(_surveyed(allowance, lots[:MOST_SURVEYED_LOTS], waiting, sources)),
            more_lots=max(0, len(lots) - MOST_SURVEYED_LOTS),
        )
        for allowance, lots, waiting in shown
    )


def _counting(allowance: Allowance) -> list[Lot]:
    return allowance.standing.lots if allowance.standing else []


def _waiting(allowance: Allowance) -> list[GrantFacts]:
    """Grants that do not count yet or do not count while they are frozen; the next to begin first."""
    counted = {lot.grant_id for lot in _counting(allowance)}
    known = allowance.facts.grants if allowance.facts else ()
    waiting = [
        grant
        for grant in known
        if grant.id not in counted and grant.ever_active and (grant.ends_at is None or grant.ends_at > allowance.at)
    ]
    return sorted(waiting, key=lambda grant: (grant.effective_at, grant.id))[:MOST_SURVEYED_LOTS]


def _surveyed(
    allowance: Allowance, lots: Iterable[Lot], waiting: Iterable[GrantFacts], sources: dict[int, Source]
) -> Iterator[LotView]:
    known = {grant.id: grant for grant in (allowance.facts.grants if allowance.facts else ())}
    left = _left_by_lot(allowance.standing) if allowance.standing else {}
    for lot in lots:
        yield _open_lot(known[lot.grant_id], lot, left[lot.grant_id], sources[lot.grant_id])
    for grant in waiting:
        yield _other_lot(grant, allowance.at, 0, sources[grant.id])


def _explain(entity: BillableEntity, code: str, *, now: datetime) -> Explanation:
    (allowance,) = read_allowances(entity, now=now, codes=[code])
    if allowance.facts is None:
        load_facts([allowance])
    standing = allowance.standing
    assert standing is not None  # noqa: S101 - it is there once facts were read
    lots = tuple(_lots(allowance, standing))
    consumable = allowance.info.rule.is_consumable
    return Explanation(
        entity=entity,
        generated_at=now,
        limitation=view_of(allowance),
        lots=lots,
        operations=tuple(_operations(entity.pk, allowance.info.id)) if consumable else (),
        steps=reasons(Situation(allowance=allowance, standing=standing, limit=view_of(allowance), lots=lots)),
    )


def _before_window(allowance: Allowance) -> datetime:
    """The last instant before the running window, or before the span of a rolling one."""
    rule = allowance.info.rule
    return allowance.at - rolling_span(rule) if rule.is_rolling else allowance.row.window_start_at - _INSTANT


def _lots(allowance: Allowance, standing: Standing) -> Iterator[LotView]:
    """The open lots in the order they burn, then the grants that do not count now and belong to the story."""
    known = {grant.id: grant for grant in (allowance.facts.grants if allowance.facts else ())}
    open_lots = standing.lots[:MOST_OPEN_LOTS]
    others = _others(allowance, standing)
    ids = [lot.grant_id for lot in open_lots] + [grant.id for grant in others]
    sources = sources_of(list(Grant.objects.filter(pk__in=ids))) if ids else {}
    left = _left_by_lot(standing)
    for lot in open_lots:
        yield _open_lot(known[lot.grant_id], lot, left[lot.grant_id], sources[lot.grant_id])
    paid = _paid_here(allowance, others)
    for grant in others:
        yield _other_lot(grant, allowance.at, paid.get(grant.id, 0), sources[grant.id])


def _others(allowance: Allowance, standing: Standing) -> list[GrantFacts]:
    """To come, frozen, or ended since the window began; the latest first."""
    facts = load(allowance.row.subject_id, [allowance.info], since=_before_window(allowance))[allowance.info.id]
    counted = {lot.grant_id for lot in standing.lots}
    others = [grant for grant in facts.grants if grant.id not in counted and grant.ever_active]
    others.sort(key=lambda grant: (grant.ends_at is None, grant.ends_at or grant.effective_at, grant.id), reverse=True)
    return others[:MOST_OTHER_LOTS]


def _left_by_lot(standing: Standing) -> dict[int, int | None]:
    """
    What each open lot can still pay, None while unlimited.

    Lots of a pool share one account: what the pool has left is in the lots that burn last.
    """
    left: dict[int, int | None] = {}
    pools = {pool: standing.pool_left(pool) for pool in Pool}
    for lot in reversed(standing.lots):
        if lot.granted is None:
            left[lot.grant_id] = None
        elif lot.pool is None or (pooled := pools[lot.pool]) is None:
            left[lot.grant_id] = max(0, lot.remaining)
        elif lot.remaining < 0:
            left[lot.grant_id] = 0  # it paid more than a take has left it
        else:
            left[lot.grant_id] = min(lot.granted, pooled)
            pools[lot.pool] = pooled - min(lot.granted, pooled)
    return left


def _open_lot(grant: GrantFacts, lot: Lot, left: int | None, source: Source) -> LotView:
    return LotView(
        grant_id=grant.id,
        kind=grant.kind,
        state=LotState.OPEN,
        replenish=grant.replenish,
        amount=grant.amount,
        granted=None if lot.granted is None else lot.worth,
        used=lot.used if left is None or lot.granted is None else lot.worth - left,
        remaining=left,
        effective_at=grant.effective_at,
        expires_at=grant.ends_at,
        source=source,
        taken=grant.taken,
    )


def _other_lot(grant: GrantFacts, at: datetime, paid: int, source: Source) -> LotView:
    state = LotState.ENDED
    if grant.effective_at > at:
        state = LotState.UPCOMING
    elif grant.active_at(at):
        state = LotState.FROZEN
    return LotView(
        grant_id=grant.id,
        kind=grant.kind,
        state=state,
        replenish=grant.replenish,
        amount=grant.amount,
        granted=0,
        used=paid,
        remaining=0,
        effective_at=grant.effective_at,
        expires_at=grant.ends_at,
        source=source,
        taken=grant.taken,
    )


def _paid_here(allowance: Allowance, others: Sequence[GrantFacts]) -> dict[int, int]:
    """Units that grants which no longer count paid in the window. The ledger is read only where there are any."""
    if not allowance.info.rule.is_consumable or all(grant.effective_at > allowance.at for grant in others):
        return {}
    subject_id, definition_id = allowance.row.subject_id, allowance.row.definition_id
    lines = load_ledger([subject_id], [definition_id], after=_before_window(allowance))
    sums = sum_up(lines.get((subject_id, definition_id), []), allowance.row.window_start_at)
    return {grant_id: paid.here for grant_id, paid in sums.paid.items()}


def _operations(subject_id: int, definition_id: int) -> Iterator[OperationView]:
    """The latest uses first, each with who paid. Read in the order of the index, so that history costs nothing."""
    latest = Consumption.objects.filter(subject_id=subject_id, definition_id=definition_id)
    rows = list(latest.order_by("-occurred_at", "-amount", "-pk")[:MOST_OPERATIONS])
    rows.sort(key=lambda row: (row.occurred_at, row.pk), reverse=True)
    shares = _shares([row.pk for row in rows if row.grant_id is None])
    for row in rows:
        alone = () if row.grant_id is None else (ShareView(grant_id=row.grant_id, amount=row.amount),)
        yield OperationView(
            id=row.pk,
            amount=row.amount,
            overage_amount=row.overage_amount,
            reason_code=row.reason_code,
            occurred_at=row.occurred_at,
            advisory=row.advisory,
            reverses_id=row.reverses_id,
            operation_key=row.operation_key,
            request_id=row.request_id,
            paid_by=alone or shares.get(row.pk, ()),
        )


def _shares(consumption_ids: Sequence[int]) -> dict[int, tuple[ShareView, ...]]:
    if not consumption_ids:
        return {}
    found = Allocation.objects.filter(consumption_id__in=consumption_ids).order_by("consumption_id", "pk")
    rows = found.values_list("consumption_id", "grant_id", "amount")
    return {
        consumption_id: tuple(ShareView(grant_id=grant_id, amount=amount) for _, grant_id, amount in group)
        for consumption_id, group in groupby(rows, key=itemgetter(0))
    }
