"""How a customer's plan stands, in words: who collects for it, until when it gives access, and what comes next by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from billing.entitlements.wording import span
from billing.models import AssignmentProviderDetail, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.course import BY_ITSELF, ENDS, GRACE_ENDS, PROMO_ENDS, TRIAL_ENDS, grace
from billing.subscriptions.moving import because_of
from billing.subscriptions.reported import CANCELED
from mozaiks.kit.times import spoken

#: Why another plan comes by itself.
BECAUSE = {
    TRIAL_ENDS: "The trial ends",
    GRACE_ENDS: "Unless it is paid, access ends",
    PROMO_ENDS: "The promotion ends",
    ENDS: "It is canceled, and ends",
    CANCELED: "It is canceled, and ends",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """
    What is said of the current plan. ``facts`` are pairs of a name and a text; ``next`` is a sentence of what comes.

    ``is_asked_for`` says that somebody scheduled what comes, so that it can be dropped.
    """

    subscription_id: str
    provider: str
    ends_with_period: bool
    facts: tuple[tuple[str, str], ...]
    next: str
    is_asked_for: bool

    @property
    def is_of_provider(self) -> bool:
        return bool(self.subscription_id)


def standing_of(current: PlanAssignment | None, upcoming: PlanAssignment | None, *, now: datetime) -> Standing:
    """How it stands with the current and the upcoming assignment, whose provider details were read with them."""
    detail = None if current is None else detail_of(current)
    return Standing(
        subscription_id="" if detail is None else detail.provider_subscription_id or "",
        provider="" if detail is None else detail.provider,
        ends_with_period=_ends_with_period(detail, upcoming),
        facts=tuple(_facts(current, detail)),
        next=_next(current, upcoming, now=now),
        is_asked_for=upcoming is not None and not _comes_by_itself(current, upcoming),
    )


def detail_of(row: PlanAssignment) -> AssignmentProviderDetail | None:
    """What the provider calls it; None where no provider collects for it."""
    try:
        return row.provider_detail
    except AssignmentProviderDetail.DoesNotExist:
        return None


def _ends_with_period(detail: AssignmentProviderDetail | None, upcoming: PlanAssignment | None) -> bool:
    booked = upcoming is not None and because_of(upcoming) == CANCELED
    return booked or (detail is not None and detail.cancel_at_period_end)


def _comes_by_itself(current: PlanAssignment | None, upcoming: PlanAssignment) -> bool:
    """A renewal, an end: nothing that somebody scheduled by choosing a plan."""
    renews = current is not None and current.plan_id == upcoming.plan_id
    return renews or because_of(upcoming) in (*BY_ITSELF, CANCELED)


def _next(current: PlanAssignment | None, upcoming: PlanAssignment | None, *, now: datetime) -> str:
    if upcoming is None:
        return "No change is scheduled."
    when = f"in {span(upcoming.period_start_at - now)}, {spoken(upcoming.period_start_at)}"
    nothing = upcoming.subscription_status == SubscriptionStatus.INACTIVE
    plan = "no plan" if nothing else upcoming.plan.name
    because = BECAUSE.get(because_of(upcoming))
    if because:
        return f"{because} {when}; then {plan}."
    if current is not None and current.plan_id == upcoming.plan_id:
        return f"Renews {when}."
    return f"Changes to {plan} {when}."


def _facts(current: PlanAssignment | None, detail: AssignmentProviderDetail | None) -> Iterator[tuple[str, str]]:
    if current is None:
        return
    late = current.past_due_since_at
    if late is not None:
        yield "Unpaid since", spoken(late)
        yield "Access until", f"{spoken(late + grace())}, unless it is paid"
    if current.trial_end_at is not None:
        yield "Trial ends", spoken(current.trial_end_at)
    if current.next_billing_at is not None:
        yield "Collected next", spoken(current.next_billing_at)
    if current.billing_cycle:
        yield "Billing cycle", current.billing_cycle
    if detail is not None:
        yield from _of_provider(detail)
    elif current.source in (AssignmentSource.MANUAL, AssignmentSource.PROMO):
        yield "Collected by", "nobody: it was given by hand"


def _of_provider(detail: AssignmentProviderDetail) -> Iterator[tuple[str, str]]:
    yield "Collected by", detail.provider
    for name, value in (
        ("Subscription", detail.provider_subscription_id),
        ("Customer there", detail.provider_customer_id),
        ("Status there", detail.provider_status),
    ):
        if value:
            yield name, value
    if detail.cancel_at_period_end:
        until = f", {spoken(detail.current_period_end)}" if detail.current_period_end else ""
        yield "Canceled", f"to the end of the period{until}"
    if detail.ended_at is not None:
        yield "Ended there", spoken(detail.ended_at)
