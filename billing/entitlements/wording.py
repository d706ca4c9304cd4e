"""
A limit in words: how full it is, what that means, and when it begins again. One wording for all pages, the console's too.

``limits_in_words`` reads; everything else here only says what a limitation already is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.conf import quotas_enforced
from billing.engine.types import EnforcementMode, EntitlementType, LockState, SubjectType, WindowAnchor
from billing.entitlements.allowances import Allowance
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.entitlements.limitations import Limitation, current_allowances, view_of
from billing.entitlements.policy import Unlock, decide
from billing.entitlements.unlock import unlocker
from billing.models import BillableEntity, Grant
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
class LimitInWords:
    """
    One limit as its owner reads it, as of when it was read.

    ``used_share`` and ``held_share`` are percents of the bar, together at most 100. ``following`` says what happens next and
    when; ``ways`` are what would make room, where there is little left.
    """

    limit: Limitation
    counted: str
    badges: tuple[Badge, ...]
    sentence: str
    following: str
    used_share: int
    held_share: int
    ways: tuple[Unlock, ...]

    @property
    def state(self) -> Badge:
        return self.badges[0]

    @property
    def remaining(self) -> int | None:
        """Units left; None is unlimited."""
        return None if self.limit.effective_amount is None else max(0, self.limit.effective_amount)

    @property
    def is_idle(self) -> bool:
        """Nothing was ever granted, and nothing is used."""
        return self.state.text == NOTHING_GRANTED and not self.limit.consumed_amount

    @property
    def has_bar(self) -> bool:
        return self.limit.entitlement_type != EntitlementType.STATE


def limits_in_words(
    entity: BillableEntity, *, now: datetime, codes: Collection[str] | None = None
) -> tuple[LimitInWords, ...]:
    """
    Every limit of ``entity`` that something here uses, or only ``codes``, sorted by code.

    :raises Invalid: one of ``codes`` is unknown, inactive or dormant.
    """
    allowances = sorted(current_allowances(entity, now=now, codes=codes), key=lambda each: each.info.code)
    views = [view_of(allowance) for allowance in allowances]
    before = granted_before(entity, views)
    unlock = _Unlocker(entity.pk)
    return tuple(
        _in_words(allowance, limit, now=now, had_grants=limit.definition_id in before, unlock=unlock)
        for allowance, limit in zip(allowances, views, strict=True)
    )


def granted_before(entity: BillableEntity, limits: Sequence[Limitation]) -> set[int]:
    """Of the limits without any grant now, by definition, those of which something was granted before."""
    empty = [limit.definition_id for limit in limits if limit.granted_amount == 0]
    if not empty:
        return set()
    grants = Grant.objects.filter(
        subject_type=SubjectType.BILLABLE_ENTITY.value, subject_id=entity.pk, definition_id__in=empty
    )
    return set(grants.order_by().values_list("definition_id", flat=True).distinct())


class _Unlocker:
    """The ways to unlock, looked up once, and only where a limit is in trouble."""

    def __init__(self, entity_id: int) -> None:
        self.entity_id = entity_id
        self.ways: Callable[..., tuple[Unlock, ...]] | None = None

    def __call__(self, allowance: Allowance) -> tuple[Unlock, ...]:
        if self.ways is None:
            self.ways = unlocker(self.entity_id)
        return self.ways(allowance.info, allowance.row, decide(allowance, 1))


def _in_words(
    allowance: Allowance, limit: Limitation, *, now: datetime, had_grants: bool, unlock: _Unlocker
) -> LimitInWords:
    badges = tuple(badges_of(limit, enforced=quotas_enforced(), had_grants=had_grants))
    used_share, held_share = shares(limit)
    words = LimitInWords(
        limit=limit,
        counted=counted(limit),
        badges=badges,
        sentence=sentence_of(limit, had_grants=had_grants),
        following=following(limit, now=now),
        used_share=used_share,
        held_share=held_share,
        ways=(),
    )
    return replace(words, ways=unlock(allowance)) if words.state.tone in ("warning", "bad") else words


def span(length: timedelta) -> str:
    """A length of time in one or two words: ``3 days``, ``5 hours``."""
    seconds = max(0, int(length.total_seconds()))
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = seconds // size
        if number >= 1:
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    return "less than a minute"


def counted(limit: Limitation) -> str:
    """What is counted, and how."""
    if limit.entitlement_type == EntitlementType.STATE:
        return "granted or not"
    if limit.entitlement_type == EntitlementType.CAPACITY:
        return f"{limit.unit}, at a time"
    if limit.window_interval is None:
        return f"{limit.unit}, a stock that never resets"
    rolling = ", rolling" if limit.window_anchor == WindowAnchor.ROLLING else ""
    return f"{limit.unit}, {_PER[limit.window_interval]}{rolling}"


def shares(limit: Limitation) -> tuple[int, int]:
    """Percents of the bar that are used and held."""
    if limit.unlimited or not limit.granted_amount:
        return (100 if limit.over_limit or (limit.consumed_amount > 0 and not limit.unlimited) else 0), 0
    used = min(100, _percent(limit.consumed_amount, limit.granted_amount))
    return used, min(100 - used, _percent(limit.held_amount, limit.granted_amount))


def _percent(part: int, whole: int) -> int:
    """Rounded up, so that a bar is not empty while something was used; 100 only where all of it was."""
    return min(99, -(-part * 100 // whole)) if part < whole else 100


def badges_of(limit: Limitation, *, enforced: bool, had_grants: bool) -> Iterator[Badge]:
    """Words for the state, the state first. ``enforced`` says that quotas are, ``had_grants`` that something was granted once."""
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


def sentence_of(limit: Limitation, *, had_grants: bool) -> str:
    """The numbers, in one sentence."""
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


def resets(limit: Limitation, *, now: datetime) -> str:
    """When a window ends and the next begins; empty where there are none."""
    end = limit.window_end_at if limit.entitlement_type == EntitlementType.METERED_QUOTA else None
    return "" if end is None else f"Resets in {span(end - now)}, {spoken(end)}."


def following(limit: Limitation, *, now: datetime) -> str:
    """When the limit begins again, and when it may change before that; empty where neither is known."""
    said = [resets(limit, now=now)]
    at = limit.next_change_at
    if at is not None and at != limit.window_end_at:
        what = "Earlier uses begin to stop counting" if limit.window_anchor == WindowAnchor.ROLLING else "May change"
        said.append(f"{what} in {span(at - now)}, {spoken(at)}.")
    return " ".join(filter(None, said))
