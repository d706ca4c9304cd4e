"""The numbers of a balance at one instant, and when they may change next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from billing.engine.burndown import allocate, debit
from billing.engine.projection import Paid, held_at, next_change
from billing.engine.standing import Standing, figures
from billing.engine.types import (
    AggregationMode,
    GrantFacts,
    HoldFacts,
    Rule,
)
from billing.engine.windows import window_at
from tests.engine.making import (
    ACCESS,
    CREDITS,
    DAY,
    FEBRUARY,
    INSTANT,
    MONTHLY,
    NOON,
    ROLLING_DAY,
    SEATS,
    addon,
    bonus,
    move,
    plan,
    promo,
    spend,
    stand,
    topup,
)

HOUR = timedelta(hours=1)


# -- granted, consumed, effective ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [MONTHLY, ROLLING_DAY, CREDITS, SEATS])
def test_no_grant_at_all_is_a_limit_of_zero(rule: Rule) -> None:
    numbers = figures(stand(rule))

    assert (numbers.granted, numbers.consumed, numbers.effective, numbers.is_unlimited) == (0, 0, 0, False)
    assert not numbers.over_limit


def test_effective_is_what_is_left_minus_overage_minus_held() -> None:
    base, packet = plan(100), topup(50)
    standing = stand(MONTHLY, base, packet, held=7)
    spend(standing, 30)

    numbers = figures(standing)

    assert (numbers.granted, numbers.consumed, numbers.held, numbers.effective) == (150, 30, 7, 113)


def test_overage_is_consumed_too_and_makes_effective_negative() -> None:
    standing = stand(MONTHLY, plan(10))
    spend(standing, 25)

    numbers = figures(standing)

    assert (numbers.consumed, numbers.overage, numbers.effective, numbers.over_limit) == (25, 15, -15, True)


def test_holds_may_make_effective_negative_without_being_over_limit() -> None:
    numbers = figures(stand(MONTHLY, plan(10), held=25))

    assert (numbers.effective, numbers.over_limit) == (-15, False)


@pytest.mark.parametrize(("rule", "limit"), [(MONTHLY, 10), (ROLLING_DAY, 10), (SEATS, 10), (CREDITS, None)])
def test_capacity_and_quota_have_a_hard_limit_and_a_balance_has_none(rule: Rule, limit: int | None) -> None:
    assert figures(stand(rule, plan(10))).hard_limit == limit


@pytest.mark.parametrize("rule", [MONTHLY, ROLLING_DAY, CREDITS, SEATS])
def test_unlimited_has_no_numbers_for_granted_effective_and_limit(rule: Rule) -> None:
    numbers = figures(stand(rule, plan(10), topup(None)))

    assert (numbers.granted, numbers.effective, numbers.hard_limit, numbers.is_unlimited) == (None, None, None, True)


def test_unlimited_is_never_over_limit() -> None:
    standing = stand(MONTHLY, plan(10))
    spend(standing, 25)
    standing.lots += stand(MONTHLY, topup(None)).lots

    assert not figures(standing).over_limit


def test_a_frozen_grant_is_neither_granted_nor_consumed() -> None:
    base, disputed = plan(100), topup(50, frozen=True)
    paid = {disputed.id: Paid(here=20), base.id: Paid(here=5)}

    numbers = figures(stand(MONTHLY, base, disputed, paid=paid))

    assert (numbers.granted, numbers.consumed, numbers.effective) == (100, 5, 95)


def test_a_pool_with_a_frozen_lot_still_counts_what_that_lot_paid() -> None:
    frozen, other = plan(100, frozen=True), plan(60)

    numbers = figures(stand(MONTHLY, frozen, other, paid={frozen.id: Paid(here=45)}))

    assert (numbers.granted, numbers.consumed, numbers.effective) == (60, 45, 15)


def test_over_limit_of_a_pool_ends_when_any_open_lot_has_something_left() -> None:
    old, new = plan(100, ends_at=NOON), plan(50, effective_at=NOON)
    paid = {old.id: Paid(here=80)}

    alone, with_bonus = stand(MONTHLY, old, new, paid=paid), stand(MONTHLY, old, new, bonus(1), paid=paid)

    assert figures(alone).over_limit
    assert not figures(with_bonus).over_limit


def test_a_pool_that_paid_exactly_what_it_is_worth_is_not_over_limit() -> None:
    standing = stand(MONTHLY, plan(50))
    spend(standing, 50)

    assert not figures(standing).over_limit


# -- takes ------------------------------------------------------------------------------------------------------------


def test_a_take_lowers_a_lasting_lot() -> None:
    refunded = topup(50, taken=30)

    numbers = figures(stand(MONTHLY, refunded, paid={refunded.id: Paid(here=15, elsewhere=5)}))

    assert (numbers.granted, numbers.consumed, numbers.effective) == (15, 15, 0)


@pytest.mark.parametrize("make", [addon, plan, bonus])
def test_a_take_of_a_renewing_lot_spares_in_the_running_window_what_it_has_paid(
    make: Callable[..., GrantFacts],
) -> None:
    refunded, packet = make(100, taken=50), topup(40)
    paid = {refunded.id: Paid(here=80)}

    numbers = figures(stand(MONTHLY, refunded, packet, paid=paid))

    assert (numbers.granted, numbers.consumed, numbers.effective, numbers.over_limit) == (120, 80, 40, False)


def test_in_the_next_window_a_take_counts_in_full() -> None:
    refunded = addon(100, taken=50)
    standing = stand(MONTHLY, refunded, paid={refunded.id: Paid(here=80)})

    move(standing, refunded, to=FEBRUARY)

    assert figures(standing).effective == 50


def test_a_take_never_makes_a_lot_worth_less_than_nothing() -> None:
    assert figures(stand(MONTHLY, plan(10, taken=15), topup(5))).effective == 5
    assert figures(stand(SEATS, plan(10, taken=15))).granted == 0


# -- capacity and state -----------------------------------------------------------------------------------------------


def seats(*grants: GrantFacts, count: int, rule: Rule = SEATS) -> Standing:
    standing = stand(rule, *grants)
    standing.count = count
    return standing


def test_capacity_shows_the_count_and_may_be_negative() -> None:
    numbers = figures(seats(plan(3), addon(2), count=7))

    assert (numbers.granted, numbers.consumed, numbers.effective, numbers.over_limit) == (5, 7, -2, True)


def test_capacity_at_its_limit_is_not_over_it() -> None:
    assert not figures(seats(plan(3), count=3)).over_limit


def test_capacity_by_max_counts_the_largest_grant_only() -> None:
    numbers = figures(seats(plan(3), addon(8), count=4, rule=replace(SEATS, aggregation=AggregationMode.MAX)))

    assert (numbers.granted, numbers.effective, numbers.hard_limit) == (8, 4, 8)


def test_unlimited_capacity_keeps_its_count() -> None:
    numbers = figures(seats(plan(None), count=9000))

    assert (numbers.consumed, numbers.effective, numbers.over_limit) == (9000, None, False)


def test_a_state_is_one_while_any_grant_is_active_and_zero_otherwise() -> None:
    two, none, frozen = stand(ACCESS, plan(1), plan(1)), stand(ACCESS), stand(ACCESS, plan(1, frozen=True))

    assert [figures(standing).granted for standing in (two, none, frozen)] == [1, 0, 0]
    assert figures(two).hard_limit is None


# -- rolling ----------------------------------------------------------------------------------------------------------


def test_a_rolling_quota_has_what_its_pool_has_not_paid_within_the_span_and_what_lasting_lots_have_left() -> None:
    base, bought, packet = plan(10), addon(5), topup(30)
    paid = {base.id: Paid(here=8, elsewhere=90), packet.id: Paid(here=4, elsewhere=6)}

    numbers = figures(stand(ROLLING_DAY, base, bought, packet, paid=paid, overage=3, held=2))

    assert numbers.effective == (15 - 8) + 20 - 3 - 2


def test_a_rolling_pool_that_shrank_is_worth_nothing_rather_than_less() -> None:
    old, new = plan(100, ends_at=NOON), plan(10, effective_at=NOON)

    numbers = figures(stand(ROLLING_DAY, old, new, topup(7), paid={old.id: Paid(here=60)}))

    assert (numbers.effective, numbers.consumed) == (7, 10)


# -- two ways to one standing -----------------------------------------------------------------------------------------


def test_a_way_walked_in_two_parts_ends_where_the_way_walked_at_once_ends() -> None:
    grants = [
        plan(10),
        topup(5, effective_at=NOON + HOUR, ends_at=NOON + 2 * HOUR),
        topup(9, effective_at=NOON + 3 * HOUR),
    ]
    at_once, in_two = (stand(MONTHLY, *grants) for _ in range(2))
    for standing in (at_once, in_two):
        spend(standing, 22)

    one = move(at_once, *grants, to=NOON + DAY).settlements
    two = move(in_two, *grants, to=NOON + 2 * HOUR).settlements + move(in_two, *grants, to=NOON + DAY).settlements

    assert at_once == in_two
    assert one == two


def test_the_order_of_the_facts_does_not_matter() -> None:
    grants = [plan(10), topup(5), promo(5, ends_at=NOON + DAY), bonus(3)]
    paid = {grants[0].id: Paid(here=4), grants[1].id: Paid(here=1, elsewhere=2)}

    assert stand(MONTHLY, *grants, paid=paid) == stand(MONTHLY, *reversed(grants), paid=paid)


def test_debits_lead_to_the_standing_that_their_facts_project_to() -> None:
    grants = [plan(10), topup(5)]
    kept = stand(MONTHLY, *grants)

    debit(kept, allocate(kept, 12))

    assert kept == stand(MONTHLY, *grants, paid={grants[0].id: Paid(here=10), grants[1].id: Paid(here=2)})


# -- holds and the next change ------------------------------------------------------------------------------------------


def test_a_hold_stops_counting_at_its_end_by_itself() -> None:
    holds = [HoldFacts(id=1, rest=5, expires_at=NOON + HOUR), HoldFacts(id=2, rest=7, expires_at=NOON + DAY)]

    assert [held_at(holds, at) for at in (NOON, NOON + HOUR - INSTANT, NOON + HOUR, NOON + DAY)] == [12, 12, 7, 0]


def upcoming(
    rule: Rule, *grants: GrantFacts, holds: tuple[HoldFacts, ...] = (), oldest: datetime | None = None
) -> datetime | None:
    return next_change(rule, window_at(rule, NOON), at=NOON, grants=grants, holds=holds, oldest_use_at=oldest)


def test_nothing_may_change_where_nothing_starts_or_ends() -> None:
    assert upcoming(CREDITS, topup(5)) is None
    assert upcoming(SEATS) is None
    assert upcoming(ROLLING_DAY, plan(5)) is None


def test_the_end_of_the_window_is_a_change() -> None:
    assert upcoming(MONTHLY) == FEBRUARY


def test_starts_and_ends_of_grants_are_changes_frozen_or_used_up_as_they_may_be() -> None:
    assert upcoming(CREDITS, topup(5, effective_at=NOON + HOUR), topup(5, ends_at=NOON + DAY)) == NOON + HOUR
    assert upcoming(CREDITS, topup(5, ends_at=NOON + DAY, frozen=True)) == NOON + DAY
    assert upcoming(CREDITS, topup(5, ends_at=NOON + DAY, taken=5)) == NOON + DAY


def test_an_instant_that_is_now_lies_behind() -> None:
    assert upcoming(CREDITS, topup(5, effective_at=NOON, ends_at=NOON + DAY)) == NOON + DAY
    assert upcoming(CREDITS, topup(5, ends_at=NOON)) is None


def test_a_grant_that_ended_before_it_began_changes_nothing() -> None:
    assert upcoming(CREDITS, topup(5, effective_at=NOON + DAY, ends_at=NOON + HOUR)) is None
    assert upcoming(CREDITS, topup(5, effective_at=NOON + DAY, ends_at=NOON + DAY)) is None


def test_the_end_of_a_hold_with_a_rest_is_a_change() -> None:
    live, captured = HoldFacts(id=1, rest=5, expires_at=NOON + DAY), HoldFacts(id=2, rest=0, expires_at=NOON + HOUR)

    assert upcoming(CREDITS, holds=(live, captured)) == NOON + DAY


def test_the_oldest_use_leaves_a_rolling_span_at_a_known_instant() -> None:
    assert upcoming(ROLLING_DAY, plan(5), oldest=NOON - HOUR) == NOON + 23 * HOUR
