"""The words of the entitlement domain: enums that are stored, and the frozen values the arithmetic works on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

#: The one window of a definition that never resets, from its start (inclusive) to its end (exclusive).
LIFETIME_START = datetime(1970, 1, 1, tzinfo=UTC)
LIFETIME_END = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)

#: Amounts are signed 64-bit integers.
MAX_AMOUNT = 2**63 - 1


class SubjectType(StrEnum):
    """What a subject is. There is one kind today; the column keeps room for more."""

    BILLABLE_ENTITY = "billable_entity"


class EntitlementType(StrEnum):
    """How a definition counts: a level, a use per window, a stock, or a yes."""

    CAPACITY = "capacity"
    METERED_QUOTA = "metered_quota"
    BALANCE = "balance"
    STATE = "state"


class WindowInterval(StrEnum):
    """How long one window of a metered quota is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class WindowAnchor(StrEnum):
    """Where the windows of a metered quota begin."""

    CALENDAR_UTC = "calendar_utc"
    ANNIVERSARY = "anniversary"
    ROLLING = "rolling"


class AggregationMode(StrEnum):
    """How several open grants of one definition add up."""

    SUM = "sum"
    MAX = "max"
    BOOLEAN_ANY_TRUE = "boolean_any_true"


class EnforcementMode(StrEnum):
    """What happens when a use does not fit."""

    HARD_DENY = "hard_deny"
    HARD_LOCK_RESOURCE = "hard_lock_resource"
    SOFT_WARN = "soft_warn"


class EnforcementOverride(StrEnum):
    """What a grant may say about enforcement while it is open."""

    HARD_DENY = "hard_deny"
    SOFT_WARN = "soft_warn"


class ScopeType(StrEnum):
    """Whose limit a definition is."""

    BILLABLE_ENTITY = "billable_entity"
    WORKSPACE = "workspace"
    USER = "user"


class GrantKind(StrEnum):
    """Where units came from."""

    PLAN_BASE = "plan_base"
    ADDON_TIMEBOXED = "addon_timeboxed"
    TOPUP = "topup"
    PROMO = "promo"
    MANUAL_ADJUSTMENT = "manual_adjustment"
    CORRECTION = "correction"


class Replenish(StrEnum):
    """Whether a grant gives its amount in each window or once in its life."""

    PER_WINDOW = "per_window"
    ONCE = "once"


class SourceType(StrEnum):
    """What a grant, an ending or an adjustment was made for."""

    PLAN_ASSIGNMENT = "plan_assignment"
    BILLING_PURCHASE = "billing_purchase"
    BILLING_EVENT = "billing_event"
    MANUAL_CONSOLE = "manual_console"
    SYSTEM_WORKER = "system_worker"


class EndingReason(StrEnum):
    """Why a grant ended before its time."""

    REPLACED = "replaced"
    CANCELED = "canceled"
    ENDED_BY_OPERATOR = "ended_by_operator"


class AdjustmentKind(StrEnum):
    """What an adjustment does to a grant: lower its amount, close its lots, open them again."""

    TAKE = "take"
    FREEZE = "freeze"
    RELEASE = "release"


class AdjustmentReason(StrEnum):
    """Why a grant was adjusted."""

    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    VOIDED = "voided"


class AllocationKind(StrEnum):
    """A share of a consumption paid by one lot, or overage of the window paid later."""

    SHARE = "share"
    OVERAGE_SETTLEMENT = "overage_settlement"


class HoldStatus(StrEnum):
    """Where a hold stands. ``expired`` is a note: a hold stops counting at its end whether noted or not."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Pool(StrEnum):
    """Plan lots that are used as one: the base amounts, and the bonuses."""

    BASE = "base"
    BONUS = "bonus"


class LockState(StrEnum):
    """Lock states the core itself can name."""

    NONE = "none"
    WORKSPACE_EXPIRED = "workspace_expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A half-open span ``[start, end)`` in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


LIFETIME = Window(start=LIFETIME_START, end=LIFETIME_END)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The part of a definition that decides the arithmetic."""

    type: EntitlementType
    aggregation: AggregationMode = AggregationMode.SUM
    enforcement: EnforcementMode = EnforcementMode.HARD_DENY
    interval: WindowInterval | None = None
    anchor: WindowAnchor | None = None
    lock_state_name: str | None = None

    @property
    def is_consumable(self) -> bool:
        """Whether units are used up (metered quota and balance) rather than counted or simply held."""
        return self.type in (EntitlementType.METERED_QUOTA, EntitlementType.BALANCE)

    @property
    def is_rolling(self) -> bool:
        """Whether the window is the span before now instead of a fixed period."""
        return self.anchor is WindowAnchor.ROLLING

    @property
    def has_windows(self) -> bool:
        """Whether the definition begins again in a new row at the end of a period."""
        return self.type is EntitlementType.METERED_QUOTA and not self.is_rolling


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantFacts:
    """
    A grant with its ending and its adjustments, as recorded.

    ``amount`` None is unlimited. ``ends_at`` is the earlier of expiry and ending, None is never.
    ``taken`` is the sum of its takes. ``frozen`` says that it is frozen now.
    """

    id: int
    amount: int | None
    kind: GrantKind
    replenish: Replenish
    source: SourceType
    effective_at: datetime
    ends_at: datetime | None = None
    override: EnforcementOverride | None = None
    taken: int = 0
    frozen: bool = False

    def active_at(self, at: datetime) -> bool:
        """Half-open: active at its start, gone at its end."""
        return self.effective_at <= at and (self.ends_at is None or at < self.ends_at)

    @property
    def is_unlimited(self) -> bool:
        return self.amount is None

    @property
    def ever_active(self) -> bool:
        """False for a grant that was ended before it began."""
        return self.ends_at is None or self.effective_at < self.ends_at


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldFacts:
    """A hold that is still open: its rest in units, and the instant at which it stops counting."""

    id: int
    rest: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Units paid by (or, negative, given back to) one grant."""

    grant_id: int
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """Units of a window's overage that were paid by lots which became free at ``at``."""

    at: datetime
    window_start: datetime
    shares: tuple[Share, ...]
