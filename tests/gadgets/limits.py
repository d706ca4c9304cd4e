"""What gadgets limit: one capability for every kind of definition."""

from __future__ import annotations

from typing import Final

from billing import limits
from tests.gadgets.models import Place

PRESSES: Final = "gadgets.presses.monthly"
PULSES: Final = "gadgets.pulses.rolling"
READINGS: Final = "gadgets.readings.anniversary"
CREDITS: Final = "gadgets.credits"
PLACES: Final = "gadgets.places"
ACCESS: Final = "gadgets.access"

PRESS: Final = "gadgets.press"
PULSE: Final = "gadgets.pulse"
READ: Final = "gadgets.read"
CHARGE: Final = "gadgets.charge"
TAKE_PLACE: Final = "gadgets.place"
ENTER: Final = "gadgets.enter"
PRINT: Final = "gadgets.print"


def declare_limits() -> None:
    """Make the capabilities and the counter known; ``gadgets.print`` uses a press and a credit at once."""
    limits.declare(capability=PRESS, limitation=PRESSES, reason="gadget.press")
    limits.declare(capability=PULSE, limitation=PULSES, reason="gadget.pulse")
    limits.declare(capability=READ, limitation=READINGS, reason="gadget.read")
    limits.declare(capability=CHARGE, limitation=CREDITS, reason="gadget.charge")
    limits.declare(capability=TAKE_PLACE, limitation=PLACES, reason="gadget.place")
    limits.declare(capability=ENTER, limitation=ACCESS, reason="gadget.enter")
    limits.declare(capability=PRINT, limitation=(PRESSES, CREDITS), reason="gadget.print")
    limits.declare_counter(PLACES, count_places)


def count_places(entity: limits.BillableEntity) -> int:
    """How many places the entity has taken."""
    return Place.objects.filter(entity=entity).count()
