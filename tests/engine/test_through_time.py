"""Through time: overage that is paid on the way, windows that end, uses that come late, spans that roll."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from billing.engine.burndown import allocate, settle
from billing.engine.projection import Paid, advance, project
from billing.engine.standing import figures
from billing.engine.types import Window, WindowAnchor
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
    addon,
    amounts,
    move,
    plan,
    promo,
    spend,
    stand,
    topup,
)

# -- overage ----------------------------------------------------------------------------------------------------------


def test_units_that_become_free_pay_overage_once_in_burn_order() -> None:
    late, soon = topup(30), topup(10, ends_at=NOON + DAY)
    standing = stand(CREDITS, late, soon, overage=25)

    first, second = settle(standing), settle(standing)

    assert amounts(first) == {soon.id: 10, late.id: 15}
    assert second == ()
    assert (standing.overage, figures(standing).effective) == (0, 15)


def test_overage_is_paid_boundary_by_boundary_on_the_way() -> None:
    passing = topup(10, effective_at=NOON + DAY, ends_at=NOON + 2 * DAY)
    lasting = topup(100, effective_at=NOON + 3 * DAY)
    standing = stand(CREDITS, passing, lasting)
    spend(standing, 25)

    passage = move(standing, passing, lasting, to=NOON + 5 * DAY)

    assert [(s.at, amounts(s.shares)) for s in passage.settlements] == [
        (NOON + DAY, {passing.id: 10}),
        (NOON + 3 * DAY, {lasting.id: 15}),
    ]
    assert (figures(standing).effective, figures(standing).consumed) == (85, 15)


def test_overage_of_a_closed_window_is_paid_by_nobody() -> None:
    base = plan(10)
    standing = stand(MONTHLY, base)
    spend(standing, 25)

    passage = move(standing, base, topup(100, effective_at=FEBRUARY), to=FEBRUARY)

    assert passage.settlements == []
    assert passage.at_end is not None
    assert passage.at_end.overage == 15
    assert standing.overage == 0
    assert figures(standing).effective == 110


def test_a_grant_that_starts_before_the_end_of_the_window_pays_its_overage_before_it_closes() -> None:
    packet = topup(50, effective_at=FEBRUARY - INSTANT)
    standing = stand(MONTHLY, packet)
    spend(standing, 20)

    passage = move(standing, packet, to=FEBRUARY + DAY)

    assert [(s.at, s.window_start) for s in passage.settlements] == [
        (FEBRUARY - INSTANT, datetime(2026, 1, 1, tzinfo=UTC))
    ]
    assert (figures(standing).granted, figures(standing).effective) == (30, 30)


# -- windows ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_full_again_in_february_and_a_topup_brings_what_it_has_left() -> None:
    base, packet = plan(100), topup(50)
    standing = stand(MONTHLY, base, packet)
    spend(standing, 120)

    move(standing, base, packet, to=FEBRUARY)

    numbers = figures(standing)
    assert (numbers.granted, numbers.consumed, numbers.effective) == (130, 0, 130)


def test_several_windows_may_pass_at_once() -> None:
    base, packet = plan(100), topup(50)
    standing = stand(MONTHLY, base, packet)
    spend(standing, 120)

    passage = move(standing, base, packet, to=datetime(2026, 6, 10, tzinfo=UTC))

    assert passage.window_ended
    assert standing.window == window_at(MONTHLY, datetime(2026, 6, 10, tzinfo=UTC))
    assert figures(standing).effective == 130


def test_a_window_that_is_cut_ends_at_the_cut_and_a_full_one_begins() -> None:
    rule = replace(MONTHLY, anchor=WindowAnchor.ANNIVERSARY)
    base = plan(100)
    standing = stand(rule, base)
    spend(standing, 90)
    cut = NOON + 3 * DAY
    standing.window = Window(start=standing.window.start, end=cut)

    advance(standing, to=cut, grants=[base], holds=[], anchor_at=cut)

    assert (standing.window.start, standing.window.end) == (cut, cut.replace(month=2))
    assert figures(standing).effective == 100


def test_a_late_use_is_paid_by_the_lots_of_its_window_and_of_lasting_ones_by_those_still_open() -> None:
    january = window_at(MONTHLY, NOON)
    base, packet = plan(100, ends_at=FEBRUARY), topup(50)
    paid = {base.id: Paid(here=90), packet.id: Paid(elsewhere=20)}

    then = project(MONTHLY, january, at=january.end - INSTANT, grants=[base, packet], paid=paid, overage=0, held=0)

    assert amounts(allocate(then, 100)) == {base.id: 10, packet.id: 30}


# -- rolling ----------------------------------------------------------------------------------------------------------


def test_in_a_rolling_span_all_lots_that_renew_burn_before_every_lot_that_does_not() -> None:
    ending_soon, base, bought = promo(5, ends_at=NOON + timedelta(minutes=1)), plan(10), addon(20)
    standing = stand(ROLLING_DAY, ending_soon, base, bought)

    paid = spend(standing, 32)

    assert paid == {base.id: 10, bought.id: 20, ending_soon.id: 2}


def test_an_unlimited_lot_of_any_class_burns_before_a_finite_rolling_pool() -> None:
    base, boundless = plan(10), topup(None)
    standing = stand(ROLLING_DAY, base, boundless)

    paid = spend(standing, 4)

    assert paid == {boundless.id: 4}


def test_within_a_rolling_pool_the_soonest_end_burns_first() -> None:
    older, sooner = plan(10), addon(10, ends_at=NOON + DAY)
    standing = stand(ROLLING_DAY, older, sooner)

    paid = spend(standing, 4)

    assert paid == {sooner.id: 4}


def test_overage_of_a_rolling_span_is_not_settled() -> None:
    coming = plan(10, effective_at=NOON + timedelta(hours=1))
    standing = stand(ROLLING_DAY, coming)
    spend(standing, 4)

    passage = move(standing, coming, to=NOON + timedelta(hours=2))

    assert passage.settlements == []
    assert settle(standing) == ()
    assert (figures(standing).overage, figures(standing).effective) == (4, 6)


def test_a_state_has_nothing_to_settle() -> None:
    assert settle(stand(ACCESS, plan(1))) == ()
