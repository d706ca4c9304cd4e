"""Where somebody stands at an instant, without writing: what has begun by itself counts as begun, noted or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from billing.models import AssignmentProviderDetail, BillableEntity, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.subscriptions.course import Stretch, following, stretch_of
from billing.subscriptions.moving import waiting_stretch
from billing.subscriptions.writing import open_ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """A subscription by its provider's name, which goes on until the provider is told otherwise."""

    provider: str
    subscription_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """
    What runs, what follows, and what was over before anybody noted it, the latest last. ``row`` is the assignment that says so,
    or the one it was renewed from since.
    """

    now: Stretch | None
    then: Stretch | None
    row: PlanAssignment | None
    over: tuple[Stretch, ...] = field(default=())
    subscription: Subscription | None = None

    @property
    def changes_plan(self) -> bool:
        """Whether what follows is another plan, and no renewal."""
        return self.then is not None and (
            self.then.is_nothing or self.now is None or self.then.plan.pk != self.now.plan.pk
        )


def standing_of(entity: BillableEntity, *, now: datetime) -> Standing:
    """Where ``entity`` stands at ``now``. Two queries, and a few more where something has begun that nobody noted."""
    rows = list(open_ones(entity.pk).select_related("plan", "provider_detail"))
    return standing_in(rows, now=now)


def standing_in(rows: Iterable[PlanAssignment], *, now: datetime) -> Standing:
    """The same from the open assignments, read with their plans and their providers' details."""
    by_status = {AssignmentStatus(row.status): row for row in rows}
    current, waiting = by_status.get(AssignmentStatus.CURRENT), by_status.get(AssignmentStatus.UPCOMING)
    runs = None if current is None else stretch_of(current)
    then = None if waiting is None else waiting_stretch(waiting)
    row, over = current, []
    while then is not None and then.start <= now:
        if runs is not None:
            over.append(replace(runs, end=then.start))
        row = waiting if row is current else row
        runs, then = (None if then.is_nothing else then), following(then)
    return Standing(now=runs, then=then, row=row, over=tuple(over), subscription=_subscription(current, runs))


def _subscription(current: PlanAssignment | None, runs: Stretch | None) -> Subscription | None:
    """The provider's subscription that runs; one that was canceled for good is none any more."""
    if current is None or runs is None or runs.source is not AssignmentSource.PROVIDER:
        return None
    if runs.status is SubscriptionStatus.CANCELED:
        return None
    try:
        detail = current.provider_detail
    except AssignmentProviderDetail.DoesNotExist:
        return None
    if not detail.provider_subscription_id:
        return None
    return Subscription(provider=detail.provider, subscription_id=detail.provider_subscription_id)
