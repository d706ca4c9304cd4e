"""How a subscription of Stripe's stands, from either shape: the period on its items (since 2025), or on itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from billing.payments.connectors.facts import ReportedStatus, SubscriptionReported
from billing.payments.connectors.stripe import labels
from billing.payments.connectors.stripe.reading import (
    END_OF_TIME,
    Data,
    id_of,
    instant,
    listed,
    text,
    whole,
    whose,
    within,
)

#: ``unpaid`` has used up its dunning; ``incomplete`` was never paid for, and ``paused`` had a trial and no card.
STATUSES: Final = {
    "active": ReportedStatus.ACTIVE,
    "trialing": ReportedStatus.TRIALING,
    "past_due": ReportedStatus.PAST_DUE,
    "unpaid": ReportedStatus.ENDED,
    "canceled": ReportedStatus.ENDED,
    "incomplete": ReportedStatus.INACTIVE,
    "incomplete_expired": ReportedStatus.INACTIVE,
    "paused": ReportedStatus.INACTIVE,
}
UNPAID_REASONS: Final = frozenset({"payment_failed", "payment_disputed"})


def read_subscription(data: Data) -> SubscriptionReported:
    """A subscription whole. A status nobody has heard of gives no access."""
    metadata = labels.metadata_of(data)
    item = main_item(data)
    starts, ends = period_of(data)
    provider_status = text(data, "status")
    keeps_price, keeps_until = _kept(metadata, starts)
    return SubscriptionReported(
        whose=whose(data, metadata, subscription_id=id_of(data, "id")),
        status=STATUSES.get(provider_status, ReportedStatus.INACTIVE),
        provider_status=provider_status,
        price_id=price_of(data),
        period_start_at=starts,
        period_end_at=ends,
        trial_end_at=instant(data, "trial_end"),
        cancel_at_period_end=_ends_with_the_period(data, ends),
        canceled_at=instant(data, "canceled_at"),
        ended_at=instant(data, "ended_at"),
        unpaid=provider_status == "unpaid" or text(within(data, "cancellation_details"), "reason") in UNPAID_REASONS,
        keeps_price_id=keeps_price,
        keeps_until_at=keeps_until,
        anchor_at=instant(data, "billing_cycle_anchor"),
        quantity=whole(item, "quantity") or 1,
    )


def main_item(data: Data) -> Data:
    """What is subscribed to; our side sells one thing a subscription."""
    items = listed(data, "items")
    return items[0] if items else {}


def price_of(data: Data) -> str | None:
    item = main_item(data)
    return id_of(item, "price") or id_of(item, "plan") or id_of(data, "plan")


def period_of(data: Data) -> tuple[datetime | None, datetime | None]:
    """The period that runs: on the item, or in the old place."""
    item = main_item(data)
    holder = item if whole(item, "current_period_end") is not None else data
    return instant(holder, "current_period_start"), instant(holder, "current_period_end")


def _ends_with_the_period(data: Data, ends: datetime | None) -> bool:
    """Flexible billing says ``cancel_at`` where the classic one set a flag."""
    cancel_at = instant(data, "cancel_at")
    return data.get("cancel_at_period_end") is True or (
        cancel_at is not None and ends is not None and cancel_at <= ends
    )


def _kept(metadata: dict[str, str], starts: datetime | None) -> tuple[str | None, datetime | None]:
    """What was booked down and when it begins; nothing once the next period runs."""
    price, seconds = metadata.get(labels.KEEPS_PRICE), labels.number_in(metadata, labels.KEEPS_UNTIL)
    if not price or seconds is None or seconds >= END_OF_TIME:
        return None, None
    until = datetime.fromtimestamp(seconds, tz=UTC)
    if starts is not None and starts >= until:
        return None, None
    return price, until
