"""
What a provider's event says, in our own words: the only thing that passes the line between connectors and the rest.

Money in minor units, instants aware UTC. Ids are the provider's. ``entity_id`` is the billable entity our own metadata named;
None where the provider does not know it, and then customer or subscription tell whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Whose:
    """Every way in which a provider may say whose something is."""

    entity_id: int | None = None
    customer_id: str | None = None
    subscription_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentConfirmed:
    """
    Money has arrived. Told by several events of one payment, each of which may know only some of its ids.

    ``amount_minor`` None: this event does not know what was paid for, only ids that belong together (it completes a purchase
    and makes none). ``paid_at`` is the provider's time of the payment, the same in every event that tells it.
    ``period_start_at``/``period_end_at`` are what a subscription's invoice pays for.
    """

    whose: Whose
    paid_at: datetime
    amount_minor: int | None = None
    currency: str = ""
    quantity: int = 1
    price_id: str | None = None
    product_code: str | None = None
    payment_id: str | None = None
    invoice_id: str | None = None
    session_id: str | None = None
    period_start_at: datetime | None = None
    period_end_at: datetime | None = None
    operation_key: str = ""
    display_name: str = ""


class ReportedStatus(StrEnum):
    """How a subscription stands, in our words. ``ended`` has no access beyond what was paid; ``inactive`` has none."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    ENDED = "ended"
    INACTIVE = "inactive"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionReported:
    """
    A subscription as it stands, whole: what it says does not depend on any report before it.

    ``keeps_price_id`` until ``keeps_until_at``: a cheaper price was booked already and begins with the next period.
    ``unpaid``: it ended because a renewal was not paid. ``anchor_at`` is where the provider counts its periods from (after
    a trial, or when the interval changed, another instant than its beginning); None where it does not say.
    """

    whose: Whose
    status: ReportedStatus
    provider_status: str
    price_id: str | None
    period_start_at: datetime | None
    period_end_at: datetime | None
    trial_end_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    unpaid: bool = False
    keeps_price_id: str | None = None
    keeps_until_at: datetime | None = None
    anchor_at: datetime | None = None
    quantity: int = 1


class CheckoutOutcome(StrEnum):
    """What became of a checkout."""

    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckoutEnded:
    """A checkout came to its end. Grants nothing; ties entity, customer and subscription together."""

    whose: Whose
    session_id: str
    outcome: CheckoutOutcome
    operation_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentFailed:
    """A payment was refused. Noted; what it means for the subscription is in the subscription's own report."""

    whose: Whose
    payment_id: str | None = None
    invoice_id: str | None = None
    reason: str = ""


class RefundStatus(StrEnum):
    """How a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundReported:
    """One refund, with its own amount; never the sum of all."""

    refund_id: str
    amount_minor: int
    currency: str
    status: RefundStatus
    occurred_at: datetime
    payment_id: str | None = None
    invoice_id: str | None = None
    reason: str = ""


class DisputeState(StrEnum):
    """Where a dispute stands."""

    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeReported:
    """One dispute about a charge, with the amount disputed."""

    dispute_id: str
    amount_minor: int
    currency: str
    state: DisputeState
    occurred_at: datetime
    payment_id: str | None = None
    invoice_id: str | None = None
    reason: str = ""


Fact = PaymentConfirmed | SubscriptionReported | CheckoutEnded | PaymentFailed | RefundReported | DisputeReported


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderEvent:
    """A verified event: its identity and order, its raw payload for the inbox."""

    provider: str
    event_id: str
    name: str
    created_at: datetime
    payload: dict[str, Any] = field(repr=False)
