"""
The course of a plan: a stretch of time on it, and the stretch that follows by itself.

A period renews, a trial ends, patience with a late payment ends: each time the next stretch is known from this one alone. So
whoever applies it, the worker, a use or a read, and however late, comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from billing.engine.periods import anchor_of, next_boundary
from billing.engine.types import WindowInterval
from billing.models import Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.models.catalog import DurationPolicy, EffectivePolicy

#: Why a stretch follows another that nobody asked for.
TRIAL_ENDS, GRACE_ENDS, PROMO_ENDS, ENDS = "trial_ends", "grace_ends", "promo_ends", "ends"
BY_ITSELF = (TRIAL_ENDS, GRACE_ENDS, PROMO_ENDS, ENDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """
    On ``plan`` from ``start`` until ``end`` (None: open). ``because`` says why it follows where nobody asked for it.

    One whose status is inactive is no plan at all: what comes where there is no default plan to go back to.
    """

    plan: Plan
    source: AssignmentSource
    start: datetime
    end: datetime | None = None
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    billing_anchor_at: datetime | None = None
    next_billing_at: datetime | None = None
    trial_end_at: datetime | None = None
    past_due_since_at: datetime | None = None
    because: str = ""

    @property
    def is_nothing(self) -> bool:
        return self.status is SubscriptionStatus.INACTIVE

    @property
    def columns(self) -> dict[str, object]:
        """What it says of an assignment beside plan, source and period."""
        return {
            "subscription_status": self.status,
            "billing_anchor_at": self.billing_anchor_at,
            "next_billing_at": self.next_billing_at,
            "trial_end_at": self.trial_end_at,
            "past_due_since_at": self.past_due_since_at,
        }


def grace() -> timedelta:
    """How long a plan goes on after a renewal was not paid."""
    return timedelta(days=settings.BILLING_PAST_DUE_GRACE_DAYS)


def default_plan() -> Plan | None:
    """The plan of those who have no other."""
    return Plan.objects.active().filter(is_default=True).first()


def interval_of(plan: Plan) -> tuple[WindowInterval, int]:
    """How long a period of ``plan`` is; a month where it does not say."""
    if plan.checkout_interval is None:
        return WindowInterval.MONTH, 1
    return WindowInterval(plan.checkout_interval), plan.checkout_interval_count


def has_periods(plan: Plan) -> bool:
    """Whether the plan grants something by the period, so that it needs periods whoever pays."""
    by_period = Q(duration_policy=DurationPolicy.PERIOD_WINDOW) | Q(effective_policy=EffectivePolicy.ON_PERIOD_PAID)
    return plan.templates.filter(by_period).exists()


def stretch_of(row: PlanAssignment) -> Stretch:
    """What a row says."""
    return Stretch(
        plan=row.plan,
        source=AssignmentSource(row.source),
        start=row.period_start_at,
        end=row.period_end_at,
        status=SubscriptionStatus(row.subscription_status),
        billing_anchor_at=row.billing_anchor_at,
        next_billing_at=row.next_billing_at,
        trial_end_at=row.trial_end_at,
        past_due_since_at=row.past_due_since_at,
    )


def beginning(
    plan: Plan, *, source: AssignmentSource, start: datetime, anchor: datetime | None = None, because: str = ""
) -> Stretch:
    """The first stretch on ``plan`` nobody invoices: open, or to the next boundary where the plan grants by the period."""
    if not has_periods(plan):
        return Stretch(plan=plan, source=source, start=start, because=because)
    anchor = anchor or start
    end = next_boundary(*interval_of(plan), anchor, start)
    return Stretch(plan=plan, source=source, start=start, end=end, billing_anchor_at=anchor, because=because)


def fallback(before: Stretch, *, at: datetime, because: str) -> Stretch:
    """What comes after the end of ``before``: the default plan, or nothing where there is none."""
    plan = default_plan()
    if plan is not None:
        return beginning(plan, source=AssignmentSource.INTERNAL, start=at, because=because)
    return Stretch(
        plan=before.plan,
        source=AssignmentSource.INTERNAL,
        start=at,
        status=SubscriptionStatus.INACTIVE,
        because=because,
    )


def following(stretch: Stretch) -> Stretch | None:
    """What comes after ``stretch`` by itself; None where it goes on without an end."""
    if stretch.is_nothing:
        return None
    if stretch.status is SubscriptionStatus.PAST_DUE:
        return fallback(stretch, at=(stretch.past_due_since_at or stretch.start) + grace(), because=GRACE_ENDS)
    if stretch.status is SubscriptionStatus.TRIALING and (at := stretch.trial_end_at or stretch.end) is not None:
        return fallback(stretch, at=at, because=TRIAL_ENDS)
    if stretch.end is None:
        return None
    if stretch.status is SubscriptionStatus.CANCELED:
        return fallback(stretch, at=stretch.end, because=ENDS)
    if stretch.source is AssignmentSource.PROMO:
        return fallback(stretch, at=stretch.end, because=PROMO_ENDS)
    return renewal(stretch, start=stretch.end) if _goes_on(stretch) else None


def renewal(stretch: Stretch, *, start: datetime) -> Stretch:
    """The same plan for its next period, from ``start`` on."""
    interval, count = interval_of(stretch.plan)
    anchor = anchor_of(interval, count, stretch.start, start, said=stretch.billing_anchor_at)
    end = next_boundary(interval, count, anchor, start)
    return Stretch(
        plan=stretch.plan,
        source=stretch.source,
        start=start,
        end=end,
        billing_anchor_at=anchor,
        next_billing_at=end if stretch.plan.checkout_unit_amount_minor else None,
    )


def _goes_on(stretch: Stretch) -> bool:
    """A subscription goes on until its provider says otherwise; other plans if they are by the period."""
    if stretch.source is AssignmentSource.PROVIDER or stretch.plan.checkout_interval is not None:
        return True
    return has_periods(stretch.plan)
