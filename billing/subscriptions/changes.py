"""
Another plan that somebody chooses: whether it applies at once, at the end of the period, or has to be bought first.

Decided here, and done here where no provider is involved. A provider's subscription is changed by whoever calls its connector;
its report moves the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from billing.engine.periods import per_month
from billing.entitlements.limitations import Limitation, resolve_effective_limitations
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, Plan
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.course import BY_ITSELF, Stretch, default_plan, interval_of
from billing.subscriptions.looking import Standing, Subscription, standing_of
from billing.subscriptions.scheduling import cancel_scheduled, end_of_period, schedule
from billing.subscriptions.writing import require_assignable
from mozaiks.kit.errors import Invalid


class Mode(StrEnum):
    """What becomes of a wish for a plan."""

    APPLIED = "applied"
    SCHEDULED = "scheduled"
    UNCHANGED = "unchanged"
    CHECKOUT_REQUIRED = "checkout_required"


class Deed(StrEnum):
    """
    What is to be done for it: ``assign``, ``schedule`` and ``unschedule`` here; ``change_now``, ``change_later``,
    ``cancel_later`` and ``resume`` of the provider's subscription; ``buy`` by a checkout.
    """

    NOTHING = "nothing"
    ASSIGN = "assign"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    CHANGE_NOW = "change_now"
    CHANGE_LATER = "change_later"
    CANCEL_LATER = "cancel_later"
    RESUME = "resume"
    BUY = "buy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What will be done to bring somebody on ``plan``, and from when on it holds (None: once it is paid)."""

    plan: Plan
    mode: Mode
    deed: Deed
    effective_at: datetime | None = None
    subscription: Subscription | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitChange:
    """One limit before a change and after it."""

    before: Limitation
    after: Limitation


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a decision would change of the limits as of ``at``, and over which of them one would be."""

    decision: Decision
    at: datetime
    changes: tuple[LimitChange, ...]

    @property
    def over(self) -> tuple[LimitChange, ...]:
        return tuple(change for change in self.changes if change.after.over_limit)


def decide(entity: BillableEntity, plan: Plan, *, now: datetime) -> Decision:
    """
    What becomes of the wish of ``entity`` for ``plan``. Writes nothing.

    What costs more in a month, or the same, or is paid in another currency applies at once; what costs less at the end of the
    period. A free plan needs no checkout; what costs something does, unless a subscription of the same provider can be changed.

    :raises Invalid: the plan is inactive, is not for sale, or not by the provider of the subscription that runs.
    """
    standing = standing_of(entity, now=now)
    runs = standing.now
    if runs is not None and runs.plan.pk == plan.pk:
        return _stay(plan, standing, now=now)
    require_assignable(plan, None)
    if plan.checkout_unit_amount_minor is None:
        raise _refused(f"The plan {plan.code} is not for sale.")
    if standing.then is not None and standing.then.plan.pk == plan.pk and standing.then.because not in BY_ITSELF:
        return Decision(plan=plan, mode=Mode.SCHEDULED, deed=Deed.NOTHING, effective_at=standing.then.start)
    if standing.subscription is not None and runs is not None:
        return _with_provider(plan, runs, standing.subscription, now=now)
    if plan.checkout_unit_amount_minor > 0:
        return Decision(plan=plan, mode=Mode.CHECKOUT_REQUIRED, deed=Deed.BUY)
    if runs is None or not costs_less(plan, runs.plan):
        return Decision(plan=plan, mode=Mode.APPLIED, deed=Deed.ASSIGN, effective_at=now)
    at = end_of_period(standing.row, now=now) if standing.row is not None and runs.end is None else runs.end
    return Decision(plan=plan, mode=Mode.SCHEDULED, deed=Deed.SCHEDULE, effective_at=at)


def change(
    entity: BillableEntity,
    plan: Plan,
    *,
    now: datetime,
    source: AssignmentSource = AssignmentSource.INTERNAL,
    actor: str = "",
    reason: str = "",
) -> Decision:
    """
    Decide, and do what is done here. What a provider or a checkout has to do is left to the caller, by ``Decision.deed``.

    :raises Invalid: see :func:`decide`.
    """
    decision = decide(entity, plan, now=now)
    _do(entity, decision, source=source, now=now, actor=actor, reason=reason)
    return decision


def preview(entity: BillableEntity, plan: Plan, *, now: datetime) -> Preview:
    """
    What choosing ``plan`` would change: the real change, done and rolled back, compared as of the instant it holds from.

    What has to be paid counts as paid. :raises Invalid: see :func:`decide`.
    """
    decision = decide(entity, plan, now=now)
    at = max(now, decision.effective_at or now)

    def without() -> dict[str, Limitation]:
        cancel_scheduled(entity, now=now)
        return _limits(entity, at)

    def with_it() -> dict[str, Limitation]:
        _pretend(entity, decision, now=now)
        return _limits(entity, at)

    before, after = _rolled_back(without, now=now), _rolled_back(with_it, now=now)
    changes = (LimitChange(before=before[code], after=after[code]) for code in sorted(after) if code in before)
    touched = tuple(each for each in changes if _figures(each.before) != _figures(each.after))
    return Preview(decision=decision, at=at, changes=touched)


def costs_less(plan: Plan, than: Plan) -> bool:
    """Whether ``plan`` costs less in a month: what is free costs less than what is not, other currencies are not compared."""
    price, before = plan.checkout_unit_amount_minor, than.checkout_unit_amount_minor
    if price == 0:
        return before != 0
    if price is None or before is None or before == 0 or plan.checkout_currency != than.checkout_currency:
        return False
    return per_month(price, *interval_of(plan)) < per_month(before, *interval_of(than))


def _stay(plan: Plan, standing: Standing, *, now: datetime) -> Decision:
    """The plan that runs already: what was booked for later is taken back, a trial is bought."""
    then = standing.then
    if standing.changes_plan and then is not None and then.because not in BY_ITSELF:
        deed = Deed.UNSCHEDULE if standing.subscription is None else Deed.RESUME
        return Decision(plan=plan, mode=Mode.APPLIED, deed=deed, effective_at=now, subscription=standing.subscription)
    is_trial = standing.now is not None and standing.now.status is SubscriptionStatus.TRIALING
    is_ending = standing.now is not None and standing.now.status is SubscriptionStatus.CANCELED
    if (is_trial or is_ending) and standing.subscription is None and plan.checkout_unit_amount_minor:
        return Decision(plan=plan, mode=Mode.CHECKOUT_REQUIRED, deed=Deed.BUY)
    return Decision(plan=plan, mode=Mode.UNCHANGED, deed=Deed.NOTHING, effective_at=now)


def _with_provider(plan: Plan, runs: Stretch, subscription: Subscription, *, now: datetime) -> Decision:
    """A subscription runs: it is changed, not bought a second time."""
    end = runs.end or now
    if plan.checkout_unit_amount_minor == 0:
        default = default_plan()
        if default is None or default.pk != plan.pk:
            raise _refused(f"The plan {plan.code} can be chosen once the subscription has ended.")
        return Decision(
            plan=plan,
            mode=Mode.SCHEDULED,
            deed=Deed.CANCEL_LATER,
            effective_at=end,
            subscription=subscription,
        )
    if plan.checkout_provider != subscription.provider or not plan.checkout_provider_price_id:
        raise _refused(f"The plan {plan.code} is not sold by the provider of the subscription that runs.")
    if costs_less(plan, runs.plan):
        return Decision(
            plan=plan, mode=Mode.SCHEDULED, deed=Deed.CHANGE_LATER, effective_at=end, subscription=subscription
        )
    return Decision(plan=plan, mode=Mode.APPLIED, deed=Deed.CHANGE_NOW, effective_at=now, subscription=subscription)


def _do(
    entity: BillableEntity, decision: Decision, *, source: AssignmentSource, now: datetime, actor: str, reason: str
) -> None:
    if decision.deed is Deed.ASSIGN:
        assign(entity, decision.plan, source=source, now=now, actor=actor, reason=reason)
    elif decision.deed is Deed.SCHEDULE:
        at = decision.effective_at
        schedule(entity, decision.plan, source=source, now=now, starts_at=at, actor=actor, reason=reason)
    elif decision.deed is Deed.UNSCHEDULE:
        cancel_scheduled(entity, now=now, actor=actor, reason=reason)


def _pretend(entity: BillableEntity, decision: Decision, *, now: datetime) -> None:
    """As if it were done, and paid: nobody invoices what an operator gives."""
    if decision.deed is Deed.NOTHING:
        return
    if decision.deed in (Deed.RESUME, Deed.UNSCHEDULE):
        cancel_scheduled(entity, now=now)
    elif decision.mode is Mode.SCHEDULED:
        at = decision.effective_at
        schedule(entity, decision.plan, source=AssignmentSource.MANUAL, now=now, starts_at=at)
    else:
        assign(entity, decision.plan, source=AssignmentSource.MANUAL, now=now)


def _rolled_back(work: Callable[[], dict[str, Limitation]], *, now: datetime) -> dict[str, Limitation]:
    def once() -> dict[str, Limitation]:
        found = work()
        transaction.set_rollback(True)
        return found

    return perform(once, now=now)


def _limits(entity: BillableEntity, at: datetime) -> dict[str, Limitation]:
    return {limit.code: limit for limit in resolve_effective_limitations(entity, now=at).limitations}


def _figures(limit: Limitation) -> tuple[object, ...]:
    return (
        limit.granted_amount,
        limit.consumed_amount,
        limit.effective_amount,
        limit.unlimited,
        limit.over_limit,
        limit.lock_state,
    )


def _refused(said: str) -> Invalid:
    return Invalid(said, field_errors={"plan": [said]})
