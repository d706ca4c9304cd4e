"""Reversals: what is given back first, and to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.burndown import debit
from billing.engine.projection import Paid
from billing.engine.reversal import merged, net_shares, take_back
from billing.engine.standing import figures
from billing.engine.types import GrantFacts, Share
from tests.engine.making import MONTHLY, addon, amounts, bonus, plan, stand


def share(grant_id: int, amount: int) -> Share:
    return Share(grant_id=grant_id, amount=amount)


def test_a_reversal_takes_unpaid_overage_before_anything_else() -> None:
    back = take_back(15, overage=20, unpaid=20, settlements=[], shares=[share(1, 80)])

    assert (back.overage, back.unpaid, back.settled, back.shares) == (15, 15, (), ())


def test_overage_that_was_settled_goes_back_to_the_lots_of_the_last_settlement_first() -> None:
    settlements = [share(1, 10), share(2, 5), share(3, 5)]

    back = take_back(18, overage=20, unpaid=4, settlements=settlements, shares=[share(9, 100)])

    assert (back.overage, back.unpaid) == (18, 4)
    assert back.settled == (share(3, 5), share(2, 5), share(1, 4))
    assert back.shares == ()


def test_only_what_the_overage_does_not_hold_comes_from_shares_the_last_taken_first() -> None:
    back = take_back(50, overage=20, unpaid=20, settlements=[], shares=[share(1, 60), share(2, 20), share(3, 5)])

    assert (back.overage, back.unpaid) == (20, 20)
    assert back.shares == (share(3, 5), share(2, 20), share(1, 5))
    assert amounts(back.returned) == {3: 5, 2: 20, 1: 5}


def test_unpaid_overage_of_other_uses_is_not_taken_beyond_this_uses_own() -> None:
    back = take_back(10, overage=3, unpaid=50, settlements=[], shares=[share(1, 7)])

    assert (back.overage, back.unpaid, back.shares) == (3, 3, (share(1, 7),))


def test_what_was_given_back_before_is_not_given_back_again() -> None:
    shares = [share(1, 60), share(2, 20), share(2, -20), share(1, -10)]

    back = take_back(50, overage=0, unpaid=0, settlements=[], shares=shares)

    assert back.shares == (share(1, 50),)


def test_a_settlement_after_one_that_was_given_back_is_the_last_one() -> None:
    settlements = [share(1, 5), share(2, 3), share(2, -3), share(1, -1), share(2, 2)]

    back = take_back(3, overage=3, unpaid=0, settlements=settlements, shares=[])

    assert back.settled == (share(2, 2), share(1, 1))


def test_shares_of_one_grant_are_returned_as_one() -> None:
    assert merged([share(1, 2), share(2, 3), share(1, 4)]) == (share(1, 6), share(2, 3))


@pytest.mark.parametrize("make", [addon, plan, bonus])
def test_a_use_taken_back_after_a_take_leads_to_the_lot_its_facts_lead_to(make: Callable[..., GrantFacts]) -> None:
    refunded = make(100, taken=50)
    kept = stand(MONTHLY, refunded, paid={refunded.id: Paid(here=80)})

    debit(kept, [share(refunded.id, -45)])

    assert kept == stand(MONTHLY, refunded, paid={refunded.id: Paid(here=35)})
    assert (figures(kept).granted, figures(kept).effective) == (50, 15)


paid = st.lists(st.builds(share, st.integers(1, 4), st.integers(1, 20)), max_size=6)


@given(shares=paid, settlements=paid, overage=st.integers(0, 40), data=st.data())
def test_a_reversal_gives_back_exactly_its_amount(
    shares: list[Share], settlements: list[Share], overage: int, data: st.DataObject
) -> None:
    settled = sum(each.amount for each in settlements)
    unpaid = data.draw(st.integers(max(0, overage - settled), 60))
    amount = data.draw(st.integers(0, overage + sum(each.amount for each in shares)))

    back = take_back(amount, overage=overage, unpaid=unpaid, settlements=settlements, shares=shares)

    assert back.unpaid + sum(each.amount for each in back.returned) == amount
    assert back.overage == back.unpaid + sum(each.amount for each in back.settled)
    assert back.overage == min(amount, overage)


@given(shares=paid, parts=st.lists(st.integers(1, 15), max_size=6))
def test_a_use_taken_back_in_parts_is_taken_back_as_at_once(shares: list[Share], parts: list[int]) -> None:
    total = sum(each.amount for each in shares)
    rows = list(shares)
    taken = 0

    for part in parts:
        amount = min(part, total - taken)
        taken += amount
        back = take_back(amount, overage=0, unpaid=0, settlements=[], shares=rows)
        rows += [share(each.grant_id, -each.amount) for each in back.shares]
    at_once = take_back(taken, overage=0, unpaid=0, settlements=[], shares=shares)

    assert sum(each.amount for each in net_shares(rows)) == total - taken
    in_parts = merged([share(each.grant_id, -each.amount) for each in rows[len(shares) :]])
    assert amounts(in_parts) == amounts(at_once.shares)
