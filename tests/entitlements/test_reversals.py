"""A use taken back: overage goes first, then units return to the lots that paid, last-taken first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.engine.types import AdjustmentKind, AdjustmentReason, EnforcementMode, GrantKind, SourceType
from billing.entitlements.balances import recompute
from billing.entitlements.reversals import Reversal, reverse
from billing.errors import IdempotencyConflict, LimitExceeded
from billing.limits import Execution
from billing.models import Allocation, Balance, Consumption, Grant, GrantAdjustment
from mozaiks.kit.errors import Invalid, NotFound
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, paid_by, used
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import PULSE
from tests.gadgets.services import charge, press

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def booked(execution: Execution[Any]) -> int:
    consumption_id = execution.bookings[0].consumption_id
    assert consumption_id is not None
    return consumption_id


def test_a_use_taken_back_whole_leaves_everything_as_it_was() -> None:
    grant = GrantFactory(amount=10)
    before = numbers(grant.subject, grant.definition)
    use = booked(press(grant.subject, "first", amount=4))

    reversal = reverse(grant.subject, use, now=NOON)

    assert numbers(grant.subject, grant.definition) == before
    assert (reversal.amount, reversal.overage, reversal.forfeited) == (4, 0, 0)
    row = Consumption.objects.get(pk=reversal.consumption_id)
    assert (row.amount, row.reverses_id, row.grant_id, row.dedupe_key[:3]) == (-4, use, grant.pk, "r1:")


def test_a_use_is_taken_back_in_parts_and_never_more_than_it_was() -> None:
    grant = GrantFactory(amount=10)
    use = booked(press(grant.subject, "first", amount=4))
    reverse(grant.subject, use, amount=3, now=NOON)

    with pytest.raises(Invalid, match="Only 1 units are left"):
        reverse(grant.subject, use, amount=2, now=NOON)

    assert used(grant.subject) == 1
    reverse(grant.subject, use, now=NOON)
    with pytest.raises(Invalid):
        reverse(grant.subject, use, now=NOON)
    assert used(grant.subject) == 0


def test_units_return_to_the_lot_that_paid_last_first() -> None:
    entity = BillableEntityFactory()
    first, second, third = (
        GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, expires_at=NOON + timedelta(days=days))
        for days in (1, 2, 3)
    )
    use = booked(charge(entity, 25))

    reverse(entity, use, amount=12, now=NOON)

    assert [paid_by(grant) for grant in (first, second, third)] == [10, 3, 0]
    reverse(entity, use, amount=5, now=NOON)
    assert [paid_by(grant) for grant in (first, second, third)] == [8, 0, 0]


def test_overage_is_taken_back_first() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=10)
    use = booked(charge(grant.subject, 15))

    reversal = reverse(grant.subject, use, amount=7, now=NOON)

    assert reversal.overage == 5
    assert numbers(grant.subject, definition) == Numbers(10, 8, 2)


def test_overage_that_was_paid_since_returns_to_who_paid_it() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=10)
    use = booked(charge(grant.subject, 15))
    bought = GrantFactory(subject=grant.subject, definition=definition, amount=20)

    reverse(grant.subject, use, amount=4, now=NOON)

    assert (paid_by(grant), paid_by(bought)) == (10, 1)
    assert numbers(grant.subject, definition) == Numbers(30, 11, 19)
    settled = Allocation.objects.filter(kind="overage_settlement").order_by("pk").values_list("amount", flat=True)
    assert list(settled) == [5, -4]


def test_units_that_become_free_pay_the_overage_of_others() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=10)
    use = booked(charge(grant.subject, 10))
    charge(grant.subject, 6)

    reverse(grant.subject, use, amount=8, now=NOON)

    assert numbers(grant.subject, definition) == Numbers(10, 8, 2)
    assert Allocation.objects.get(kind="overage_settlement").amount == 6


def test_nothing_returns_to_a_lot_that_has_ended_and_it_is_said() -> None:
    entity = BillableEntityFactory()
    ended = GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, expires_at=NOON + timedelta(days=1))
    lasting = GrantFactory(subject=entity, definition=CreditsFactory(), amount=10)
    use = booked(charge(entity, 13))

    reversal = reverse(entity, use, now=NOON + timedelta(days=2))

    assert reversal.forfeited == 10
    assert numbers(entity, CreditsFactory()) == Numbers(10, 0, 10)
    assert (paid_by(ended), paid_by(lasting)) == (0, 0)


def test_to_a_frozen_lot_units_return_for_when_it_is_released() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    use = booked(charge(grant.subject, 6))
    dispute(grant, AdjustmentKind.FREEZE)

    reversal = reverse(grant.subject, use, amount=4, now=NOON)

    assert reversal.forfeited == 0
    dispute(grant, AdjustmentKind.RELEASE)
    assert numbers(grant.subject, grant.definition) == Numbers(10, 2, 8)


def dispute(grant: Grant, kind: AdjustmentKind) -> None:
    GrantAdjustment.objects.create(
        subject=grant.subject,
        definition=grant.definition,
        grant=grant,
        kind=kind,
        reason=AdjustmentReason.DISPUTED,
        source_type=SourceType.BILLING_PURCHASE,
        occurred_at=NOON,
        dedupe_key=f"a1:{kind}",
        created_at=NOON,
    )
    recompute(grant.subject, now=NOON)


def test_to_a_pool_units_return_even_when_the_lot_has_ended() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=100, expires_at=NOON + timedelta(days=1))
    use = booked(press(entity, "eighty", amount=80))
    GrantFactory(
        subject=entity,
        of_plan=True,
        amount=50,
        effective_at=NOON + timedelta(days=1),
        recorded_at=NOON + timedelta(days=1),
    )

    reversal = reverse(entity, use, amount=40, now=NOON + timedelta(days=1))

    assert reversal.forfeited == 0
    assert numbers(entity, PressesFactory()) == Numbers(50, 40, 10)


def test_a_use_of_a_closed_window_is_taken_back_there() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    use = booked(press(grant.subject, "february", amount=8))
    press(grant.subject, "march", amount=3, now=MARCH)

    reverse(grant.subject, use, amount=5, now=MARCH)

    february = Balance.objects.get(subject=grant.subject, closed_at__isnull=False)
    assert (february.consumed_amount, february.plan_used) == (3, 3)
    assert numbers(grant.subject, grant.definition) == Numbers(10, 3, 7)
    reversal = Consumption.objects.get(amount=-5)
    assert (reversal.occurred_at, reversal.window_start_at) == (NOON, datetime(2026, 2, 1, tzinfo=UTC))


def test_what_a_top_up_paid_in_a_closed_window_is_there_again_now() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=20)
    use = booked(press(entity, "february", amount=15))
    press(entity, "march", amount=1, now=MARCH)
    assert numbers(entity, PressesFactory()) == Numbers(25, 1, 24)

    reverse(entity, use, amount=5, now=MARCH)

    assert numbers(entity, PressesFactory()) == Numbers(30, 1, 29)


def test_overage_of_a_closed_window_is_taken_back_there() -> None:
    definition = PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, of_plan=True, amount=10)
    use = booked(press(grant.subject, "february", amount=14))
    press(grant.subject, "march", amount=1, now=MARCH)

    reverse(grant.subject, use, amount=3, now=MARCH)

    february = Balance.objects.get(subject=grant.subject, closed_at__isnull=False)
    assert (february.consumed_amount, february.overage_amount) == (11, 1)


def test_in_a_rolling_day_a_use_that_still_counts_is_taken_back() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    use = booked(press(grant.subject, "first", amount=7, capability=PULSE))

    reverse(grant.subject, use, amount=5, now=NOON + timedelta(hours=1))

    assert numbers(grant.subject, grant.definition) == Numbers(10, 2, 8)
    press(grant.subject, "next day", amount=10, capability=PULSE, now=NOON + timedelta(hours=24))


def test_in_a_rolling_day_a_use_that_has_left_changes_nothing_any_more() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    use = booked(press(grant.subject, "first", amount=7, capability=PULSE))
    press(grant.subject, "second", amount=4, capability=PULSE, now=NOON + timedelta(hours=24))

    reverse(grant.subject, use, now=NOON + timedelta(hours=25))

    assert numbers(grant.subject, grant.definition) == Numbers(10, 4, 6)


def test_a_use_of_today_taken_back_no_longer_moves_the_next_boundary() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    use = booked(press(grant.subject, "first", capability=PULSE))
    press(grant.subject, "second", capability=PULSE, now=NOON + timedelta(hours=2))

    reverse(grant.subject, use, now=NOON + timedelta(hours=3))

    assert balance_of(grant.subject, grant.definition).next_change_at == NOON + timedelta(hours=26)


def test_the_same_key_takes_back_once() -> None:
    grant = GrantFactory(amount=10)
    use = booked(press(grant.subject, "first", amount=4))
    first = reverse(grant.subject, use, amount=2, now=NOON, operation_key="same")

    again = reverse(grant.subject, use, amount=2, now=NOON, operation_key="same")

    assert again == Reversal(
        consumption_id=first.consumption_id,
        amount=2,
        overage=0,
        forfeited=0,
        version=first.version,
        replayed=True,
    )
    assert used(grant.subject) == 2


def test_the_same_key_with_another_amount_is_a_conflict() -> None:
    grant = GrantFactory(amount=10)
    use = booked(press(grant.subject, "first", amount=4))
    reverse(grant.subject, use, amount=2, now=NOON, operation_key="same")

    with pytest.raises(IdempotencyConflict):
        reverse(grant.subject, use, amount=1, now=NOON, operation_key="same")


def test_somebody_elses_use_is_not_there() -> None:
    mine, theirs = GrantFactory(), GrantFactory()
    use = booked(press(theirs.subject, "first"))

    with pytest.raises(NotFound):
        reverse(mine.subject, use, now=NOON)


def test_a_reversal_cannot_be_taken_back() -> None:
    grant = GrantFactory(amount=10)
    use = booked(press(grant.subject, "first", amount=4))
    reversal = reverse(grant.subject, use, now=NOON)

    with pytest.raises(Invalid, match="cannot be taken back"):
        reverse(grant.subject, reversal.consumption_id, now=NOON)


@pytest.mark.parametrize("amount", [0, -3, True, 1.5])
def test_an_amount_that_is_no_positive_integer_is_refused(amount: object) -> None:
    grant = GrantFactory(amount=10)
    use = booked(press(grant.subject, "first", amount=4))

    with pytest.raises(Invalid):
        reverse(grant.subject, use, amount=amount, now=NOON)  # type: ignore[arg-type]

    assert used(grant.subject) == 4


def test_what_is_taken_back_can_be_used_again() -> None:
    grant = GrantFactory(amount=4)
    use = booked(press(grant.subject, "first", amount=4))
    with pytest.raises(LimitExceeded):
        press(grant.subject, "second")

    reverse(grant.subject, use, now=NOON)

    press(grant.subject, "second", amount=4)
