"""The published error codes of billing, each on the kind of failure it is. Shapes: ``docs/contracts.md``."""

from __future__ import annotations

from mozaiks.kit.errors import Conflict, Denied, Invalid, LimitReached, PaymentRequired


class LimitExceeded(LimitReached):
    """
    A quota, credits or a state do not allow it. ``details`` carry the numbers and the ways to unlock, ``version`` is that of
    the balance that did not allow it.
    """

    default_code = "BILLING_LIMIT_EXCEEDED"
    version: int | None = None


class LimitExceededPayable(LimitExceeded):
    """The same where paying is the way on (platform mode)."""

    kind = PaymentRequired.kind


class StateNotGranted(LimitExceeded):
    """A state that was not granted."""

    kind = Denied.kind


class CapacityLocked(Conflict):
    """A capacity is full, or over its limit. ``version`` is that of its balance."""

    default_code = "BILLING_CAPACITY_LOCKED"
    version: int | None = None


class LimitNotConfigured(Conflict):
    """The limit is unknown, inactive or dormant."""

    default_code = "BILLING_LIMIT_NOT_CONFIGURED"


class WorkspaceExpired(PaymentRequired):
    """The workspace's access has run out."""

    default_code = "WORKSPACE_EXPIRED"


class IdempotencyConflict(Conflict):
    """The same key came with other content."""

    default_code = "IDEMPOTENCY_CONFLICT"


class IdempotencyKeyRequired(Invalid):
    """This door needs a key."""

    default_code = "IDEMPOTENCY_KEY_REQUIRED"


class HoldClosed(Conflict):
    """The hold was captured in full or released before."""

    default_code = "BILLING_HOLD_CLOSED"


class UndeclaredCapability(LookupError):
    """The program uses a capability nobody declared: a mistake in code, not in input."""
