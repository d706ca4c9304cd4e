"""
The guests' door: declare a capability, declare a counter, execute, consume, check, hold.

An app that limits something imports from here and from nowhere else in billing. See ``docs/guests.md``.
"""

from __future__ import annotations

from datetime import datetime

from billing.entitlements.capabilities import Capability, declare, declare_counter
from billing.entitlements.enforcement import (
    Execution,
    Use,
    consume_entitlement,
    execute_with_entitlement_consumption,
    refresh_capacity,
)
from billing.entitlements.holding import HoldView
from billing.entitlements.holds import Overrun, capture, extend, hold, release
from billing.entitlements.limitations import check
from billing.entitlements.policy import Decision, Unlock
from billing.entitlements.wording import LimitInWords, limits_in_words
from billing.models import BillableEntity
from mozaiks.kit.commands import Command, command_of, mark_replay
from mozaiks.kit.errors import NotFound

__all__ = [
    "BillableEntity",
    "Capability",
    "Command",
    "Decision",
    "Execution",
    "HoldView",
    "LimitInWords",
    "Overrun",
    "Unlock",
    "Use",
    "capture",
    "check",
    "command_of",
    "consume_entitlement",
    "declare",
    "declare_counter",
    "entity_for_workspace",
    "execute_with_entitlement_consumption",
    "extend",
    "hold",
    "in_words",
    "mark_replay",
    "refresh_capacity",
    "release",
]


def entity_for_workspace(workspace_id: int) -> BillableEntity:
    """Whose limits apply to what a workspace does. :raises NotFound: billing does not know the workspace."""
    entity = BillableEntity.objects.for_workspace(workspace_id).first()
    if entity is None:
        raise NotFound("This workspace has no billing.")
    return entity


def in_words(entity: BillableEntity, limitation: str, *, now: datetime) -> LimitInWords:
    """
    A limit as a page shows it: numbers, bar, state, and ways to more. The template tag ``{% limit %}`` makes a card of it.

    :raises Invalid: there is no such limit in use.
    """
    (words,) = limits_in_words(entity, now=now, codes=[limitation])
    return words
