"""The first touch of a window may be about the one before: a late use, or a use taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode, GrantKind
from billing.entitlements.reversals import reverse
from billing.errors import LimitExceeded
from billing.models import Allocation, Balance, BillableEntity, Definition
from tests import NOON
from tests.entitlements.looking import Numbers, numbers, paid_by
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.services import press

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def presses(db: None) -> Definition:
    return PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)


@pytest.fixture
def entity(presses: Definition) -> BillableEntity:
    """Ten presses a month and a top-up of six."""
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=presses, of_plan=True, amount=10)
    GrantFactory(subject=entity, definition=presses, kind=GrantKind.TOPUP, amount=6)
    return entity


def february(entity: BillableEntity) -> tuple[int, int, bool]:
    """Used, unpaid overage, and whether it is closed."""
    row = Balance.objects.get(subject=entity, window_start_at__lt=MARCH)
    return row.consumed_amount, row.overage_amount, row.closed_at is not None


def test_a_late_use_closes_its_window_and_opens_the_next(entity: BillableEntity, presses: Definition) -> None:
    press(entity, "nine", amount=9)

    press(entity, "late", amount=6, now=MARCH, occurred_at=NOON)

    assert february(entity) == (15, 0, True)
    assert numbers(entity, presses) == Numbers(11, 0, 11)


def test_a_refused_late_use_opens_nothing() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "nine", amount=9)

    with pytest.raises(LimitExceeded):
        press(grant.subject, "late", amount=2, now=MARCH, occurred_at=NOON)

    assert Balance.objects.get(subject=grant.subject).closed_at is None


def test_a_use_taken_back_closes_its_window_and_opens_the_next(entity: BillableEntity, presses: Definition) -> None:
    use = press(entity, "fourteen", amount=14).bookings[0].consumption_id
    assert use is not None

    reverse(entity, use, amount=5, now=MARCH)

    assert february(entity) == (9, 0, True)
    assert numbers(entity, presses) == Numbers(16, 0, 16)


def test_overage_that_was_paid_on_the_way_counts_for_a_late_use(entity: BillableEntity, presses: Definition) -> None:
    press(entity, "twenty", amount=20)
    later = GrantFactory(subject=entity, definition=presses, amount=10, effective_at=NOON + timedelta(days=2))

    press(entity, "late", amount=8, now=MARCH, occurred_at=NOON + timedelta(days=3))

    assert paid_by(later) == 10
    assert february(entity) == (28, 2, True)


def test_overage_that_was_paid_on_the_way_returns_to_who_paid_it(entity: BillableEntity, presses: Definition) -> None:
    use = press(entity, "twenty", amount=20).bookings[0].consumption_id
    assert use is not None
    later = GrantFactory(subject=entity, definition=presses, amount=10, effective_at=NOON + timedelta(days=2))

    reverse(entity, use, amount=3, now=MARCH)

    assert paid_by(later) == 1
    settled = Allocation.objects.filter(kind="overage_settlement").order_by("pk")
    assert list(settled.values_list("amount", flat=True)) == [4, -3]
    assert numbers(entity, presses) == Numbers(19, 0, 19)
    reverse(entity, use, amount=1, now=MARCH)
    assert paid_by(later) == 0
