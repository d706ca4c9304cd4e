"""
The engine driven as its callers drive it: facts in lists instead of tables, one standing kept from event to event.

Time and new grants move the standing by ``advance``; uses by ``allocate`` and ``debit``; reversals by ``debit`` with the sign
turned; a take, a freeze or a release throws it away and projects it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing.engine.burndown import allocate, debit, settle
from billing.engine.lots import Lot, pool_of
from billing.engine.projection import Paid, advance, held_at, next_change, project
from billing.engine.reversal import TakeBack, merged, take_back
from billing.engine.standing import Figures, Standing, figures
from billing.engine.types import (
    AdjustmentKind,
    GrantFacts,
    HoldFacts,
    Pool,
    Replenish,
    Rule,
    Settlement,
    Share,
    Window,
)
from billing.engine.windows import rolling_span, window_at
from tests.engine.driven_facts import Booked, NotAllowed, SetAside

INSTANT = timedelta(milliseconds=1)


@dataclass(kw_only=True)
class Driven:
    rule: Rule
    standing: Standing
    anchor_at: datetime | None = None
    grants: dict[int, GrantFacts] = field(default_factory=dict)
    adjustments: list[tuple[int, AdjustmentKind, datetime, int]] = field(default_factory=list)
    uses: list[Booked] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    holds: list[SetAside] = field(default_factory=list)

    @classmethod
    def begin(cls, rule: Rule, *, now: datetime, anchor_at: datetime | None) -> Driven:
        window = window_at(rule, now, anchor_at=anchor_at)
        standing = project(rule, window, at=now, grants=[], paid={}, overage=0, held=0)
        return cls(rule=rule, standing=standing, anchor_at=anchor_at)

    # -- time -----------------------------------------------------------------------------------------------------

    def pass_time(self, to: datetime) -> None:
        if self.rule.is_rolling:
            self._let_uses_leave(to)
        passage = advance(self.standing, to=to, grants=self.facts(), holds=self.live_holds(), anchor_at=self.anchor_at)
        self.settlements += passage.settlements

    def _let_uses_leave(self, to: datetime) -> None:
        """What a caller sums by the index under the lock: uses that have grown older than the span since the last event."""
        span = rolling_span(self.rule)
        for use in self.uses:
            if not self.standing.as_of < use.occurred_at + span <= to:
                continue
            self.standing.overage -= use.net_overage
            for share in use.shares:
                if pool := self._pool(share.grant_id):
                    self.standing.pool_used[pool] -= share.amount

    def passed_in_two(self, middle: datetime, to: datetime) -> tuple[Standing, list[Settlement]]:
        """What ``pass_time`` would give with a stop on the way. Nothing is changed."""
        other = deepcopy(self)
        other.settlements = []
        other.pass_time(middle)
        other.pass_time(to)
        return other.standing, other.settlements

    # -- grants ---------------------------------------------------------------------------------------------------

    def grant(self, grant: GrantFacts, *, now: datetime) -> None:
        self.pass_time(now)
        self.grants[grant.id] = grant
        self.pass_time(now)

    def end(self, grant_ids: Sequence[int], *, now: datetime, new: GrantFacts | None = None) -> None:
        self.pass_time(now)
        for grant_id in grant_ids:
            grant = self.grants[grant_id]
            if grant.ends_at is None or now < grant.ends_at:
                self.grants[grant_id] = replace(grant, ends_at=now)
        if new is not None:
            self.grants[new.id] = new
        self.pass_time(now)

    def adjust(self, grant_id: int, kind: AdjustmentKind, *, now: datetime, target: int = 0) -> None:
        self.pass_time(now)
        grant = self.grants[grant_id]
        keeps_what_it_paid = self.rule.is_consumable and (
            (not self.rule.has_windows and not self.rule.is_rolling) or grant.replenish is Replenish.ONCE
        )
        if kind is AdjustmentKind.TAKE and grant.amount is not None and keeps_what_it_paid:
            paid = self.paid(None)[grant_id]
            target = min(target, grant.amount - grant.taken - paid.here - paid.elsewhere)
        self.adjustments.append((grant_id, kind, now, target))
        self.grants[grant_id] = self._as_of(grant, now)
        self._project_again(now)

    # -- uses -----------------------------------------------------------------------------------------------------

    def use(self, amount: int, *, hard: bool, now: datetime, occurred_at: datetime) -> Booked:
        self.pass_time(now)
        if occurred_at < self.standing.window.start:
            return self._use_late(amount, hard=hard, now=now, occurred_at=occurred_at)
        if hard and not self.fits(amount):
            raise NotAllowed
        return self._book(self.standing, amount, occurred_at)

    def fits(self, amount: int) -> bool:
        effective = figures(self.standing).effective
        return effective is None or amount <= effective

    def _use_late(self, amount: int, *, hard: bool, now: datetime, occurred_at: datetime) -> Booked:
        """As at the last instant of the closed window; of once lots only those still open."""
        window = window_at(self.rule, occurred_at, anchor_at=self.anchor_at)
        grants = [
            self._as_of(grant, window.end - INSTANT)
            if grant.replenish is Replenish.PER_WINDOW
            else self._still(grant, window, now)
            for grant in self.grants.values()
        ]
        then = project(
            self.rule,
            window,
            at=window.end - INSTANT,
            grants=grants,
            paid=self.paid(window),
            overage=self.unpaid(window),
            held=0,
        )
        effective = figures(then).effective
        if hard and effective is not None and amount > effective:
            raise NotAllowed
        booked = self._book(then, amount, occurred_at)
        lots = {lot.grant_id: lot for lot in self.standing.lots}
        for share in booked.shares:
            if share.grant_id in lots:
                self._move_elsewhere(lots[share.grant_id], share.amount)
        return booked

    def _book(self, standing: Standing, amount: int, occurred_at: datetime) -> Booked:
        shares = allocate(standing, amount)
        overage = amount - sum(share.amount for share in shares)
        debit(standing, shares)
        standing.overage += overage
        booked = Booked(
            amount=amount, overage=overage, occurred_at=occurred_at, window=standing.window, shares=list(shares)
        )
        self.uses.append(booked)
        if self.rule.is_rolling and occurred_at + rolling_span(self.rule) <= standing.as_of:
            self._project_again(standing.as_of)
        return booked

    def reverse(self, use_id: int, amount: int, *, now: datetime) -> TakeBack:
        self.pass_time(now)
        use = self.uses[use_id]
        if amount > use.net:
            raise NotAllowed
        settled = [share for s in self.settlements if s.window_start == use.window.start for share in s.shares]
        back = take_back(
            amount,
            overage=use.net_overage,
            unpaid=use.net_overage if self.rule.is_rolling else self.unpaid(use.window),
            settlements=settled,
            shares=use.shares,
        )
        use.reversed_amount += amount
        use.reversed_overage += back.overage
        use.shares += [Share(grant_id=share.grant_id, amount=-share.amount) for share in back.shares]
        given_back = tuple(Share(grant_id=share.grant_id, amount=-share.amount) for share in back.settled)
        self.settlements.append(Settlement(at=now, window_start=use.window.start, shares=given_back))
        self._give_back(back, use, now)
        return back

    def _give_back(self, back: TakeBack, use: Booked, now: datetime) -> None:
        """Into the standing that is kept: to open lots, to the pools of lots that ended, to once lots of closed windows."""
        running = use.window == self.standing.window
        counts = not self.rule.is_rolling or use.occurred_at + rolling_span(self.rule) > now
        if running and counts:
            self.standing.overage -= back.unpaid
        lots = {lot.grant_id: lot for lot in self.standing.lots}
        for share in merged(back.returned):
            pool, lot = self._pool(share.grant_id), lots.get(share.grant_id)
            if running and lot and (counts or not pool):
                debit(self.standing, [Share(grant_id=share.grant_id, amount=-share.amount)])
            elif running and counts and pool:
                self.standing.pool_used[pool] -= share.amount
            elif not running and lot:
                self._move_elsewhere(lot, -share.amount)
        self._settle(now)

    def _move_elsewhere(self, lot: Lot, amount: int) -> None:
        """A once lot paid in a closed window (negative: got back): the running one has less of it."""
        if self.grants[lot.grant_id].replenish is Replenish.ONCE:
            lot.granted = None if lot.granted is None else lot.granted - amount
            lot.remaining -= 0 if lot.granted is None else amount

    # -- holds ----------------------------------------------------------------------------------------------------

    def hold(self, amount: int, *, hard: bool, ttl: timedelta, now: datetime) -> None:
        self.pass_time(now)
        if hard and not self.fits(amount):
            raise NotAllowed
        self.holds.append(SetAside(rest=amount, expires_at=now + ttl))
        self.pass_time(now)

    def extend(self, hold_id: int, *, ttl: timedelta, now: datetime) -> None:
        self.pass_time(now)
        hold = self.holds[hold_id]
        if hold.closed or not hold.rest or hold.expires_at <= now:
            raise NotAllowed
        hold.expires_at = now + ttl
        self.pass_time(now)

    def drop(self, hold_id: int, *, now: datetime) -> None:
        self.pass_time(now)
        if self.holds[hold_id].closed:
            raise NotAllowed
        self.holds[hold_id].closed = True
        self.pass_time(now)

    def capture(self, hold_id: int, amount: int, *, now: datetime, above: str, final: bool) -> Booked:
        self.pass_time(now)
        hold = self.holds[hold_id]
        own = hold.rest if now < hold.expires_at else 0
        if hold.closed or (amount > hold.rest and above == "reject"):
            raise NotAllowed
        if amount > hold.rest and above == "if_available" and not self.fits(amount - own):
            raise NotAllowed
        hold.rest -= min(amount, hold.rest)
        hold.closed = final or not hold.rest
        self.pass_time(now)
        return self._book(self.standing, amount, now)

    # -- what the tables would say --------------------------------------------------------------------------------

    def figures(self) -> Figures:
        return figures(self.standing)

    def next_change_at(self, now: datetime) -> datetime | None:
        oldest = None
        if self.rule.is_rolling:
            span = rolling_span(self.rule)
            oldest = min((u.occurred_at for u in self.uses if u.net and u.occurred_at + span > now), default=None)
        return next_change(
            self.rule, self.standing.window, at=now, grants=self.facts(), holds=self.live_holds(), oldest_use_at=oldest
        )

    def facts(self) -> list[GrantFacts]:
        return list(self.grants.values())

    def live_holds(self) -> list[HoldFacts]:
        return [
            HoldFacts(id=number, rest=hold.rest, expires_at=hold.expires_at)
            for number, hold in enumerate(self.holds)
            if not hold.closed
        ]

    def projected(self, now: datetime) -> Standing:
        """The standing from the facts alone."""
        window = self.standing.window
        standing = project(
            self.rule,
            window,
            at=now,
            grants=self.facts(),
            paid=self.paid(window, now=now),
            overage=self.unpaid(window, now=now),
            held=held_at(self.live_holds(), now),
        )
        standing.count = self.standing.count
        return standing

    def _project_again(self, now: datetime) -> None:
        self.standing = self.projected(now)
        self._settle(now)

    def _settle(self, now: datetime) -> None:
        shares = settle(self.standing)
        if shares:
            self.settlements.append(Settlement(at=now, window_start=self.standing.window.start, shares=shares))

    def paid(self, window: Window | None, *, now: datetime | None = None) -> dict[int, Paid]:
        sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for use in self.uses:
            for share in use.shares:
                lasting = self.rule.is_rolling and not self._pool(share.grant_id)
                here = lasting or self._counts(use.window.start, use.occurred_at, window, now)
                sums[share.grant_id][0 if here else 1] += share.amount
        for settlement in self.settlements:
            for share in settlement.shares:
                here = self._counts(settlement.window_start, settlement.at, window, now)
                sums[share.grant_id][0 if here else 1] += share.amount
        paid = {grant_id: Paid(here=here, elsewhere=elsewhere) for grant_id, (here, elsewhere) in sums.items()}
        return defaultdict(Paid, paid)

    def unpaid(self, window: Window, *, now: datetime | None = None) -> int:
        recorded = sum(u.net_overage for u in self.uses if self._counts(u.window.start, u.occurred_at, window, now))
        settled = [s for s in self.settlements if s.window_start == window.start]
        return recorded - sum(share.amount for s in settled for share in s.shares)

    def _counts(self, start: datetime, occurred_at: datetime, window: Window | None, now: datetime | None) -> bool:
        if self.rule.is_rolling and now is not None:
            return occurred_at + rolling_span(self.rule) > now
        return window is not None and start == window.start

    # -- grants as of another instant -----------------------------------------------------------------------------

    def _as_of(self, grant: GrantFacts, at: datetime) -> GrantFacts:
        mine = [
            (kind, amount) for grant_id, kind, when, amount in self.adjustments if grant_id == grant.id and when <= at
        ]
        closing = [kind for kind, _ in mine if kind is not AdjustmentKind.TAKE]
        frozen = bool(closing) and closing[-1] is AdjustmentKind.FREEZE
        return replace(grant, taken=sum(amount for _, amount in mine), frozen=frozen)

    def _still(self, grant: GrantFacts, window: Window, now: datetime) -> GrantFacts:
        """A once grant, shut where it is not open any more or was not open then."""
        then = self._as_of(grant, window.end - INSTANT)
        return replace(grant, frozen=grant.frozen or then.frozen or not grant.active_at(now))

    def _pool(self, grant_id: int) -> Pool | None:
        return pool_of(self.rule, self.grants[grant_id])
