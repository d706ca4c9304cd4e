"""Spend from a locked allowance: from the head lot where it can pay, else over the open lots; the rest is overage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.engine.burndown import allocate, debit, settle
from billing.engine.standing import Standing
from billing.engine.types import Settlement, Share
from billing.engine.windows import rolling_span
from billing.entitlements.allowances import Allowance, images_of, standing_of, with_head
from billing.entitlements.facts import read_lots


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """Who paid for a use: shares of lots, and the units no lot could pay."""

    shares: tuple[Share, ...]
    overage: int

    @property
    def sole_grant_id(self) -> int | None:
        """The one lot that paid it all, if it was one."""
        return self.shares[0].grant_id if len(self.shares) == 1 and self.overage == 0 else None


def read_standing(allowance: Allowance) -> Standing:
    """The standing with all open lots of the running window; one statement the first time."""
    if allowance.standing is None:
        lots = read_lots(allowance.row.subject_id, allowance.info.id)
        allowance.stored_lots = images_of(lots, allowance.row.window_start_at)
        allowance.standing = standing_of(allowance, with_head(lots, allowance.row))
    return allowance.standing


def spend(allowance: Allowance, amount: int) -> Payment:
    """Book ``amount`` units, now: from the head lot where it can pay, else over the lots; the rest is overage."""
    if allowance.standing is None:
        payable = allowance.row.head_payable()
        if payable is None or payable >= amount:
            head = allowance.row.head_grant_id or 0
            allowance.row.pay_from_head(amount, keeps_lot=allowance.info.rule.is_rolling)
            return Payment(shares=(Share(grant_id=head, amount=amount),), overage=0)
    standing = read_standing(allowance)
    shares = allocate(standing, amount)
    debit(standing, shares)
    overage = amount - sum(share.amount for share in shares)
    standing.overage += overage
    return Payment(shares=tuple(shares), overage=overage)


def settle_overage(allowance: Allowance) -> None:
    """Let units that are free pay unpaid overage of the running window, once, and remember it for the ledger."""
    if allowance.standing is not None:
        shares = settle(allowance.standing)
        if shares:
            start = allowance.standing.window.start
            allowance.settlements.append(Settlement(at=allowance.at, window_start=start, shares=shares))


def note_use(allowance: Allowance, occurred_at: datetime) -> None:
    """A rolling window must hear of a use's end; one that is over already is no news."""
    if not allowance.info.rule.is_rolling:
        return
    leaves_at = occurred_at + rolling_span(allowance.info.rule)
    if leaves_at <= allowance.at:
        return
    oldest, known = allowance.oldest_use_at, allowance.row.next_change_at
    allowance.oldest_use_at = occurred_at if oldest is None else min(oldest, occurred_at)
    allowance.row.next_change_at = leaves_at if known is None else min(known, leaves_at)
