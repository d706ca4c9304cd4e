"""
What a provider says of a subscription, and the course that follows from it: from this one report, whatever was said before.

A report is kept with the assignment it made, so that of several subscriptions each can be asked again what it said last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from billing.engine.periods import anchor_of
from billing.models import Plan
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.course import ENDS, Stretch, fallback, following, grace, interval_of

#: Where an assignment keeps the report that made it, in its metadata.
KEPT_AS = "report"
CANCELED = "canceled"


class Standing(StrEnum):
    """How a subscription stands. ``ended`` has no access beyond what was paid; ``inactive`` has none."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    ENDED = "ended"
    INACTIVE = "inactive"


class Names(Protocol):
    """The provider's names of a subscription and its customer."""

    @property
    def subscription_id(self) -> str | None: ...
    @property
    def customer_id(self) -> str | None: ...


class Fact(Protocol):
    """A report as connectors give it (``payments.connectors.facts.SubscriptionReported``)."""

    @property
    def whose(self) -> Names: ...
    @property
    def status(self) -> str: ...
    @property
    def provider_status(self) -> str: ...
    @property
    def price_id(self) -> str | None: ...
    @property
    def period_start_at(self) -> datetime | None: ...
    @property
    def period_end_at(self) -> datetime | None: ...
    @property
    def trial_end_at(self) -> datetime | None: ...
    @property
    def cancel_at_period_end(self) -> bool: ...
    @property
    def canceled_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def unpaid(self) -> bool: ...
    @property
    def keeps_price_id(self) -> str | None: ...
    @property
    def keeps_until_at(self) -> datetime | None: ...
    @property
    def anchor_at(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A report with its time at the provider, ``said_at``, from which everything follows."""

    provider: str
    subscription_id: str
    customer_id: str
    status: Standing
    provider_status: str
    price_id: str | None
    period_start_at: datetime
    period_end_at: datetime | None
    trial_end_at: datetime | None
    cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    unpaid: bool
    keeps_price_id: str | None
    keeps_until_at: datetime | None
    anchor_at: datetime | None
    event_id: str
    said_at: datetime

    @classmethod
    def of(cls, fact: Fact, *, provider: str, event_id: str, said_at: datetime) -> Self:
        """:raises ValueError: the report names no subscription."""
        if not fact.whose.subscription_id:
            raise ValueError("a report of a subscription names it")
        return cls(
            provider=provider,
            subscription_id=fact.whose.subscription_id,
            customer_id=fact.whose.customer_id or "",
            status=Standing(fact.status),
            provider_status=fact.provider_status,
            price_id=fact.price_id,
            period_start_at=fact.period_start_at or said_at,
            period_end_at=fact.period_end_at,
            trial_end_at=fact.trial_end_at,
            cancel_at_period_end=fact.cancel_at_period_end,
            canceled_at=fact.canceled_at,
            ended_at=fact.ended_at,
            unpaid=fact.unpaid,
            keeps_price_id=fact.keeps_price_id,
            keeps_until_at=fact.keeps_until_at,
            anchor_at=fact.anchor_at,
            event_id=event_id,
            said_at=said_at,
        )

    @classmethod
    def kept_in(cls, metadata: Any) -> Self | None:
        """The report an assignment's metadata keep; None where there is none."""
        said = metadata.get(KEPT_AS) if isinstance(metadata, dict) else None
        if not isinstance(said, dict) or {each.name for each in fields(cls)} != set(said):
            return None
        values: dict[str, Any] = {
            name: _instant(value) if name.endswith("_at") else value for name, value in said.items()
        }
        return cls(**values | {"status": Standing(said["status"])})

    def kept(self) -> dict[str, Any]:
        """As an assignment's metadata keep it."""
        values = asdict(self).items()
        return {
            KEPT_AS: {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values},
        }

    @property
    def order(self) -> tuple[datetime, str]:
        """Reports of one subscription apply in this order."""
        return self.said_at, self.event_id

    @property
    def precedence(self) -> tuple[datetime, str]:
        """Of several subscriptions that give access the one that began last counts, whichever was heard of last."""
        return self.anchor_at or self.period_start_at, self.subscription_id

    @property
    def ever_began(self) -> bool:
        """Whether it ever gave access; a first payment that never came is inactive and leaves no trace."""
        return self.status is not Standing.INACTIVE or self.unpaid or self.trial_end_at is not None

    @property
    def running_price_id(self) -> str | None:
        """The price of the period that runs; a cheaper one may be booked for the next."""
        return self.keeps_price_id if self._is_booked_down else self.price_id

    @property
    def _is_booked_down(self) -> bool:
        until = self.keeps_until_at
        return self.keeps_price_id is not None and until is not None and until > self.period_start_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Two stretches: what runs, and what will follow."""

    now: Stretch
    then: Stretch | None

    @property
    def gives_access(self) -> bool:
        """Whether the subscription itself still counts."""
        return self.now.source is AssignmentSource.PROVIDER

    def at(self, at: datetime) -> Course:
        """The course once time has passed until ``at``."""
        course = self
        while course.then is not None and course.then.start <= at:
            course = Course(now=course.then, then=following(course.then))
        return course


def plan_of(provider: str, price_id: str | None) -> Plan | None:
    """The plan sold at a provider's price; None where nobody knows the price."""
    if price_id is None:
        return None
    sold = Plan.objects.filter(checkout_provider=provider, checkout_provider_price_id=price_id)
    return sold.order_by("-is_active", "pk").first()


def course_of(report: Report, plan: Plan, booked: Plan | None) -> Course:
    """
    The course a report describes, from the beginning of its period: on ``plan``, and on ``booked`` from the next one on.

    Nothing but the report counts, so that reports may come late, twice and in any order.
    """
    now = _running(report, plan)
    if report.status is Standing.INACTIVE:
        return Course(now=now, then=fallback(now, at=report.said_at, because=ENDS))
    if report.status is Standing.ENDED:
        return Course(now=now, then=fallback(now, at=_access_ends_at(report), because=ENDS))
    then = following(now)
    if report.cancel_at_period_end and now.end is not None and (then is None or now.end <= then.start):
        then = fallback(now, at=now.end, because=CANCELED)
    elif booked is not None and report.keeps_until_at is not None and report.status is Standing.ACTIVE:
        then = _booked(report, now, booked)
    return Course(now=now, then=then)


def _running(report: Report, plan: Plan) -> Stretch:
    end, statuses = report.period_end_at, SubscriptionStatus
    trialing, late = report.status is Standing.TRIALING, report.status is Standing.PAST_DUE
    if trialing and report.trial_end_at is not None and report.trial_end_at > report.period_start_at:
        end = report.trial_end_at
    if end is not None and end <= report.period_start_at:
        end = None
    over = report.status in (Standing.ENDED, Standing.INACTIVE)
    goes_on = not (over or late or report.cancel_at_period_end)
    return Stretch(
        plan=plan,
        source=AssignmentSource.PROVIDER,
        start=report.period_start_at,
        end=end,
        status=statuses.CANCELED if over else statuses(report.status.value),
        billing_anchor_at=_anchor(report, plan, end),
        next_billing_at=end if goes_on else None,
        trial_end_at=report.trial_end_at if trialing else None,
        past_due_since_at=report.period_start_at if late else None,
    )


def _anchor(report: Report, plan: Plan, end: datetime | None) -> datetime:
    if end is None:
        return report.anchor_at or report.period_start_at
    return anchor_of(*interval_of(plan), report.period_start_at, end, said=report.anchor_at)


def _access_ends_at(report: Report) -> datetime:
    """When what was paid is over; a period that was not paid gives patience only."""
    end = report.period_end_at or report.ended_at or report.said_at
    if report.unpaid:
        end = min(end, report.period_start_at + grace())
    return max(end, report.period_start_at)


def _booked(report: Report, now: Stretch, plan: Plan) -> Stretch:
    """The cheaper plan, with its own periods from when the price that was paid is used up."""
    start = report.keeps_until_at or now.start
    there = Stretch(
        plan=plan,
        source=AssignmentSource.PROVIDER,
        start=now.start,
        end=start,
        billing_anchor_at=now.billing_anchor_at,
    )
    found = following(there)
    if found is None:
        raise ValueError("a subscription always goes on")
    return found


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
