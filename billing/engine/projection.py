"""
From facts to a standing, and a standing through time.

Rules: sections 3 to 5 of the entitlement specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.engine.burndown import settle
from billing.engine.lots import Lot, in_burn_order, lot_of, pool_of
from billing.engine.standing import Standing
from billing.engine.types import GrantFacts, HoldFacts, Pool, Replenish, Rule, Settlement, Window
from billing.engine.windows import rolling_span, window_at

#: The last instant of a half-open span is this much before its end.
INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """What one grant paid: in the window at hand, and in all the others."""

    here: int = 0
    elsewhere: int = 0


@dataclass(slots=True)
class Passage:
    """What happened while time passed: overage that was paid, and how the window stood if it ended."""

    settlements: list[Settlement] = field(default_factory=list)
    at_end: Standing | None = None

    @property
    def window_ended(self) -> bool:
        return self.at_end is not None


def project(
    rule: Rule,
    window: Window,
    *,
    at: datetime,
    grants: Iterable[GrantFacts],
    paid: Mapping[int, Paid],
    overage: int,
    held: int,
) -> Standing:
    """
    The standing that the facts give, whatever order they came in.

    ``grants`` has every grant that is open at ``at`` or paid anything in the window; ``overage`` is what is unpaid of it.
    """
    standing = Standing(rule=rule, window=window, as_of=at, lots=[], overage=overage, held=held)
    nothing = Paid()
    for grant in grants:
        units = paid.get(grant.id, nothing)
        pool = pool_of(rule, grant)
        if pool is not None:
            standing.pool_used[pool] += units.here
        if grant.active_at(at) and not grant.frozen:
            standing.lots.append(lot_of(rule, grant, window, used=units.here, used_elsewhere=units.elsewhere))
    standing.lots = in_burn_order(standing.lots)
    return standing


def advance(
    standing: Standing,
    *,
    to: datetime,
    grants: Sequence[GrantFacts],
    holds: Iterable[HoldFacts],
    anchor_at: datetime | None = None,
) -> Passage:
    """
    Move ``standing`` to ``to``, boundary by boundary, and say what happened on the way.

    Lots that end leave with their rest; lots that begin pay unpaid overage at that instant; at the window's end a new
    window opens, in which per-window grants are full again and once grants have what they have left.
    """
    passage = Passage()
    if standing.rule.has_windows and to >= standing.window.end:
        _pass_boundaries(standing, passage, grants, until=standing.window.end)
        _open_lots(standing, standing.window.end - INSTANT, grants)
        passage.at_end = standing.copy()
        _open_window(standing, to, grants, anchor_at)
    else:
        _pass_boundaries(standing, passage, grants, until=to)
        _open_lots(standing, to, grants)
        _note(passage, standing, to)
    standing.as_of = max(standing.as_of, to)
    standing.held = held_at(holds, to)
    return passage


def next_change(
    rule: Rule,
    window: Window,
    *,
    at: datetime,
    grants: Iterable[GrantFacts],
    holds: Iterable[HoldFacts],
    oldest_use_at: datetime | None = None,
    scheduled_at: datetime | None = None,
) -> datetime | None:
    """
    The first instant after ``at`` at which something may change: a grant's start or end, a hold's end, the start of a
    scheduled plan change, the window's end, or the oldest use leaving a rolling span. Whether a number will change is not
    asked.
    """
    instants: list[datetime] = [] if scheduled_at is None else [scheduled_at]
    for grant in grants:
        if grant.ever_active:
            instants.append(grant.effective_at)
            if grant.ends_at is not None:
                instants.append(grant.ends_at)
    instants.extend(hold.expires_at for hold in holds if hold.rest > 0)
    if rule.has_windows:
        instants.append(window.end)
    if rule.is_rolling and oldest_use_at is not None:
        instants.append(oldest_use_at + rolling_span(rule))
    return min((instant for instant in instants if instant > at), default=None)


def held_at(holds: Iterable[HoldFacts], at: datetime) -> int:
    """Units set aside at ``at``: a hold stops counting at its end by itself."""
    return sum(hold.rest for hold in holds if hold.expires_at > at)


def _pass_boundaries(standing: Standing, passage: Passage, grants: Sequence[GrantFacts], *, until: datetime) -> None:
    """Step through the starts of grants in ``(as_of, until)``: only while overage waits does the way matter."""
    if standing.overage <= 0 or standing.rule.is_rolling:
        return
    boundaries = sorted(
        {grant.effective_at for grant in grants if grant.ever_active and standing.as_of < grant.effective_at < until}
    )
    for at in boundaries:
        _open_lots(standing, at, grants)
        _note(passage, standing, at)
        if standing.overage <= 0:
            return


def _note(passage: Passage, standing: Standing, at: datetime) -> None:
    shares = settle(standing)
    if shares:
        passage.settlements.append(Settlement(at=at, window_start=standing.window.start, shares=shares))


def _open_lots(standing: Standing, at: datetime, grants: Iterable[GrantFacts]) -> None:
    """Within a window: lots that are open go on as they are, new ones come in full, ended ones leave."""
    known = {lot.grant_id: lot for lot in standing.lots}
    standing.lots = in_burn_order(
        known.get(grant.id) or lot_of(standing.rule, grant, standing.window)
        for grant in grants
        if grant.active_at(at) and not grant.frozen
    )
    standing.as_of = max(standing.as_of, at)


def _open_window(standing: Standing, at: datetime, grants: Iterable[GrantFacts], anchor_at: datetime | None) -> None:
    """A new window: per-window grants are full again, once grants bring what they have left."""
    spent = {lot.grant_id: lot for lot in standing.lots}
    ended_at = standing.window.end
    found = window_at(standing.rule, at, anchor_at=anchor_at)
    standing.window = Window(start=max(found.start, ended_at), end=found.end)
    standing.pool_used = dict.fromkeys(Pool, 0)
    standing.overage = 0
    standing.lots = in_burn_order(
        _carried(standing, grant, spent.get(grant.id)) for grant in grants if grant.active_at(at) and not grant.frozen
    )


def _carried(standing: Standing, grant: GrantFacts, before: Lot | None) -> Lot:
    fresh = lot_of(standing.rule, grant, standing.window)
    if before is not None and grant.replenish is Replenish.ONCE and before.granted is not None:
        fresh.granted = fresh.remaining = before.remaining
    return fresh
