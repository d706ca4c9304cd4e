"""Limits of every kind, each with one capability; declared while these tests run and forgotten after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from billing import limits
from billing.engine.types import (
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    Rule,
    WindowAnchor,
    WindowInterval,
)
from billing.entitlements import capabilities
from billing.models import BillableEntity, Definition
from tests import NOON
from tests.factories import DefinitionFactory
from tests.gadgets.models import Place

LOCKED = "locked_over_limit"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A limit: its code, its rule, and the capability that uses one unit of it."""

    code: str
    rule: Rule

    @property
    def capability(self) -> str:
        return f"{self.code}.use"

    def make(self) -> Definition:
        """The definition as it is at the beginning of a life."""
        definition: Definition = DefinitionFactory(
            code=self.code,
            entitlement_type=self.rule.type,
            aggregation_mode=self.rule.aggregation,
            window_interval=self.rule.interval,
            window_anchor=self.rule.anchor,
            lock_state_name=LOCKED,
            created_at=NOON,
            updated_at=NOON,
        )
        return definition


def _metered(code: str, interval: WindowInterval, anchor: WindowAnchor) -> Kind:
    return Kind(code=code, rule=Rule(type=EntitlementType.METERED_QUOTA, interval=interval, anchor=anchor))


MONTH = _metered("lives.month", WindowInterval.MONTH, WindowAnchor.CALENDAR_UTC)
DAY = _metered("lives.day", WindowInterval.DAY, WindowAnchor.CALENDAR_UTC)
WEEK = _metered("lives.week", WindowInterval.WEEK, WindowAnchor.CALENDAR_UTC)
ANNIVERSARY = _metered("lives.anniversary", WindowInterval.MONTH, WindowAnchor.ANNIVERSARY)
ANNIVERSARY_DAY = _metered("lives.anniversary.day", WindowInterval.DAY, WindowAnchor.ANNIVERSARY)
ROLLING = _metered("lives.rolling", WindowInterval.DAY, WindowAnchor.ROLLING)
ROLLING_WEEK = _metered("lives.rolling.week", WindowInterval.WEEK, WindowAnchor.ROLLING)
CREDITS = Kind(code="lives.credits", rule=Rule(type=EntitlementType.BALANCE))
PLACES = Kind(code="lives.places", rule=Rule(type=EntitlementType.CAPACITY))
SEATS = Kind(code="lives.seats", rule=Rule(type=EntitlementType.CAPACITY, aggregation=AggregationMode.MAX))
ACCESS = Kind(code="lives.access", rule=Rule(type=EntitlementType.STATE, aggregation=AggregationMode.BOOLEAN_ANY_TRUE))

KINDS = [
    MONTH, DAY, WEEK, ANNIVERSARY, ANNIVERSARY_DAY, ROLLING, ROLLING_WEEK, CREDITS, PLACES, SEATS, ACCESS
]  # fmt: skip
MODES = list(EnforcementMode)


def declare_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare the capabilities and counters in registries that are gone after the test."""
    monkeypatch.setattr(capabilities, "_capabilities", dict(capabilities._capabilities))
    monkeypatch.setattr(capabilities, "_counters", dict(capabilities._counters))
    for kind in KINDS:
        limits.declare(capability=kind.capability, limitation=kind.code, reason=kind.capability)
        if kind.rule.type is EntitlementType.CAPACITY:
            limits.declare_counter(kind.code, _counter_of(kind.code))


def _counter_of(code: str) -> Callable[[BillableEntity], int]:
    return lambda entity: Place.objects.filter(entity=entity, name=code).count()
