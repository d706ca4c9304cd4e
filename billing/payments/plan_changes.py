"""
Owns what a customer's wish for another plan comes to: at once, at the end of the period, nothing, or a checkout first.

Decided by prices per month, and carried out where the plan is kept: by the provider where a subscription stands behind it, and
then the plan follows from what the provider reports; by ourselves where nobody invoices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from django.db import transaction

from billing.engine.periods import per_month
from billing.entitlements.limitations import Limitation, resolve_effective_limitations
from billing.errors import CheckoutPlanNotFound, SubscriptionExists
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.payments.checkout import Wanted, open_checkout
from billing.payments.connectors.base import Ability, ConfigurationInvalid, OperationNotSupported, PaymentConnector
from billing.payments.customers import live_subscription, require_ability
from billing.subscriptions.assignments import assign
from billing.subscriptions.course import interval_of
from billing.subscriptions.scheduling import promote_due, schedule
from mozaiks.kit.db import requires_transaction


class Mode(StrEnum):
    """What becomes of a wish for another plan."""

    APPLIED = "applied"
    SCHEDULED = "scheduled"
    UNCHANGED = "unchanged"
    CHECKOUT_REQUIRED = "checkout_required"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """
    A decided change to ``plan``. ``subscription`` is the assignment a provider keeps, None where nobody invoices.

    ``effective_at`` is when it begins: None where that is for the provider to say, or for who pays first.
    """

    mode: Mode
    plan: Plan
    current: PlanAssignment | None
    subscription: PlanAssignment | None = None
    effective_at: datetime | None = None
    checkout_url: str | None = None
    session_id: str | None = None


def plan_to_change_to(code: str) -> Plan:
    """:raises CheckoutPlanNotFound: there is no active plan of this code."""
    plan = Plan.objects.active().filter(code=code).first()
    if plan is None:
        raise CheckoutPlanNotFound("There is no such plan.", details={"planCode": code})
    return plan


def decide(entity: BillableEntity, plan: Plan, *, now: datetime) -> Change:
    """
    What a change to ``plan`` would come to at ``now``. Nothing is done, beside applying what is due.

    Dearer by the month, equal or in another currency: at once; cheaper: at the end of the period. A plan that costs something
    and has no subscription behind it is paid first.

    :raises ConfigurationInvalid: the plan has no price, so that nobody can choose it for themselves.
    """
    promote_due(entity.pk, now)
    rows = PlanAssignment.objects.for_entity(entity.pk).select_related("plan", "provider_detail")
    current = rows.current().first()
    decided = Change(mode=Mode.UNCHANGED, plan=plan, current=current, subscription=live_subscription(entity))
    if current is not None and current.plan_id == plan.pk:
        return decided
    if plan.checkout_unit_amount_minor is None:
        raise ConfigurationInvalid("This plan is not for sale here.", details={"planCode": plan.code})
    if decided.subscription is None and plan.checkout_unit_amount_minor > 0:
        return replace(decided, mode=Mode.CHECKOUT_REQUIRED)
    if current is None or not _is_cheaper(plan, than=current.plan):
        return replace(decided, mode=Mode.APPLIED, effective_at=now)
    return replace(decided, mode=Mode.SCHEDULED, effective_at=_period_end(current))


def ask_provider(
    entity: BillableEntity,
    change: Change,
    wanted: Wanted,
    *,
    connector: PaymentConnector,
    operation_key: str,
    now: datetime,
) -> Change:
    """
    Do what only a provider can: open a checkout, or book the change with the subscription. Called outside a transaction.

    :raises SubscriptionExists: the provider cannot change it for us; its portal can. :raises ProviderError: it refused.
    Others as ``open_checkout``.
    """
    if change.mode is Mode.CHECKOUT_REQUIRED:
        row = open_checkout(entity, wanted, connector=connector, operation_key=operation_key, now=now)
        return replace(change, checkout_url=row.checkout_url, session_id=row.provider_session_id)
    if change.subscription is None or change.mode is Mode.UNCHANGED:
        return change
    subscription_id = change.subscription.provider_detail.provider_subscription_id or ""
    if not change.plan.checkout_unit_amount_minor:
        _require_default(change.plan)
        connector.cancel(subscription_id, at_period_end=True, operation_key=operation_key)
    else:
        later = change.mode is Mode.SCHEDULED
        _change_price(connector, subscription_id, wanted.price_id(connector.name), later=later, key=operation_key)
    return change


@requires_transaction
def carry_out(entity: BillableEntity, change: Change, *, now: datetime) -> Change:
    """Change a plan nobody invoices; all others follow from what the provider reports."""
    if change.subscription is not None:
        return change
    source = AssignmentSource.INTERNAL
    if change.mode is Mode.APPLIED:
        assign(entity, change.plan, source=source, now=now)
    elif change.mode is Mode.SCHEDULED:
        upcoming = schedule(entity, change.plan, source=source, now=now)
        return replace(change, effective_at=upcoming.period_start_at)
    return change


def booked_with_provider(entity: BillableEntity) -> PlanAssignment | None:
    """The subscription that will end or become another plan with its period, because somebody booked it; else None."""
    live = live_subscription(entity)
    if live is None:
        return None
    waiting = PlanAssignment.objects.for_entity(entity.pk).filter(status=AssignmentStatus.UPCOMING)
    ends = live.provider_detail.cancel_at_period_end
    return live if ends or waiting.exclude(plan_id=live.plan_id).exists() else None


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitAfter:
    """A limit before and after a change, in units; None is unlimited. ``over_by``: what would be used beyond it."""

    code: str
    name: str
    unit: str
    granted_before: int | None
    granted_after: int | None
    used: int
    over_by: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a change would come to, and the limits it would move or leave exceeded."""

    change: Change
    limitations: tuple[LimitAfter, ...]


