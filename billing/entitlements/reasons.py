"""Says in one sentence per step why a limit's number is what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from billing.conf import quotas_enforced
from billing.engine.standing import Standing
from billing.engine.types import (
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    LockState,
    Pool,
    Replenish,
    WindowAnchor,
    WindowInterval,
)
from billing.entitlements.allowances import Allowance
from billing.entitlements.explained import LotState, LotView
from billing.entitlements.limitations import Limitation
from mozaiks.kit.times import utc_z

#: Grants beyond these are summed up in one sentence.
MOST_NAMED = 20

_SPANS = {
    WindowInterval.DAY: "24 hours",
    WindowInterval.WEEK: "7 days",
    WindowInterval.MONTH: "30 days",
    WindowInterval.YEAR: "365 days",
}
_POOLS = {Pool.BASE: "Plans", Pool.BONUS: "Bonuses of plans"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What the sentences are about: a limit with its standing and its lots, brought to one instant."""

    allowance: Allowance
    standing: Standing
    limit: Limitation
    lots: tuple[LotView, ...]

    @property
    def type(self) -> EntitlementType:
        return self.standing.rule.type

    @property
    def open_lots(self) -> list[LotView]:
        return [lot for lot in self.lots if lot.state is LotState.OPEN]


def reasons(situation: Situation) -> tuple[str, ...]:
    """The steps from what was given to what is left, in order."""
    return (
        _what_is_counted(situation),
        *_grants(situation),
        *_pools(situation),
        *_other_grants(situation),
        *_use(situation),
        _result(situation),
        *_consequence(situation),
        *_next_change(situation),
    )


def _what_is_counted(situation: Situation) -> str:
    limit, rule = situation.limit, situation.standing.rule
    if rule.type is EntitlementType.CAPACITY:
        return f"It limits how many there may be at a time, in units of “{limit.unit}”."
    if rule.type is EntitlementType.STATE:
        return "It is granted or it is not."
    if rule.type is EntitlementType.BALANCE or rule.interval is None:
        return f"It is a stock in units of “{limit.unit}” that never resets."
    if rule.is_rolling:
        return (
            f"It counts units of “{limit.unit}” over the last {_SPANS[rule.interval]}, "
            f"since {utc_z(limit.window_start_at)}."
        )
    began = "of the UTC calendar" if rule.anchor is WindowAnchor.CALENDAR_UTC else "from the day the first plan began"
    window = situation.standing.window
    return (
        f"It counts units of “{limit.unit}” per {rule.interval.value} {began}; "
        f"this window runs from {utc_z(window.start)} to {utc_z(window.end)}."
    )


def _grants(situation: Situation) -> Iterator[str]:
    named = situation.open_lots[:MOST_NAMED]
    if not situation.standing.lots:
        yield "No grant counts now, so the limit is 0."
    for lot in named:
        yield f"{_given(situation, lot)}{_until(lot)}."
    more = len(situation.standing.lots) - len(named)
    if more > 0:
        yield f"{more} more grants count."
    if situation.standing.rule.aggregation is AggregationMode.MAX and len(situation.standing.lots) > 1:
        yield "Of several grants the largest counts."


def _given(situation: Situation, lot: LotView) -> str:
    title = lot.source.title
    if situation.type is EntitlementType.STATE:
        return f"{title} grants it"
    if lot.granted is None:
        return f"{title} is unlimited"
    taken = f", {lot.taken} of which were taken back" if lot.taken else ""
    if situation.type is EntitlementType.CAPACITY:
        return f"{title} allows {lot.granted}" + (f" of {lot.amount}{taken}" if taken else "")
    spent = f"{lot.used} used, {lot.remaining} left"
    if taken:
        return f"{title} gave {lot.amount}{taken}; {lot.granted} count in this window: {spent}"
    if lot.amount is not None and lot.granted < lot.amount:
        return f"{title} gave {lot.amount}, of which {lot.granted} came into this window: {spent}"
    if lot.replenish is Replenish.PER_WINDOW and situation.type is EntitlementType.METERED_QUOTA:
        return f"{title} gives {lot.granted} in every window: {spent}"
    return f"{title} gave {lot.granted}: {spent}"


def _until(lot: LotView) -> str:
    return f", until {utc_z(lot.expires_at)}" if lot.expires_at else ""


def _pools(situation: Situation) -> Iterator[str]:
    """Plans share one account in a window: what one of them paid stays paid when the next one takes over."""
    standing = situation.standing
    for pool in Pool:
        lots = [lot for lot in standing.lots if lot.pool is pool]
        granted, used = standing.pool_granted(pool), standing.pool_used[pool]
        told = standing.rule.is_rolling or used == sum(lot.used for lot in lots)
        if lots and granted is not None and not (told and len(lots) == 1):
            yield (
                f"{_POOLS[pool]} share one account in this window: {used} of {granted} were paid, "
                f"by this one or by those before, so {standing.pool_left(pool)} are left."
            )


def _other_grants(situation: Situation) -> Iterator[str]:
    for lot in situation.lots:
        title = lot.source.title
        amount = "without limit" if lot.amount is None else str(lot.amount)
        amount += f", {lot.taken} of which were taken back" if lot.taken else ""
        if lot.state is LotState.UPCOMING:
            yield f"{title} ({amount}) begins at {utc_z(lot.effective_at)}{_until(lot)}."
        elif lot.state is LotState.FROZEN:
            yield f"{title} ({amount}) is frozen and does not count."
        elif lot.state is LotState.ENDED and lot.expires_at is not None:
            paid = f"; the {lot.used} it paid in this window stay paid" if lot.used else ""
            yield f"{title} ({amount}) ended at {utc_z(lot.expires_at)} and took what was left of it with it{paid}."


def _use(situation: Situation) -> Iterator[str]:
    standing = situation.standing
    if situation.type is EntitlementType.CAPACITY:
        yield f"{situation.limit.consumed_amount} are counted now."
    if standing.overage > 0:
        yield f"{standing.overage} were used beyond what the grants could pay; units that become free pay them."
    if standing.held > 0:
        yield f"{standing.held} are set aside by holds."


def _result(situation: Situation) -> str:
    limit, standing = situation.limit, situation.standing
    if situation.type is EntitlementType.STATE:
        return "So it is granted." if limit.granted_amount else "So it is not granted."
    if limit.unlimited:
        return "So there is no limit."
    if situation.type is EntitlementType.CAPACITY:
        return f"Room: {limit.granted_amount} allowed - {limit.consumed_amount} in use = {limit.effective_amount}."
    left = (limit.effective_amount or 0) + standing.overage + standing.held
    return f"Left: {left} in the grants - {standing.overage} unpaid - {standing.held} held = {limit.effective_amount}."


def _consequence(situation: Situation) -> Iterator[str]:
    limit = situation.limit
    if limit.over_limit and limit.lock_state != LockState.NONE:
        yield f"It is over its limit, and so its lock state is {limit.lock_state}."
    if limit.unlimited or (situation.type is EntitlementType.STATE and limit.granted_amount):
        return
    by_grant = ", as a grant says" if situation.allowance.row.enforcement_override else ""
    if not quotas_enforced():
        yield "Quotas are not enforced here: nothing is refused."
    elif EnforcementMode(limit.enforcement_mode) is EnforcementMode.SOFT_WARN:
        yield f"What does not fit is let through and recorded{by_grant}."
    else:
        yield f"What does not fit is refused{by_grant}."


def _next_change(situation: Situation) -> Iterator[str]:
    if situation.limit.next_change_at is not None:
        yield f"It may change by itself at {utc_z(situation.limit.next_change_at)}."
