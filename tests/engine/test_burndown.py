"""Burn-down: who pays, in which order, and how units that become free pay overage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from billing.engine.burndown import allocate
from billing.engine.standing import figures
from billing.engine.types import GrantFacts, GrantKind, Pool, Share
from tests.engine.making import (
    CREDITS,
    DAY,
    INSTANT,
    MONTHLY,
    NOON,
    addon,
    amounts,
    bonus,
    grant_of,
    move,
    plan,
    promo,
    spend,
    stand,
    topup,
)

AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)


# -- order ------------------------------------------------------------------------------------------------------------


def test_the_soonest_end_is_burned_first_and_the_never_ending_last() -> None:
    lasting, soon, later = topup(10), topup(10, ends_at=NOON + DAY), topup(10, ends_at=NOON + 2 * DAY)
    standing = stand(CREDITS, lasting, soon, later)

    paid = [share.grant_id for share in allocate(standing, 30)]

    assert paid == [soon.id, later.id, lasting.id]


def test_at_one_end_promo_burns_before_plan_before_paid() -> None:
    end = NOON + DAY
    paid_for = [
        grant_of(kind, 1, ends_at=end) for kind in (GrantKind.TOPUP, GrantKind.ADDON_TIMEBOXED, GrantKind.CORRECTION)
    ]
    base = plan(1, ends_at=end)
    given = [grant_of(kind, 1, ends_at=end) for kind in (GrantKind.PROMO, GrantKind.MANUAL_ADJUSTMENT)]
    standing = stand(CREDITS, *paid_for, base, *given)

    paid = [share.grant_id for share in allocate(standing, 6)]

    assert paid == [grant.id for grant in (*given, base, *paid_for)]


def test_within_a_class_the_older_start_burns_first_and_then_the_lower_id() -> None:
    second, third = topup(1), topup(1)
    first = topup(1, effective_at=datetime(2025, 1, 1, tzinfo=UTC))
    standing = stand(CREDITS, third, second, first)

    paid = [share.grant_id for share in allocate(standing, 3)]

    assert paid == [first.id, second.id, third.id]


def test_a_lot_that_renews_ends_with_its_window_and_burns_before_one_that_lasts() -> None:
    lasting, monthly = promo(10), addon(10)
    standing = stand(MONTHLY, lasting, monthly)

    paid = spend(standing, 12)

    assert paid == {monthly.id: 10, lasting.id: 2}


def test_what_no_lot_can_pay_is_left_to_the_caller_and_nothing_is_changed() -> None:
    packet = topup(10)
    standing = stand(CREDITS, packet)

    shares = allocate(standing, 25)

    assert shares == [Share(grant_id=packet.id, amount=10)]
    assert figures(standing).effective == 10


def test_use_90_on_august_1_is_paid_by_c_alone() -> None:
    standing = stand(CREDITS, *abc(), at=AUGUST)

    paid = spend(standing, 90)

    assert paid == {3: 90}
    assert standing.overage == 0


def test_use_90_on_august_20_is_paid_by_b_then_a_and_leaves_20_of_overage() -> None:
    standing = stand(CREDITS, *abc(), at=AUGUST + 19 * DAY)

    paid = spend(standing, 90)

    assert paid == {2: 20, 1: 50}
    assert standing.overage == 20


def abc() -> tuple[GrantFacts, ...]:
    """A paid 50 ends Sep 1, B promo 20 ends Sep 1, C promo 100 ends Aug 15."""
    return (
        topup(50, id=1, ends_at=SEPTEMBER),
        promo(20, id=2, ends_at=SEPTEMBER),
        promo(100, id=3, ends_at=datetime(2026, 8, 15, tzinfo=UTC)),
    )


# -- ends and starts --------------------------------------------------------------------------------------------------


def test_what_an_expired_lot_paid_leaves_with_it() -> None:
    expiring, lasting = topup(100, ends_at=NOON + DAY), topup(50)
    standing = stand(CREDITS, expiring, lasting)
    spend(standing, 80)

    move(standing, expiring, lasting, to=NOON + DAY)

    assert figures(standing).effective == 50
    assert figures(standing).consumed == 0


def test_a_lot_is_there_at_its_start_and_gone_at_its_end() -> None:
    short = topup(10, effective_at=NOON, ends_at=NOON + DAY)

    left = [
        figures(stand(CREDITS, short, at=at)).effective
        for at in (NOON - INSTANT, NOON, NOON + DAY - INSTANT, NOON + DAY)
    ]

    assert left == [0, 10, 10, 0]


# -- pools ------------------------------------------------------------------------------------------------------------


def test_after_a_change_of_plans_the_month_goes_on_from_what_the_plans_paid() -> None:
    small = plan(100)
    standing = stand(MONTHLY, small)
    spend(standing, 80)

    large, small = plan(1000, effective_at=NOON + DAY), replace(small, ends_at=NOON + DAY)
    move(standing, small, large, to=NOON + DAY)
    after_upgrade = figures(standing)
    tiny, large = plan(50, effective_at=NOON + 2 * DAY), replace(large, ends_at=NOON + 2 * DAY)
    move(standing, small, large, tiny, to=NOON + 2 * DAY)
    after_downgrade = figures(standing)
    bought = topup(40, effective_at=NOON + 3 * DAY)
    move(standing, small, large, tiny, bought, to=NOON + 3 * DAY)
    after_topup = figures(standing)

    assert (after_upgrade.effective, after_upgrade.consumed, after_upgrade.granted) == (920, 80, 1000)
    assert (after_downgrade.effective, after_downgrade.over_limit, after_downgrade.consumed) == (0, True, 50)
    assert (after_topup.effective, after_topup.over_limit) == (40, False)


def test_a_bonus_that_ends_leaves_the_base_what_the_base_has_not_paid() -> None:
    base, extra = plan(100), bonus(50, effective_at=NOON, ends_at=NOON + 10 * DAY)
    standing = stand(MONTHLY, base, extra)
    paid = spend(standing, 120)

    move(standing, base, extra, to=NOON + 10 * DAY)

    assert paid == {extra.id: 50, base.id: 70}
    assert figures(standing).effective == 30


def test_toggling_plans_ten_times_never_gives_a_unit() -> None:
    grants = [plan(100)]
    standing = stand(MONTHLY, *grants)
    spend(standing, 70)
    at = NOON

    for number in range(10):
        at += timedelta(hours=1)
        grants[-1] = replace(grants[-1], ends_at=at)
        grants.append(plan(1000 if number % 2 == 0 else 100, effective_at=at))
        move(standing, *grants, to=at)

    assert figures(standing).effective == 30
    assert standing.pool_used[Pool.BASE] == 70


def test_units_that_an_unlimited_plan_paid_count_when_a_finite_one_follows() -> None:
    boundless = plan(None)
    standing = stand(MONTHLY, boundless)
    spend(standing, 500)

    boundless, finite = replace(boundless, ends_at=NOON + DAY), plan(600, effective_at=NOON + DAY)
    move(standing, boundless, finite, to=NOON + DAY)

    assert figures(standing).effective == 100


def test_a_pool_without_an_open_lot_says_nothing_of_what_it_paid() -> None:
    base, packet = plan(100), topup(10)
    standing = stand(MONTHLY, base, packet)
    spend(standing, 60)

    move(standing, replace(base, ends_at=NOON + DAY), packet, to=NOON + DAY)

    assert (figures(standing).consumed, figures(standing).granted, figures(standing).effective) == (0, 10, 10)
    assert not figures(standing).over_limit


def test_base_and_bonus_are_two_pools_and_an_addon_is_none() -> None:
    base, extra, bought = plan(10), bonus(20), addon(30)

    standing = stand(MONTHLY, base, extra, bought)

    assert {lot.grant_id: lot.pool for lot in standing.lots} == {
        base.id: Pool.BASE,
        extra.id: Pool.BONUS,
        bought.id: None,
    }


def test_a_promo_that_no_plan_gave_is_not_pooled_and_neither_is_a_plan_of_a_lifetime() -> None:
    assert stand(MONTHLY, promo(5)).lots[0].pool is None
    assert stand(CREDITS, plan(5)).lots[0].pool is None


# -- unlimited --------------------------------------------------------------------------------------------------------


def test_an_unlimited_lot_pays_everything_and_finite_lots_stay_untouched() -> None:
    soon, boundless = promo(10, ends_at=NOON + DAY), topup(None)
    standing = stand(CREDITS, soon, boundless)

    paid = spend(standing, 70)
    boundless = replace(boundless, ends_at=NOON + timedelta(hours=1))
    move(standing, soon, boundless, to=NOON + timedelta(hours=1))

    assert paid == {boundless.id: 70}
    assert figures(standing).effective == 10


def test_of_two_unlimited_lots_the_one_that_ends_sooner_pays() -> None:
    lasting, month = promo(None), plan(None)
    standing = stand(MONTHLY, lasting, month)

    paid = spend(standing, 7)

    assert paid == {month.id: 7}


def test_an_unlimited_grant_pays_the_overage_there_is() -> None:
    boundless = topup(None, effective_at=NOON + DAY)
    standing = stand(CREDITS, boundless)
    spend(standing, 30)

    passage = move(standing, boundless, to=NOON + 2 * DAY)

    assert standing.overage == 0
    assert [(s.at, amounts(s.shares)) for s in passage.settlements] == [(NOON + DAY, {boundless.id: 30})]