def preview(entity: BillableEntity, plan: Plan, *, now: datetime) -> Preview:
    """
    Make the change and take it back: whatever the engine would do is in what is shown. A later change is shown as if it were now.

    Errors as ``decide``.
    """
    change = decide(entity, plan, now=now)
    before = {each.code: each for each in resolve_effective_limitations(entity, now=now).limitations}
    if change.mode is Mode.UNCHANGED:
        return Preview(change=change, limitations=())
    with transaction.atomic():
        if change.mode is Mode.SCHEDULED:
            change = carry_out(entity, change, now=now)
        assign(entity, plan, source=AssignmentSource.INTERNAL, now=now)
        after = resolve_effective_limitations(entity, now=now).limitations
        transaction.set_rollback(True)
    told = [_limit_after(before.get(each.code), each) for each in after]
    return Preview(
        change=change,
        limitations=tuple(each for each in told if each.over_by or each.granted_before != each.granted_after),
    )


def _limit_after(before: Limitation | None, after: Limitation) -> LimitAfter:
    return LimitAfter(
        code=after.code,
        name=after.name,
        unit=after.unit,
        granted_before=before.granted_amount if before is not None else 0,
        granted_after=after.granted_amount,
        used=after.consumed_amount,
        over_by=max(0, -(after.effective_amount or 0)),
    )


def _change_price(connector: PaymentConnector, subscription_id: str, price_id: str, *, later: bool, key: str) -> None:
    if not price_id:
        raise ConfigurationInvalid("The catalog names no price of this plan at the provider of the subscription.")
    try:
        require_ability(connector, Ability.CHANGE_PLAN)
        connector.change_plan(subscription_id, price_id, at_period_end=later, operation_key=key)
    except OperationNotSupported as cannot:
        raise SubscriptionExists("The provider does not change this plan for us: use its portal.") from cannot


def _require_default(plan: Plan) -> None:
    """After a subscription the default plan comes, and no other."""
    if not plan.is_default:
        raise ConfigurationInvalid(
            "A subscription that ends goes over to the default plan.", details={"planCode": plan.code}
        )


def _is_cheaper(plan: Plan, *, than: Plan) -> bool:
    """Free is cheaper than any price, in whatever currency."""
    ours, theirs = _monthly(plan), _monthly(than)
    if plan.checkout_currency != than.checkout_currency and ours > 0 and theirs > 0:
        return False
    return ours < theirs


def _period_end(current: PlanAssignment) -> datetime | None:
    return current.trial_end_at or current.period_end_at


def _monthly(plan: Plan) -> Fraction:
    """In minor units; a plan without a price costs nothing."""
    interval, count = interval_of(plan)
    return per_month(plan.checkout_unit_amount_minor or 0, interval, count)
