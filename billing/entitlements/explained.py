"""An explanation as values: a limit, its lots, its last uses, and why the number is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.engine.types import GrantKind, Replenish
from billing.entitlements.limitations import Limitation
from billing.entitlements.sources import Source
from billing.models import BillableEntity


class LotState(StrEnum):
    """Whether a grant counts now, and if not, why."""

    OPEN = "open"
    UPCOMING = "upcoming"
    FROZEN = "frozen"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class LotView:
    """
    A grant in the running window, in units. ``amount`` is what was given, ``taken`` what of it was taken back since,
    ``granted`` what of it counts in this window; None is unlimited. Of open lots: granted - used = remaining, and the sums of
    them are the limit's.
    """

    grant_id: int
    kind: GrantKind
    state: LotState
    replenish: Replenish
    amount: int | None
    granted: int | None
    used: int
    remaining: int | None
    effective_at: datetime
    expires_at: datetime | None
    source: Source
    taken: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareView:
    """Units of a use that one grant paid."""

    grant_id: int
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationView:
    """A use (``amount`` > 0) or one that was taken back (< 0), in units."""

    id: int
    amount: int
    overage_amount: int
    reason_code: str
    occurred_at: datetime
    advisory: bool
    reverses_id: int | None
    operation_key: str
    request_id: str
    paid_by: tuple[ShareView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Everything about one limit of ``entity`` at ``generated_at``."""

    entity: BillableEntity
    generated_at: datetime
    limitation: Limitation
    lots: tuple[LotView, ...]
    operations: tuple[OperationView, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surveyed:
    """One limit among all of an entity's, with its lots; ``more_lots`` open ones count and are not listed."""

    limitation: Limitation
    lots: tuple[LotView, ...]
    more_lots: int = 0
