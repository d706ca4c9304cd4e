"""The guest's definitions, one of each kind. A second call finds the row of the first."""

from billing.engine.types import AggregationMode, EnforcementMode, EntitlementType, WindowAnchor, WindowInterval
from tests.factories import DefinitionFactory
from tests.gadgets import limits


class _OneOfEachFactory(DefinitionFactory):
    class Meta:
        abstract = True
        django_get_or_create = ("code",)


class PressesFactory(_OneOfEachFactory):
    """Presses per calendar month; more are refused."""

    code = limits.PRESSES
    name = "Presses"


class PulsesFactory(_OneOfEachFactory):
    """Pulses in the last 24 hours."""

    code = limits.PULSES
    window_interval = WindowInterval.DAY
    window_anchor = WindowAnchor.ROLLING


class ReadingsFactory(_OneOfEachFactory):
    """Readings per month, counted from the day the subject's first assignment began."""

    code = limits.READINGS
    window_anchor = WindowAnchor.ANNIVERSARY


class CreditsFactory(_OneOfEachFactory):
    """Credits that never reset."""

    code = limits.CREDITS
    entitlement_type = EntitlementType.BALANCE
    window_interval = None
    window_anchor = None


class PlacesFactory(_OneOfEachFactory):
    """Places that may be taken at once."""

    code = limits.PLACES
    entitlement_type = EntitlementType.CAPACITY
    enforcement_mode = EnforcementMode.HARD_LOCK_RESOURCE
    lock_state_name = "places_locked"
    window_interval = None
    window_anchor = None


class AccessFactory(_OneOfEachFactory):
    """A yes or a no."""

    code = limits.ACCESS
    entitlement_type = EntitlementType.STATE
    aggregation_mode = AggregationMode.BOOLEAN_ANY_TRUE
    lock_state_name = "access_expired"
    window_interval = None
    window_anchor = None
