"""How many statements a batch of the boundary worker takes, from the lease to the last write: section 6, whatever its size."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from billing.engine.types import EnforcementMode
from billing.entitlements.boundaries import roll_due
from billing.entitlements.holds import hold
from billing.models import Definition
from tests import NOON
from tests.entitlements.statements import counted
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import CHARGE, PULSE
from tests.gadgets.services import charge, press

pytestmark = pytest.mark.django_db(transaction=True)

BATCH = 6
UNITS_MOVE = 1
ANY_BATCH = 10
DAY = timedelta(days=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def ending(definition: Callable[[], Definition]) -> datetime:
    GrantFactory(definition=definition(), expires_at=NOON + DAY)
    return NOON + DAY


def beginning() -> datetime:
    GrantFactory(definition=CreditsFactory(), effective_at=NOON + DAY, recorded_at=NOON)
    return NOON + DAY


def month_ending() -> datetime:
    GrantFactory(of_plan=True)
    return MARCH


def hold_ending() -> datetime:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    hold(grant.subject, CHARGE, amount=3, now=NOON)
    return NOON + DAY


def use_leaving() -> datetime:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True)
    press(grant.subject, "pulse", capability=PULSE)
    return NOON + DAY


def taking_over() -> datetime:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=CreditsFactory(), expires_at=NOON + DAY)
    GrantFactory(subject=entity, definition=CreditsFactory())
    return NOON + DAY


def settling() -> datetime:
    definition, entity = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN), BillableEntityFactory()
    charge(entity, 4)
    GrantFactory(subject=entity, definition=definition, effective_at=NOON + DAY, recorded_at=NOON)
    return NOON + DAY


ALIKE: dict[str, Callable[[], datetime]] = {
    "a lot ends": partial(ending, CreditsFactory),
    "a capacity ends": partial(ending, PlacesFactory),
    "a state ends": partial(ending, AccessFactory),
    "a quota ends": partial(ending, PressesFactory),
    "a lot begins": beginning,
    "a month ends": month_ending,
    "a hold ends": hold_ending,
    "a use leaves": use_leaving,
}


@pytest.mark.parametrize("number", [2, 12])
@pytest.mark.parametrize("what", ALIKE)
def test_a_batch_of_rows_that_are_alike_takes_six(what: str, number: int) -> None:
    now = max(ALIKE[what]() for _ in range(number))

    statements = counted(lambda: roll_due(now=now))

    assert len(statements) <= BATCH


@pytest.mark.parametrize("make", [taking_over, settling])
@pytest.mark.parametrize("number", [2, 12])
def test_where_units_move_one_is_added(make: Callable[[], datetime], number: int) -> None:
    now = max(make() for _ in range(number))

    statements = counted(lambda: roll_due(now=now))

    assert len(statements) <= BATCH + UNITS_MOVE


@pytest.mark.parametrize("times", [1, 4])
def test_a_batch_of_everything_takes_ten(times: int) -> None:
    for _ in range(times):
        for make in [*ALIKE.values(), taking_over]:
            make()

    statements = counted(lambda: roll_due(now=NOON + 20 * DAY))

    assert len(statements) <= ANY_BATCH
