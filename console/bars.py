"""A limit in words and as a bar: how full it is, what that means, and what happens to it next and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.engine.types import EnforcementMode, EntitlementType, LockState, WindowAnchor
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.entitlements.explained import LotState, LotView, Surveyed
from billing.entitlements.limitations import Limitation
from mozaiks.kit.times import spoken

#: From this share of its limit on, in percent, a limit is called nearly full.
NEARLY_FULL = 80
NOTHING_GRANTED = "nothing granted"

_PER = {"day": "a day", "week": "a week", "month": "a month", "year": "a year"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge:
    """A word about a limit; its tone is good, warning, bad or plain."""

    text: str
    tone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """
    One limit of a customer as the console shows it.

    ``used_share`` and ``held_share`` are percents of the bar, together at most 100.
    """

    limit: Limitation
    lots: tuple[LotView, ...]
    more_lots: int
    counted: str
    badges: tuple[Badge, ...]
    sentence: str
    following: tuple[str, ...]
    used_share: int
    held_share: int

    @property
    def tone(self) -> str:
        return self.badges[0].tone

    @property
    def is_idle(self) -> bool:
        """Nothing was ever granted, and nothing is used."""
        return self.badges[0].text == NOTHING_GRANTED and not self.limit.consumed_amount

    @property
    def has_bar(self) -> bool:
        return self.limit.entitlement_type != EntitlementType.STATE


def bar_of(
    surveyed: Surveyed, *, now: datetime, enforced: bool, had_grants: bool, plan_changes_at: datetime | None
) -> Bar:
    """
    The limit in words.

    ``enforced`` says that quotas are; ``had_grants`` that something was granted at some time; ``plan_changes_at`` is the start of
    a scheduled plan change.
    """
    limit = surveyed.limitation
    used_share, held_share = _shares(limit)
    return Bar(
        limit=limit,
        lots=surveyed.lots,
        more_lots=surveyed.more_lots,
        counted=_counted(limit),
        badges=tuple(_badges(limit, enforced=enforced, had_grants=had_grants)),
        sentence=_sentence(limit, had_grants=had_grants),
        following=tuple(_following(surveyed, now=now, plan_changes_at=plan_changes_at)),
        used_share=used_share,
        held_share=held_share,
    )


def span(length: timedelta) -> str:
    """A length of time in one or two words: ``in 3 days``, ``in 5 hours``."""
    seconds = max(0, int(length.total_seconds()))
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = seconds // size
        if number >= 1:
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    return "less than a minute"


def _counted(limit: Limitation) -> str:
    if limit.entitlement_type == EntitlementType.STATE:
        return "granted or not"
    if limit.entitlement_type == EntitlementType.CAPACITY:
        return f"{limit.unit}, at a time"
    if limit.window_interval is None:
        return f"{limit.unit}, a stock that never resets"
    rolling = ", rolling" if limit.window_anchor == WindowAnchor.ROLLING else ""
    return f"{limit.unit}, {_PER[limit.window_interval]}{rolling}"


def _shares(limit: Limitation) -> tuple[int, int]:
    if limit.unlimited or not limit.granted_amount:
        return (100 if limit.over_limit or (limit.consumed_amount > 0 and not limit.unlimited) else 0), 0
    used = min(100, _percent(limit.consumed_amount, limit.granted_amount))
    return used, min(100 - used, _percent(limit.held_amount, limit.granted_amount))


def _percent(part: int, whole: int) -> int:
    """Rounded up, so that a bar is not empty while something was used; 100 only where all of it was."""
    return min(99, -(-part * 100 // whole)) if part < whole else 100


def _badges(limit: Limitation, *, enforced: bool, had_grants: bool) -> Iterator[Badge]:
    yield _state(limit, had_grants=had_grants)
    if limit.lock_state not in (LockState.NONE, ""):
        yield Badge(text=f"locked: {limit.lock_state.replace('_', ' ')}", tone="bad")
    if not enforced:
        yield Badge(text="advisory: nothing is refused", tone="plain")
    elif limit.enforcement_mode == EnforcementMode.SOFT_WARN:
        yield Badge(text="advisory: excess is let through", tone="plain")


def _state(limit: Limitation, *, had_grants: bool) -> Badge:
    if limit.unlimited:
        return Badge(text="unlimited", tone="good")
    if limit.over_limit:
        return Badge(text=f"over its limit by {_over_by(limit):,}", tone="bad")
    if not limit.granted_amount:
        return Badge(text="expired", tone="bad") if had_grants else Badge(text=NOTHING_GRANTED, tone="plain")
    if limit.entitlement_type == EntitlementType.STATE:
        return Badge(text="granted", tone="good")
    left = limit.effective_amount or 0
    if left <= 0:
        return Badge(text="full", tone="bad")
    if (limit.granted_amount - left) * 100 >= NEARLY_FULL * limit.granted_amount:
        return Badge(text="nearly full", tone="warning")
    return Badge(text="room left", tone="good")


def _over_by(limit: Limitation) -> int:
    over = limit.consumed_amount - (limit.granted_amount or 0)
    return max(over, -(limit.effective_amount or 0) - limit.held_amount, 0)


def _sentence(limit: Limitation, *, had_grants: bool) -> str:
    if limit.entitlement_type == EntitlementType.STATE:
        return _of_state(limit, had_grants=had_grants)
    if limit.unlimited:
        return f"{limit.consumed_amount:,} used, no limit."
    held = f", {limit.held_amount:,} held" if limit.held_amount else ""
    left = f"{max(0, limit.effective_amount or 0):,} left"
    return f"{limit.consumed_amount:,} of {limit.granted_amount or 0:,} used{held}, {left}."


def _of_state(limit: Limitation, *, had_grants: bool) -> str:
    if limit.granted_amount:
        return "It is granted."
    if limit.code == WORKSPACE_ACCESS and not had_grants:
        return "It was never granted, so the workspace is not gated."
    return "It is not granted."


def _following(surveyed: Surveyed, *, now: datetime, plan_changes_at: datetime | None) -> Iterator[str]:
    """What happens at the next boundary, and what begins or ends then."""
    limit, at = surveyed.limitation, surveyed.limitation.next_change_at
    end = limit.window_end_at if limit.entitlement_type == EntitlementType.METERED_QUOTA else None
    if end is not None:
        yield f"Resets in {span(end - now)}, {spoken(end)}."
    if at is None:
        return
    when = f"in {span(at - now)}, {spoken(at)}"
    told = at == end
    for lot in surveyed.lots:
        if lot.state is LotState.UPCOMING and lot.effective_at == at:
            yield f"{lot.source.title} begins {when}: {_more(lot.amount)}."
            told = True
        elif lot.state is LotState.OPEN and lot.expires_at == at:
            yield f"{lot.source.title} ends {when}: {_units(lot.remaining)} left go with it."
            told = True
    if plan_changes_at == at:
        yield f"The plan changes {when}."
        told = True
    if told:
        return
    if limit.window_anchor == WindowAnchor.ROLLING:
        yield f"The oldest use stops counting {when}."
    elif limit.held_amount:
        yield f"A hold runs out {when}."
    else:
        yield f"May change {when}."


def _more(amount: int | None) -> str:
    return "no limit then" if amount is None else f"{amount:,} more"


def _units(amount: int | None) -> str:
    return "all" if amount is None else f"{amount:,}"
