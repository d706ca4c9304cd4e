"""
The engine room beside the naive reference: seeded lives on the database of the run, no divergence in any number.

``MOZAIKS_STEPS`` sets how much happens (the long form: 20000), ``MOZAIKS_SEED`` the seed of the first life. A failure names the
seed of its life and tells it; ``MOZAIKS_SEED=<that> MOZAIKS_STEPS=<as told>`` lives it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random, SystemRandom
from typing import Any

import pytest

from billing.engine.projection import Paid
from billing.engine.standing import Standing
from billing.engine.types import Share
from billing.entitlements import adjusting, grants, holds, late, operations, passing, spending
from billing.entitlements.allowances import Allowance
from billing.entitlements.facts import Facts
from billing.entitlements.rolling import Aged, Stretch
from billing.entitlements.rows import Row
from billing.models import Hold
from tests.equivalence.life import Limit
from tests.equivalence.lives import begin, conceive, live, make_limits

STEPS = int(os.environ.get("MOZAIKS_STEPS", "1500"))
LONGEST_LIFE = 60


def live_one(seed: int, steps: int, limits: dict[str, Limit], settings: Any) -> None:
    """One seeded life; a divergence is told with everything that led to it."""

    def enforce(enforced: bool) -> None:
        settings.MOZAIKS_ENFORCE_QUOTAS = enforced

    life = conceive(Random(seed), limits, enforce)
    try:
        begin(life)
        live(life, steps)
    except Exception as divergence:
        story = "\n".join(life.told)
        rules = "\n".join(f"{limit.code}: {limit.beside.rule}" for limit in life.limits)
        raise AssertionError(
            f"MOZAIKS_SEED={seed} MOZAIKS_STEPS={steps}\n{rules}\n{story}\n{type(divergence).__name__}: {divergence}"
        ) from divergence


def live_all(seeds: Iterable[int], limits: dict[str, Limit], settings: Any) -> None:
    for seed in seeds:
        live_one(seed, LONGEST_LIFE, limits, settings)


@pytest.mark.django_db(transaction=True)
def test_lives_of_engine_room_and_reference_never_diverge(settings: Any) -> None:
    seed = int(os.environ.get("MOZAIKS_SEED") or SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={seed} MOZAIKS_STEPS={STEPS}")
    limits = make_limits()

    left = STEPS
    while left > 0:
        steps = min(left, LONGEST_LIFE)
        live_one(seed, steps, limits, settings)
        seed, left = seed + 1, left - steps


# -- the harness itself must catch what it is there to catch ----------------------------------------------------------


def nothing_ages(stretches: Sequence[Stretch]) -> list[Aged]:
    return [Aged(pool=0, overage=0, oldest_use_at=None) for _ in stretches]


def heads_have_no_pool(self: Row) -> int | None:
    return None if self.is_unlimited else self.head_remaining or 0


def no_key_is_known(*_: Any, **__: Any) -> None:
    return None


def holds_never_expire(held: Hold, at: datetime) -> int:
    return held.amount - held.captured_amount


def nothing_is_late(*_: Any, **__: Any) -> bool:
    return False


def overrides_are_not_read(self: Facts, grant_ids: Iterable[int]) -> None:
    return None


def nothing_is_settled(standing: Standing) -> tuple[Share, ...]:
    return ()


def nothing_moves_elsewhere(*_: Any, **__: Any) -> None:
    return None


def the_first_grant_stays_open(allowance: Allowance, grant_id: int) -> None:
    return None


def what_was_paid_is_forgotten(*_: Any) -> Paid:
    return Paid()


def no_freeze_is_counted(*_: Any) -> bool:
    return False


FAULTS: dict[str, tuple[Any, str, Any]] = {
    "uses never leave a rolling span": (passing, "aged_in", nothing_ages),
    "a head pays more than its pool has": (Row, "head_payable", heads_have_no_pool),
    "a key is forgotten": (operations, "find", no_key_is_known),
    "a hold never ends": (holds, "counted_units", holds_never_expire),
    "a late use is booked in the running window": (late, "is_late", nothing_is_late),
    "overrides are ignored": (Facts, "strictest", overrides_are_not_read),
    "units that become free pay nothing": (spending, "settle", nothing_is_settled),
    "a late use costs a top-up nothing": (late, "move_elsewhere", nothing_moves_elsewhere),
    "an ended grant's lot stays open": (grants, "_close_lot", the_first_grant_stays_open),
    "a new grant's end is no boundary": (grants, "_note_boundaries", the_first_grant_stays_open),
    "a release forgets what the lot paid": (adjusting._Scene, "paid", what_was_paid_is_forgotten),
    "a dispute freezes nothing": (adjusting, "_freeze", no_freeze_is_counted),
}


@pytest.mark.django_db
@pytest.mark.broken_on_purpose
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    owner, name, replacement = FAULTS[fault]
    monkeypatch.setattr(owner, name, replacement)
    limits = make_limits()

    with pytest.raises(AssertionError, match="MOZAIKS_SEED"):
        live_all(range(60), limits, settings)
