"""
The engine beside the naive reference: random histories, no divergence in any number, payment or instant.

``MOZAIKS_HISTORIES`` sets how many seeded histories are lived (the long form: 100000), ``MOZAIKS_SEED`` the seed of the
first. A failure names the seed of its history and tells it; ``MOZAIKS_SEED=<that> MOZAIKS_HISTORIES=1`` lives it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from billing.engine import projection
from billing.engine.burndown import allocate, debit
from billing.engine.lots import Lot
from billing.engine.reversal import TakeBack
from billing.engine.standing import Standing
from billing.engine.types import GrantFacts, Rule, Share
from tests.engine import driven
from tests.engine.histories import FromRandom, begin

HISTORIES = int(os.environ.get("MOZAIKS_HISTORIES", "1500"))
LONGEST = 25


@dataclass(frozen=True)
class FromHypothesis:
    data: st.DataObject

    def integer(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))


def live(seed: int) -> None:
    """One seeded history; a divergence is told with everything that led to it."""
    draw = FromRandom(Random(seed))
    history = begin(draw)
    try:
        history.live(draw.integer(5, LONGEST))
    except AssertionError as divergence:
        story = "\n".join(history.told)
        raise AssertionError(
            f"MOZAIKS_SEED={seed} MOZAIKS_HISTORIES=1\n{history.rule}\n{story}\n{divergence}"
        ) from divergence


def live_all(seeds: Iterable[int]) -> None:
    for seed in seeds:
        live(seed)


def test_seeded_histories_of_engine_and_reference_never_diverge() -> None:
    first = int(os.environ.get("MOZAIKS_SEED") or SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={first} MOZAIKS_HISTORIES={HISTORIES}")

    live_all(range(first, first + HISTORIES))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), steps=st.integers(1, 15))
def test_drawn_histories_of_engine_and_reference_never_diverge(data: st.DataObject, steps: int) -> None:
    history = begin(FromHypothesis(data))

    try:
        history.live(steps)
    finally:
        note("\n".join([repr(history.rule), *history.told]))


# -- the harness itself must catch what it is there to catch ----------------------------------------------------------


def a_lot_is_open_at_its_end(self: GrantFacts, at: Any) -> bool:
    return self.effective_at <= at and (self.ends_at is None or at <= self.ends_at)


def a_frozen_lot_stays_open(
    original: Callable[..., Standing], rule: Rule, window: Any, *, grants: Iterable[GrantFacts], **rest: Any
) -> Standing:
    return original(rule, window, grants=[replace(grant, frozen=False) for grant in grants], **rest)


def pools_forget_ended_lots(self: Standing, pool: Any) -> int | None:
    granted = self.pool_granted(pool)
    return None if granted is None else max(0, sum(lot.remaining for lot in self.lots if lot.pool is pool))


def nothing_is_settled_on_the_way(original: Callable[..., None], *args: Any, **rest: Any) -> None:
    """Starts between two events are passed over."""


def lasting_lots_are_full_again(
    original: Callable[..., Lot], standing: Standing, grant: GrantFacts, before: Any
) -> Lot:
    return original(standing, grant, None)


def a_reversal_takes_shares_first(original: Callable[..., TakeBack], amount: int, **rest: Any) -> TakeBack:
    back = original(amount, **{**rest, "overage": max(0, amount - sum(share.amount for share in rest["shares"]))})
    return replace(back, settled=())


def the_class_goes_before_the_end(self: Lot) -> tuple[Any, ...]:
    return self.burn_class, self.expires_sort, self.effective_at, self.grant_id


def the_first_settlement_goes_back_first(
    original: Callable[..., TakeBack], amount: int, *, settlements: list[Share], **rest: Any
) -> TakeBack:
    return original(amount, settlements=settlements[::-1], **rest)


def a_take_claws_back_what_was_paid(original: Callable[..., Lot], *args: Any, used: int = 0, **rest: Any) -> Lot:
    lot = original(*args, used=0, **rest)
    lot.remaining -= used
    return lot


def a_hold_outlives_its_end(original: Callable[..., int], holds: Iterable[Any], at: Any) -> int:
    return sum(hold.rest for hold in holds if hold.expires_at >= at)


def a_rolling_span_is_settled(original: Callable[..., tuple[Share, ...]], standing: Standing) -> tuple[Share, ...]:
    if not standing.rule.is_rolling:
        return original(standing)
    shares = tuple(allocate(standing, standing.overage))
    debit(standing, shares)
    standing.overage -= sum(share.amount for share in shares)
    return shares


def wrapped(module: Any, name: str, fault: Callable[..., Any]) -> tuple[Any, str, Any]:
    original = getattr(module, name)
    return module, name, lambda *args, **rest: fault(original, *args, **rest)


FAULTS = {
    "a lot is open at its end": (GrantFacts, "active_at", a_lot_is_open_at_its_end),
    "a frozen lot stays open": wrapped(driven, "project", a_frozen_lot_stays_open),
    "pools forget ended lots": (Standing, "pool_left", pools_forget_ended_lots),
    "nothing is settled on the way": wrapped(projection, "_pass_boundaries", nothing_is_settled_on_the_way),
    "lasting lots are full again": wrapped(projection, "_carried", lasting_lots_are_full_again),
    "a reversal takes shares first": wrapped(driven, "take_back", a_reversal_takes_shares_first),
    "the first settlement goes back first": wrapped(driven, "take_back", the_first_settlement_goes_back_first),
    "the class goes before the end": (Lot, "order", property(the_class_goes_before_the_end)),
    "a take claws back what was paid": wrapped(projection, "lot_of", a_take_claws_back_what_was_paid),
    "a hold outlives its end": wrapped(projection, "held_at", a_hold_outlives_its_end),
    "overage is settled in a rolling span": wrapped(projection, "settle", a_rolling_span_is_settled),
    "nothing is ever settled": (projection, "settle", lambda standing: ()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, replacement = FAULTS[fault]
    monkeypatch.setattr(owner, name, replacement)

    with pytest.raises(AssertionError, match="MOZAIKS_SEED"):
        live_all(range(3000))
