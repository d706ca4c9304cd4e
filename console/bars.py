"""A limit of a customer as the console shows it: in words, as a bar, with its lots, and what happens to it next and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from billing.engine.types import EntitlementType, WindowAnchor
from billing.entitlements.explained import LotState, LotView, Surveyed
from billing.entitlements.limitations import Limitation
from billing.entitlements.wording import NOTHING_GRANTED, Badge, badges_of, counted, resets, sentence_of, shares, span
from mozaiks.kit.times import spoken


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
    used_share, held_share = shares(limit)
    return Bar(
        limit=limit,
        lots=surveyed.lots,
        more_lots=surveyed.more_lots,
        counted=counted(limit),
        badges=tuple(badges_of(limit, enforced=enforced, had_grants=had_grants)),
        sentence=sentence_of(limit, had_grants=had_grants),
        following=tuple(_following(surveyed, now=now, plan_changes_at=plan_changes_at)),
        used_share=used_share,
        held_share=held_share,
    )


def _following(surveyed: Surveyed, *, now: datetime, plan_changes_at: datetime | None) -> Iterator[str]:
    """What happens at the next boundary, and what begins or ends then."""
    limit, at = surveyed.limitation, surveyed.limitation.next_change_at
    end = limit.window_end_at if limit.entitlement_type == EntitlementType.METERED_QUOTA else None
    if end is not None:
        yield resets(limit, now=now)
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
