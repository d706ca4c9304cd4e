"""Sensible rules, grants and standings for the tests of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from billing.engine.burndown import allocate, debit
from billing.engine.projection import Paid, Passage, advance, project
from billing.engine.standing import Standing
from billing.engine.types import (
    EntitlementType,
    GrantFacts,
    GrantKind,
    Replenish,
    Rule,
    SourceType,
    WindowAnchor,
    WindowInterval,
)
from billing.engine.windows import window_at

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
DAY = timedelta(days=1)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)

MONTHLY = Rule(type=EntitlementType.METERED_QUOTA, interval=WindowInterval.MONTH, anchor=WindowAnchor.CALENDAR_UTC)
ROLLING_DAY = Rule(type=EntitlementType.METERED_QUOTA, interval=WindowInterval.DAY, anchor=WindowAnchor.ROLLING)
CREDITS = Rule(type=EntitlementType.BALANCE)
SEATS = Rule(type=EntitlementType.CAPACITY)
ACCESS = Rule(type=EntitlementType.STATE)

ids = count(1)


def grant_of(kind: GrantKind, amount: int | None, **changes: Any) -> GrantFacts:
    """A grant from the start of 2026 for ever, replenished as its kind usually is."""
    renewing = kind in (GrantKind.PLAN_BASE, GrantKind.ADDON_TIMEBOXED)
    values: dict[str, Any] = {
        "id": next(ids),
        "amount": amount,
        "kind": kind,
        "replenish": Replenish.PER_WINDOW if renewing else Replenish.ONCE,
        "source": SourceType.PLAN_ASSIGNMENT if kind is GrantKind.PLAN_BASE else SourceType.BILLING_PURCHASE,
        "effective_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return GrantFacts(**{**values, **changes})


def plan(amount: int | None, **changes: Any) -> GrantFacts:
    return grant_of(GrantKind.PLAN_BASE, amount, **changes)


def bonus(amount: int | None, **changes: Any) -> GrantFacts:
    """A promo of a plan: its own pool."""
    return grant_of(
        GrantKind.PROMO,
        amount,
        **{"replenish": Replenish.PER_WINDOW, "source": SourceType.PLAN_ASSIGNMENT, **changes},
    )


def promo(amount: int | None, **changes: Any) -> GrantFacts:
    return grant_of(GrantKind.PROMO, amount, **changes)


def topup(amount: int | None, **changes: Any) -> GrantFacts:
    return grant_of(GrantKind.TOPUP, amount, **changes)


def addon(amount: int | None, **changes: Any) -> GrantFacts:
    return grant_of(GrantKind.ADDON_TIMEBOXED, amount, **changes)


def stand(
    rule: Rule,
    *grants: GrantFacts,
    at: datetime = NOON,
    paid: dict[int, Paid] | None = None,
    overage: int = 0,
    held: int = 0,
) -> Standing:
    return project(rule, window_at(rule, at), at=at, grants=grants, paid=paid or {}, overage=overage, held=held)


def spend(standing: Standing, amount: int) -> dict[int, int]:
    """Debit what the lots can pay, note the rest as overage, and say who paid."""
    shares = allocate(standing, amount)
    debit(standing, shares)
    standing.overage += amount - sum(share.amount for share in shares)
    return {share.grant_id: share.amount for share in shares}


def move(standing: Standing, *grants: GrantFacts, to: datetime) -> Passage:
    return advance(standing, to=to, grants=grants, holds=[])


def amounts(shares: Sequence[Any]) -> dict[int, int]:
    return {share.grant_id: share.amount for share in shares}
