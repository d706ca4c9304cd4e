"""What a workspace has lived through, so that its answers have something to say: one limit of every kind."""

from __future__ import annotations

from datetime import timedelta

from billing.engine.types import GrantKind
from billing.entitlements.holds import hold
from billing.models import BillableEntity
from tests import NOON
from tests.factories import GrantFactory
from tests.gadgets.factories import (
    AccessFactory,
    CreditsFactory,
    PlacesFactory,
    PressesFactory,
    PulsesFactory,
    ReadingsFactory,
)
from tests.gadgets.limits import ACCESS, CHARGE, CREDITS, PLACES, PRESSES, PULSE, PULSES, READINGS
from tests.gadgets.models import Place
from tests.gadgets.services import charge, press

EVERY_KIND = sorted([ACCESS, CREDITS, PLACES, PRESSES, PULSES, READINGS])
YESTERDAY = NOON - timedelta(days=1)


def lived_in(entity: BillableEntity) -> BillableEntity:
    """
    A month used beyond its plan and into a top-up, pulses of an hour ago, credits with a hold, more places than allowed,
    readings without limit, and access.
    """
    given = {"subject": entity, "recorded_at": YESTERDAY, "effective_at": YESTERDAY}
    GrantFactory(**given, definition=PressesFactory(), of_plan=True, amount=100)
    GrantFactory(**given, definition=PressesFactory(), amount=50, expires_at=NOON + timedelta(days=20))
    press(entity, "much", amount=120, now=YESTERDAY)
    GrantFactory(**given, definition=PulsesFactory(), of_plan=True, amount=10)
    press(entity, "pulse", amount=4, capability=PULSE, now=NOON - timedelta(hours=1))
    GrantFactory(**given, definition=CreditsFactory(), amount=30)
    charge(entity, 10, now=YESTERDAY)
    hold(entity, CHARGE, amount=5, now=NOON)
    GrantFactory(**given, definition=PlacesFactory(), of_plan=True, amount=2)
    Place.objects.bulk_create(Place(entity=entity, name="taken", created_at=NOON) for _ in range(3))
    GrantFactory(**given, definition=ReadingsFactory(), kind=GrantKind.PROMO, amount=None)
    GrantFactory(**given, definition=AccessFactory(), amount=1, expires_at=NOON + timedelta(days=30))
    return entity
