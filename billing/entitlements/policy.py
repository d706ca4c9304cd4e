"""Allow, warn or deny: what follows from the numbers of a balance, the definition's enforcement and the quota switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from billing.conf import quotas_enforced
from billing.engine.types import EnforcementMode, EntitlementType
from billing.entitlements.allowances import Allowance
from billing.entitlements.resolvers import DefinitionInfo
from billing.entitlements.rows import Row

ALLOWED = "OK"
EXCEEDED = "BILLING_LIMIT_EXCEEDED"
CAPACITY_LOCKED = "BILLING_CAPACITY_LOCKED"

#: Why something does not fit, by what is limited.
REASONS = {
    EntitlementType.METERED_QUOTA: "quota_exhausted",
    EntitlementType.BALANCE: "credits_exhausted",
    EntitlementType.CAPACITY: "capacity_full",
    EntitlementType.STATE: "not_granted",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlock:
    """A plan or product after which the request would fit. Price in minor units, None where it has none."""

    type: str
    code: str
    name: str
    amount_after: int | None
    price_minor: int | None
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """
    The answer to one request for ``requested_amount`` units. ``limit`` and ``remaining`` None: unlimited.

    ``fits`` is False where it is allowed all the same: soft enforcement, advisory mode, use that has already happened.
    ``version`` is that of the balance it was decided on.
    """

    limitation: str
    allowed: bool
    fits: bool
    code: str
    reason: str
    requested_amount: int
    limit: int | None
    used: int
    held: int
    remaining: int | None
    over_by: int
    enforcement: EnforcementMode
    interval: str | None
    window_end_at: datetime | None
    retry_after_seconds: int | None
    lock_state: str
    version: int
    unlock: tuple[Unlock, ...] = ()

    @property
    def required_reduction(self) -> int:
        """How many units of a capacity must go before the request fits."""
        return 0 if self.limit is None else max(0, self.used + self.requested_amount - self.limit)


def decide(allowance: Allowance, amount: int, *, row: Row | None = None, already_happened: bool = False) -> Decision:
    """
    Decide about ``amount`` units on an allowance that is up to date at its ``at``; on ``row`` where a closed window is meant.

    Use that has already happened is never refused; in advisory mode nothing is.
    """
    info = allowance.info
    row = row or allowance.row
    fits = _fits(row, info, amount)
    mode = EnforcementMode(row.enforcement_override or info.rule.enforcement)
    lenient = already_happened or mode is EnforcementMode.SOFT_WARN or not quotas_enforced()
    return describe(allowance, row, amount, fits=fits, allowed=fits or lenient, mode=mode)


def describe(
    allowance: Allowance, row: Row, amount: int, *, fits: bool, allowed: bool, mode: EnforcementMode
) -> Decision:
    """The decision as an object, with the numbers it was made on."""
    info = allowance.info
    window_end = row.window_end_at if info.rule.has_windows else None
    refusal = CAPACITY_LOCKED if info.is_capacity else EXCEEDED
    reason = REASONS[info.rule.type]
    if fits:
        refusal, reason = ALLOWED, "unlimited" if row.is_unlimited else "within_limit"
    return Decision(
        limitation=info.code,
        allowed=allowed,
        fits=fits,
        code=refusal,
        reason=reason,
        requested_amount=amount,
        limit=row.granted_amount,
        used=row.consumed_amount,
        held=row.held_amount,
        remaining=None if row.effective_amount is None else max(0, row.effective_amount),
        over_by=0 if row.granted_amount is None else max(0, row.consumed_amount - row.granted_amount),
        enforcement=mode,
        interval=info.rule.interval.value if info.rule.interval else None,
        window_end_at=window_end,
        retry_after_seconds=_seconds_until(window_end, allowance.at) if not fits else None,
        lock_state=row.lock_state,
        version=allowance.row.version,
    )


def _fits(row: Row, info: DefinitionInfo, amount: int) -> bool:
    if info.rule.type is EntitlementType.STATE:
        return (row.granted_amount or 0) > 0
    if row.is_unlimited or row.effective_amount is None:
        return True
    if info.is_capacity and amount <= 0:
        return True
    return amount <= row.effective_amount


def _seconds_until(end: datetime | None, at: datetime) -> int | None:
    return None if end is None else max(1, ceil((end - at).total_seconds()))
