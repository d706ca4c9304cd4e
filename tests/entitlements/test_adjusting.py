"""What is taken back from grants, frozen and released: never more than is left, never what was used, in few statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.engine.types import AdjustmentKind, AdjustmentReason, GrantKind
from billing.entitlements.adjusting import Adjusted, Freeze, Release, Take, adjust
from billing.entitlements.balances import recompute
from billing.entitlements.scheduled import perform
from billing.errors import LimitExceeded
from billing.limits import hold
from billing.models import Balance, Consumption, Grant, GrantAdjustment
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.entitlements.statements import counted
from tests.entitlements.working import let_pass
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import (
    AccessFactory,
    CreditsFactory,
    PlacesFactory,
    PressesFactory,
    PulsesFactory,
)
from tests.gadgets.limits import CHARGE, PULSE
from tests.gadgets.services import charge, press, take_place

HOUR = timedelta(hours=1)
LATER = NOON + HOUR
NEXT_MONTH = NOON + timedelta(days=31)

#: The number of statements of an adjustment with everything in it, of any number of grants of two limits.
BUDGET = 13


def take(grant: Grant, target: int | None, *, key: str = "t") -> Take:
    return Take(grant_id=grant.pk, target=target, reason=AdjustmentReason.REFUNDED, dedupe_key=f"{key}:{grant.pk}")


def freeze(grant: Grant, *, key: str = "f") -> Freeze:
    return Freeze(grant_id=grant.pk, reason=AdjustmentReason.DISPUTED, dedupe_key=f"{key}:{grant.pk}")


def release(grant: Grant, *, key: str = "r", undoes: str = "f") -> Release:
    return Release(
        grant_id=grant.pk,
        reason=AdjustmentReason.DISPUTE_WON,
        dedupe_key=f"{key}:{grant.pk}",
        undoes=f"{undoes}:{grant.pk}",
    )


def done(grant: Grant, *, now: Any = LATER, **steps: Any) -> Adjusted:
    """Adjust the grants of one subject, in a transaction of its own; then everything is as a rebuild would have it."""
    adjusted = perform(lambda: adjust(grant.subject_id, now=now, **steps), now=now)
    before = _pictures(grant)
    recompute(grant.subject, now=now)
    assert _pictures(grant) == before, "a rebuild says something else"
    return adjusted


def _pictures(grant: Grant) -> list[dict[str, Any]]:
    bookkeeping = {"id", "version", "last_event_at", "last_recomputed_at", "updated_at"}
    rows = Balance.objects.for_subject(grant.subject_id).running().order_by("definition_id").values()
    return [{name: value for name, value in row.items() if name not in bookkeeping} for row in rows]


# -- takes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("used", "target", "taken"), [(0, 4, 4), (8, 4, 2), (10, 4, 0), (3, None, 7), (0, 99, 10)])
def test_of_a_lot_that_is_given_once_no_more_is_taken_than_is_left(used: int, target: int | None, taken: int) -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    if used:
        charge(grant.subject, used)

    adjusted = done(grant, takes=[take(grant, target)])

    assert adjusted.taken == {grant.pk: taken}
    assert numbers(grant.subject, grant.definition) == Numbers(10 - taken, used, 10 - taken - used)


def test_what_a_top_up_paid_in_an_earlier_window_is_not_taken() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "seven", amount=7)
    let_pass(NEXT_MONTH)

    adjusted = done(grant, takes=[take(grant, 5)], now=NEXT_MONTH)

    assert adjusted.taken == {grant.pk: 3}
    assert numbers(grant.subject, grant.definition) == Numbers(0, 0, 0)


def test_of_a_lot_that_renews_the_target_is_taken_and_this_window_keeps_what_it_paid() -> None:
    grant = GrantFactory(kind=GrantKind.ADDON_TIMEBOXED, amount=10)
    press(grant.subject, "eight", amount=8)

    done(grant, takes=[take(grant, 6)])
    assert numbers(grant.subject, grant.definition) == Numbers(8, 8, 0)

    let_pass(NEXT_MONTH)
    press(grant.subject, "next month", amount=1, now=NEXT_MONTH)
    assert numbers(grant.subject, grant.definition) == Numbers(4, 1, 3)


def test_of_a_plans_lot_in_a_pool_the_pool_is_lowered() -> None:
    grant = GrantFactory(of_plan=True, amount=100)
    press(grant.subject, "eighty", amount=80)

    done(grant, takes=[take(grant, 50)])

    assert numbers(grant.subject, grant.definition) == Numbers(80, 80, 0)
    assert balance_of(grant.subject, grant.definition).plan_used == 80


def test_a_capacity_is_lowered_by_the_target_and_what_is_there_stays() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=10)
    take_place(grant.subject, "here", number=8)

    done(grant, takes=[take(grant, 5)])

    row = balance_of(grant.subject, grant.definition)
    assert (row.granted_amount, row.consumed_amount, row.over_limit) == (5, 8, True)


def test_of_a_rolling_quota_the_target_is_taken() -> None:
    grant = GrantFactory(definition=PulsesFactory(), kind=GrantKind.ADDON_TIMEBOXED, amount=10)
    press(grant.subject, "six", amount=6, capability=PULSE)

    done(grant, takes=[take(grant, 7)])

    assert numbers(grant.subject, grant.definition).effective == 0


def test_an_unlimited_grant_has_no_units_to_take() -> None:
    grant = GrantFactory(amount=None)

    assert done(grant, takes=[take(grant, 5)]).taken == {grant.pk: 0}
    assert balance_of(grant.subject, grant.definition).is_unlimited


def test_units_under_a_hold_are_not_spared() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    hold(grant.subject, CHARGE, amount=6, now=NOON, ttl=timedelta(hours=2))

    done(grant, takes=[take(grant, 8)])

    assert numbers(grant.subject, grant.definition) == Numbers(2, 0, -4, held=6)


def test_a_grant_that_has_not_begun_can_be_taken_whole() -> None:
    grant = GrantFactory(amount=10, effective_at=LATER + HOUR)

    assert done(grant, takes=[take(grant, None)], ends=[grant.pk]).ended == (grant.pk,)
    let_pass(LATER + 2 * HOUR)
    assert numbers(grant.subject, grant.definition).granted == 0


def test_of_a_grant_that_is_over_nothing_is_taken_and_the_attempt_is_noted() -> None:
    grant = GrantFactory(amount=10, expires_at=NOON + timedelta(minutes=1))

    adjusted = done(grant, takes=[take(grant, 5)], freezes=[freeze(grant)], ends=[grant.pk])

    assert (adjusted.taken, adjusted.frozen, adjusted.ended) == ({grant.pk: 0}, (), ())
    assert GrantAdjustment.objects.get().amount == 0


def test_the_same_keys_again_change_nothing() -> None:
    grant = GrantFactory(amount=10)
    done(grant, takes=[take(grant, 4)])
    version = balance_of(grant.subject, grant.definition).version

    again = perform(lambda: adjust(grant.subject_id, takes=[take(grant, 4)], now=LATER), now=LATER)

    assert again == Adjusted()
    assert balance_of(grant.subject, grant.definition).version == version
    assert GrantAdjustment.objects.count() == 1


def test_several_takes_of_one_grant_add_up() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "two", amount=2)

    adjusted = done(grant, takes=[take(grant, 5, key="a"), take(grant, 5, key="b"), take(grant, None, key="c")])

    assert adjusted.taken == {grant.pk: 8}
    assert list(GrantAdjustment.objects.order_by("pk").values_list("amount", flat=True)) == [5, 3, 0]


def test_nobody_takes_from_another_subjects_grant() -> None:
    grant, other = GrantFactory(), BillableEntityFactory()

    with pytest.raises(ValueError, match="the subject they were given to"):
        perform(lambda: adjust(other.pk, takes=[take(grant, 1)], now=LATER), now=LATER)


# -- freezes and releases ----------------------------------------------------------------------------------------------


def test_a_frozen_lot_counts_neither_as_granted_nor_as_consumed() -> None:
    frozen = GrantFactory(amount=10)
    press(frozen.subject, "four", amount=4)
    GrantFactory(subject=frozen.subject, amount=5)

    done(frozen, freezes=[freeze(frozen)])

    assert numbers(frozen.subject, frozen.definition) == Numbers(5, 0, 5)


def test_a_release_gives_back_what_the_lot_had_left_also_in_another_window() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "four", amount=4)
    done(grant, freezes=[freeze(grant)])
    let_pass(NEXT_MONTH)

    done(grant, releases=[release(grant)], now=NEXT_MONTH)

    assert numbers(grant.subject, grant.definition) == Numbers(6, 0, 6)


def test_the_end_of_a_frozen_grant_is_not_moved() -> None:
    grant = GrantFactory(amount=10, expires_at=LATER + HOUR)
    done(grant, freezes=[freeze(grant)])
    let_pass(LATER + 2 * HOUR)

    adjusted = done(grant, releases=[release(grant)], now=LATER + 2 * HOUR)

    assert adjusted.released == (grant.pk,)
    assert numbers(grant.subject, grant.definition) == Numbers(0, 0, 0)


def test_of_two_freezes_both_have_to_be_released() -> None:
    grant = GrantFactory(amount=10)
    done(grant, freezes=[freeze(grant, key="a"), freeze(grant, key="b")])

    done(grant, releases=[release(grant, key="ra", undoes="a")])
    assert numbers(grant.subject, grant.definition).granted == 0

    done(grant, releases=[release(grant, key="rb", undoes="b")])
    assert numbers(grant.subject, grant.definition) == Numbers(10, 0, 10)


def test_what_was_never_frozen_is_not_released() -> None:
    grant = GrantFactory(amount=10)

    assert done(grant, releases=[release(grant)]) == Adjusted()
    assert not GrantAdjustment.objects.exists()


def test_what_is_left_is_known_of_a_frozen_lot_too() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    charge(grant.subject, 7)
    done(grant, freezes=[freeze(grant)])

    adjusted = done(grant, takes=[take(grant, 5)], releases=[release(grant)])

    assert adjusted.taken == {grant.pk: 3}
    assert numbers(grant.subject, grant.definition) == Numbers(7, 7, 0)


def test_units_that_a_release_sets_free_pay_overage_of_the_running_window(settings: Any) -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    done(grant, freezes=[freeze(grant)])
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    charge(grant.subject, 6, now=LATER)
    assert numbers(grant.subject, grant.definition).overage == 6

    done(grant, releases=[release(grant)])

    assert numbers(grant.subject, grant.definition) == Numbers(10, 6, 4)


def test_a_frozen_lot_pays_nothing() -> None:
    grant = GrantFactory(amount=10)
    done(grant, freezes=[freeze(grant)])

    with pytest.raises(LimitExceeded):
        press(grant.subject, "one", now=LATER)
    assert not Consumption.objects.exists()


def test_a_state_is_gone_while_it_is_frozen() -> None:
    grant = GrantFactory(definition=AccessFactory(), amount=1)

    done(grant, freezes=[freeze(grant)])
    row = balance_of(grant.subject, grant.definition)
    assert (row.granted_amount, row.lock_state) == (0, "access_expired")

    done(grant, releases=[release(grant)])
    assert balance_of(grant.subject, grant.definition).granted_amount == 1


# -- statements --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 12])
def test_statements_do_not_grow_with_the_grants(number: int) -> None:
    entity = BillableEntityFactory()
    grants = [
        GrantFactory(subject=entity, definition=definition, amount=10)
        for definition in (PressesFactory(), CreditsFactory())
        for _ in range(number)
    ]
    frozen = [GrantFactory(subject=entity, definition=grant.definition, amount=10) for grant in grants]
    press(entity, "some", amount=3)
    charge(entity, 3)
    perform(lambda: adjust(entity.pk, freezes=[freeze(each) for each in frozen], now=NOON), now=NOON)

    statements = counted(
        lambda: perform(
            lambda: adjust(
                entity.pk,
                takes=[take(grant, 5) for grant in (*grants, *frozen)],
                releases=[release(grant) for grant in frozen],
                ends=[grants[0].pk],
                now=LATER,
            ),
            now=LATER,
        )
    )

    assert len(statements) <= BUDGET, statements
    kinds = set(GrantAdjustment.objects.values_list("kind", flat=True))
    assert kinds == {AdjustmentKind.TAKE, AdjustmentKind.FREEZE, AdjustmentKind.RELEASE}
