"""A limit in words: every state has its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.engine.types import GrantKind, Replenish, SourceType
from billing.entitlements.explained import LotState, LotView, Surveyed
from billing.entitlements.limitations import Limitation
from billing.entitlements.sources import Source
from billing.entitlements.wording import span
from console.bars import Bar, bar_of
from tests import NOON

MARCH = datetime(2026, 3, 1, tzinfo=UTC)

PRESSES = Limitation(
    definition_id=1,
    code="gadgets.presses.monthly",
    name="Presses",
    entitlement_type="metered_quota",
    enforcement_mode="hard_deny",
    unit="press",
    window_interval="month",
    window_anchor="calendar_utc",
    granted_amount=1000,
    consumed_amount=120,
    held_amount=30,
    effective_amount=850,
    hard_limit_amount=1000,
    unlimited=False,
    over_limit=False,
    lock_state="none",
    next_change_at=NOON + timedelta(days=9),
    window_start_at=NOON,
    window_end_at=NOON + timedelta(days=9),
    last_recomputed_at=NOON,
    version=1,
)


def bar(*lots: LotView, **said: Any) -> Bar:
    about = {"enforced": True, "had_grants": True, "plan_changes_at": None}
    about |= {name: said.pop(name) for name in tuple(about) if name in said}
    return bar_of(Surveyed(limitation=replace(PRESSES, **said), lots=lots), now=NOON, **about)  # type: ignore[arg-type]


def lot(**said: Any) -> LotView:
    made = {
        "grant_id": 1,
        "kind": GrantKind.TOPUP,
        "state": LotState.OPEN,
        "replenish": Replenish.ONCE,
        "amount": 50,
        "granted": 50,
        "used": 20,
        "remaining": 30,
        "effective_at": NOON,
        "expires_at": None,
        "source": Source(type=SourceType.BILLING_PURCHASE, id="7", title="Purchase “Pack”"),
    }
    return LotView(**made | said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "state", "tone"),
    [
        ({}, "room left", "good"),
        ({"consumed_amount": 790, "effective_amount": 201, "held_amount": 9}, "room left", "good"),
        ({"consumed_amount": 800, "effective_amount": 200, "held_amount": 0}, "nearly full", "warning"),
        ({"consumed_amount": 1000, "effective_amount": 0}, "full", "bad"),
        ({"consumed_amount": 900, "held_amount": 100, "effective_amount": 0}, "full", "bad"),
        (
            {"consumed_amount": 1030, "effective_amount": -30, "held_amount": 0, "over_limit": True},
            "over its limit by 30",
            "bad",
        ),
        ({"granted_amount": 0, "effective_amount": 0, "consumed_amount": 0}, "expired", "bad"),
        ({"granted_amount": 0, "effective_amount": 0, "had_grants": False}, "nothing granted", "plain"),
        ({"granted_amount": None, "effective_amount": None, "unlimited": True}, "unlimited", "good"),
        ({"entitlement_type": "state", "granted_amount": 1}, "granted", "good"),
        ({"entitlement_type": "state", "granted_amount": 0}, "expired", "bad"),
    ],
)
def test_every_state_has_its_word(said: dict[str, Any], state: str, tone: str) -> None:
    shown = bar(**said)

    assert (shown.badges[0].text, shown.tone) == (state, tone)


def test_what_is_locked_says_how() -> None:
    shown = bar(entitlement_type="capacity", over_limit=True, consumed_amount=1002, lock_state="projects_locked")

    assert [badge.text for badge in shown.badges] == ["over its limit by 2", "locked: projects locked"]


def test_limits_that_refuse_nothing_say_so() -> None:
    assert bar(enforced=False).badges[-1].text == "advisory: nothing is refused"
    assert bar(enforcement_mode="soft_warn").badges[-1].text == "advisory: excess is let through"


def test_the_numbers_are_said_in_a_sentence() -> None:
    assert bar().sentence == "120 of 1,000 used, 30 held, 850 left."
    assert bar(effective_amount=-3).sentence.endswith("0 left.")
    assert bar(unlimited=True, granted_amount=None, effective_amount=None).sentence == "120 used, no limit."
    assert bar(entitlement_type="state", granted_amount=0).sentence == "It is not granted."
    access = bar(entitlement_type="state", code="workspace.access", granted_amount=0, had_grants=False)
    assert access.sentence == "It was never granted, so the workspace is not gated."


@pytest.mark.parametrize(
    ("said", "shares"),
    [
        ({}, (12, 3)),
        ({"consumed_amount": 1, "held_amount": 0}, (1, 0)),
        ({"consumed_amount": 999, "held_amount": 0}, (99, 0)),
        ({"consumed_amount": 1000, "held_amount": 5}, (100, 0)),
        ({"consumed_amount": 990, "held_amount": 50}, (99, 1)),
        ({"granted_amount": 0, "consumed_amount": 0}, (0, 0)),
        ({"granted_amount": 0, "consumed_amount": 3, "over_limit": True}, (100, 0)),
        ({"granted_amount": None, "unlimited": True}, (0, 0)),
    ],
)
def test_a_bar_is_never_fuller_than_full_nor_empty_while_something_is_used(
    said: dict[str, Any], shares: tuple[int, int]
) -> None:
    shown = bar(**said)

    assert (shown.used_share, shown.held_share) == shares


def test_what_comes_next_is_said_with_when() -> None:
    at = PRESSES.next_change_at
    assert at is not None
    ends, begins = lot(expires_at=at), lot(state=LotState.UPCOMING, effective_at=at, amount=None)

    assert bar().following == (f"Resets in 9 days, {at:%Y-%m-%d %H:%M} UTC.",)
    assert bar(ends, window_end_at=None).following[0].startswith("Purchase “Pack” ends in 9 days")
    assert "30 left go with it" in bar(ends, window_end_at=None).following[0]
    assert bar(begins, window_end_at=None).following[0].endswith(": no limit then.")
    assert bar(window_end_at=None, plan_changes_at=at).following[0].startswith("The plan changes in 9 days")
    assert bar(window_end_at=None, window_anchor="rolling").following[0].startswith("The oldest use stops counting")
    assert bar(window_end_at=None).following[0].startswith("A hold runs out")
    assert bar(window_end_at=None, held_amount=0).following[0].startswith("May change")
    assert bar(next_change_at=None, window_end_at=None).following == ()
    assert [said[:10] for said in bar(ends, next_change_at=at, window_end_at=at + timedelta(days=1)).following] == [
        "Resets in ",
        "Purchase “",
    ]


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=1500, hours=5), "1,500 days"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(seconds=61), "1 minute"),
        (timedelta(seconds=2), "less than a minute"),
        (timedelta(days=-3), "less than a minute"),
    ],
)
def test_a_length_of_time_is_said_in_a_word_or_two(length: timedelta, words: str) -> None:
    assert span(length) == words
