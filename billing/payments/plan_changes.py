"""
Owns how another plan that a customer chooses comes to be where money is involved: by a checkout, or by the provider that keeps
the subscription. What becomes of the wish is decided, and done where nobody invoices, in ``subscriptions.changes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.errors import CheckoutPlanNotFound, SubscriptionExists
from billing.models import BillableEntity, Plan
from billing.payments.checkout import Wanted, open_checkout
from billing.payments.connectors.base import (
    Ability,
    ConfigurationInvalid,
    OperationNotSupported,
    PaymentConnector,
)
from billing.payments.customers import require_ability
from billing.subscriptions import changes
from billing.subscriptions.changes import Decision, Deed, Preview
from billing.subscriptions.course import BY_ITSELF
from billing.subscriptions.looking import Subscription, standing_of
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import Conflict, Invalid

#: What is done in our own database, by ``changes.change``.
OURS = (Deed.ASSIGN, Deed.SCHEDULE, Deed.UNSCHEDULE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A decision, and the checkout that was opened for it."""

    decision: Decision
    checkout_url: str | None = None
    session_id: str | None = None


def plan_to_change_to(code: str) -> Plan:
    """:raises CheckoutPlanNotFound: there is no active plan of this code."""
    plan = Plan.objects.active().filter(code=code).first()
    if plan is None:
        raise CheckoutPlanNotFound("There is no such plan.", details={"planCode": code})
    return plan


def decide(entity: BillableEntity, plan: Plan, *, now: datetime) -> Decision:
    """What becomes of the wish. :raises ConfigurationInvalid: the plan cannot be chosen from here."""
    try:
        return changes.decide(entity, plan, now=now)
    except Invalid as refused:
        raise _not_to_be_chosen(plan, refused) from None


def preview(entity: BillableEntity, plan: Plan, *, now: datetime) -> Preview:
    """What the wish would change of the limits. :raises ConfigurationInvalid: the plan cannot be chosen from here."""
    try:
        return changes.preview(entity, plan, now=now)
    except Invalid as refused:
        raise _not_to_be_chosen(plan, refused) from None


def ask_provider(
    entity: BillableEntity,
    decision: Decision,
    wanted: Wanted,
    *,
    connector: PaymentConnector,
    operation_key: str,
    now: datetime,
) -> Asked:
    """
    Do what only a provider can: open a checkout, or book the change with the subscription. Called outside a transaction.

    :raises SubscriptionExists: the provider cannot change it for us; its portal can. :raises ProviderError: it refused.
    Others as ``open_checkout``.
    """
    if decision.deed is Deed.BUY:
        row = open_checkout(entity, wanted, connector=connector, operation_key=operation_key, now=now)
        return Asked(decision=decision, checkout_url=row.checkout_url, session_id=row.provider_session_id)
    if decision.subscription is not None:
        _book(decision, decision.subscription, connector, wanted.price_id(connector.name), operation_key)
    return Asked(decision=decision)


@requires_transaction
def carry_out(entity: BillableEntity, asked: Asked, *, now: datetime) -> Asked:
    """
    Change a plan nobody invoices; all others follow from what the provider reports.

    :raises Conflict: what was decided is not right any more.
    """
    if asked.decision.deed not in OURS:
        return asked
    done = changes.change(entity, asked.decision.plan, now=now)
    if done.deed is not asked.decision.deed:
        raise Conflict("The plan was changed by somebody else just now: look again.")
    return Asked(decision=done)


def booked_with_provider(entity: BillableEntity, *, now: datetime) -> Subscription | None:
    """The subscription that will end, or become another plan, because somebody booked it with its provider; else None."""
    standing = standing_of(entity, now=now)
    is_booked = standing.changes_plan and standing.then is not None and standing.then.because not in BY_ITSELF
    return standing.subscription if is_booked else None


def _book(
    decision: Decision, subscription: Subscription, connector: PaymentConnector, price_id: str, operation_key: str
) -> None:
    name = subscription.subscription_id
    if decision.deed is Deed.RESUME:
        connector.resume(name, operation_key=operation_key)
    elif decision.deed is Deed.CANCEL_LATER:
        connector.cancel(name, at_period_end=True, operation_key=operation_key)
    elif decision.deed in (Deed.CHANGE_NOW, Deed.CHANGE_LATER):
        later = decision.deed is Deed.CHANGE_LATER
        try:
            require_ability(connector, Ability.CHANGE_PLAN)
            connector.change_plan(name, price_id, at_period_end=later, operation_key=operation_key)
        except OperationNotSupported as cannot:
            raise SubscriptionExists("The provider does not change this plan for us: use its portal.") from cannot


def _not_to_be_chosen(plan: Plan, refused: Invalid) -> ConfigurationInvalid:
    return ConfigurationInvalid(refused.message, details={"planCode": plan.code})
