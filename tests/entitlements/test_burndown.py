"""Which lots pay, and what a lot that ends takes with it."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode, GrantKind, Replenish
from billing.errors import LimitExceeded
from billing.models import Allocation, Consumption, Grant
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, paid_by
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory
from tests.gadgets.services import charge

JULY = datetime(2026, 7, 1, tzinfo=UTC)


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def vector(mode: EnforcementMode) -> dict[str, Grant]:
    """A paid 50 until September 1, B promo 20 until September 1, C promo 100 until August 15."""
    entity, definition = BillableEntityFactory(), CreditsFactory(enforcement_mode=mode)
    given = {
        "A": (GrantKind.TOPUP, 50, day(9, 1)),
        "B": (GrantKind.PROMO, 20, day(9, 1)),
        "C": (GrantKind.PROMO, 100, day(8, 15)),
    }
    return {
        name: GrantFactory(
            subject=entity,
            definition=definition,
            kind=kind,
            amount=amount,
            effective_at=JULY,
            expires_at=expires_at,
            recorded_at=JULY,
        )
        for name, (kind, amount, expires_at) in given.items()
    }


def test_what_ends_soonest_pays_first() -> None:
    grants = vector(EnforcementMode.HARD_DENY)

    charge(grants["A"].subject, 90, now=day(8, 1))

    assert {name: paid_by(grant) for name, grant in grants.items()} == {"A": 0, "B": 0, "C": 90}


def test_of_what_ends_together_promo_pays_before_paid_and_soft_limits_record_the_rest() -> None:
    grants = vector(EnforcementMode.SOFT_WARN)

    charge(grants["A"].subject, 90, now=day(8, 20))

    assert {name: paid_by(grant) for name, grant in grants.items()} == {"A": 50, "B": 20, "C": 0}
    assert Consumption.objects.get().overage_amount == 20
    assert numbers(grants["A"].subject, grants["A"].definition) == Numbers(70, 90, -20, overage=20)


def test_of_what_ends_together_a_hard_limit_refuses_more_than_there_is() -> None:
    grants = vector(EnforcementMode.HARD_DENY)

    with pytest.raises(LimitExceeded) as refused:
        charge(grants["A"].subject, 90, now=day(8, 20))

    assert refused.value.details["remaining"] == 70


def test_a_time_boxed_lot_that_ends_takes_its_rest_along_and_nothing_else() -> None:
    entity = BillableEntityFactory()
    ending = GrantFactory(subject=entity, definition=CreditsFactory(), amount=100, expires_at=NOON + timedelta(days=30))
    lasting = GrantFactory(subject=entity, definition=CreditsFactory(), amount=50)
    charge(entity, 80)

    charge(entity, 1, now=NOON + timedelta(days=30))

    assert (paid_by(ending), paid_by(lasting)) == (80, 1)
    assert numbers(entity, CreditsFactory()) == Numbers(50, 1, 49)


def test_at_exactly_its_end_a_lot_pays_no_more() -> None:
    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + timedelta(days=1))
    charge(grant.subject, 1, now=NOON + timedelta(days=1, milliseconds=-1))

    with pytest.raises(LimitExceeded) as refused:
        charge(grant.subject, 1, now=NOON + timedelta(days=1))

    assert refused.value.details["limit"] == 0


def test_the_older_of_two_equal_lots_pays_first() -> None:
    entity = BillableEntityFactory()
    newer = GrantFactory(subject=entity, definition=CreditsFactory(), amount=10)
    older = GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, effective_at=NOON - timedelta(days=1))

    charge(entity, 12)

    assert (paid_by(older), paid_by(newer)) == (10, 2)


def test_shares_and_overage_add_up_to_the_amount() -> None:
    grants = vector(EnforcementMode.SOFT_WARN)

    charge(grants["A"].subject, 200, now=day(8, 1))

    consumption = Consumption.objects.get()
    shares = list(Allocation.objects.filter(consumption=consumption).order_by("pk").values_list("grant_id", "amount"))
    assert shares == [(grants["C"].pk, 100), (grants["B"].pk, 20), (grants["A"].pk, 50)]
    assert (consumption.amount, consumption.overage_amount, consumption.grant_id) == (200, 30, None)


def test_one_lot_that_pays_it_all_needs_no_shares() -> None:
    grants = vector(EnforcementMode.HARD_DENY)

    charge(grants["A"].subject, 100, now=day(8, 1))

    assert Consumption.objects.get().grant_id == grants["C"].pk
    assert not Allocation.objects.exists()


def test_after_the_head_lot_is_empty_the_next_one_is_the_head() -> None:
    grants = vector(EnforcementMode.HARD_DENY)
    entity, definition = grants["A"].subject, grants["A"].definition

    charge(entity, 100, now=day(8, 1))
    charge(entity, 5, now=day(8, 1))

    row = balance_of(entity, definition)
    assert (row.head_grant_id, row.head_remaining) == (grants["B"].pk, 15)


def test_unlimited_lots_pay_everything_and_finite_ones_stay_untouched() -> None:
    entity = BillableEntityFactory()
    finite = GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, expires_at=NOON + timedelta(days=9))
    unlimited = GrantFactory(
        subject=entity, definition=CreditsFactory(), amount=None, expires_at=NOON + timedelta(days=1)
    )
    charge(entity, 1000)

    charge(entity, 4, now=NOON + timedelta(days=1))

    assert (paid_by(unlimited), paid_by(finite)) == (1000, 4)
    assert numbers(entity, CreditsFactory()) == Numbers(10, 4, 6)


def test_units_that_arrive_pay_overage_once() -> None:
    entity, definition = BillableEntityFactory(), CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    GrantFactory(subject=entity, definition=definition, amount=10)
    charge(entity, 25)

    bought = GrantFactory(subject=entity, definition=definition, amount=40)

    assert numbers(entity, definition) == Numbers(50, 25, 25)
    settlement = Allocation.objects.get(kind="overage_settlement")
    assert (settlement.grant_id, settlement.amount, settlement.consumption_id) == (bought.pk, 15, None)


def test_a_grant_that_starts_by_itself_pays_overage_at_its_start() -> None:
    entity, definition = BillableEntityFactory(), CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    GrantFactory(subject=entity, definition=definition, amount=10)
    starts_at = NOON + timedelta(days=2)
    GrantFactory(subject=entity, definition=definition, amount=10, effective_at=starts_at)
    charge(entity, 13)

    charge(entity, 1, now=NOON + timedelta(days=5))

    assert Allocation.objects.get(kind="overage_settlement").occurred_at == starts_at
    assert numbers(entity, definition) == Numbers(20, 14, 6)


def test_a_future_grant_counts_from_its_start() -> None:
    grant = GrantFactory(definition=CreditsFactory(), effective_at=NOON + timedelta(days=1))
    with pytest.raises(LimitExceeded):
        charge(grant.subject, 1)

    charge(grant.subject, 1, now=NOON + timedelta(days=1))

    assert numbers(grant.subject, grant.definition) == Numbers(10, 1, 9)


def test_a_per_window_grant_on_a_balance_gives_once() -> None:
    grant = GrantFactory(
        definition=CreditsFactory(), kind=GrantKind.ADDON_TIMEBOXED, replenish=Replenish.PER_WINDOW, amount=10
    )
    charge(grant.subject, 10)

    with pytest.raises(LimitExceeded):
        charge(grant.subject, 1, now=NOON + timedelta(days=400))


def test_a_debit_over_many_lots_is_split_in_order() -> None:
    entity = BillableEntityFactory()
    grants = [
        GrantFactory(subject=entity, definition=CreditsFactory(), amount=3, expires_at=NOON + timedelta(days=index))
        for index in range(40, 0, -1)
    ]

    charge(entity, 100)

    assert [paid_by(grant) for grant in reversed(grants)] == [3] * 33 + [1] + [0] * 6
    assert numbers(entity, CreditsFactory()) == Numbers(120, 100, 20)
