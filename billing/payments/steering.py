"""
How operators steer a plan: its end, its going on, another price, whoever keeps the subscription.

A provider's subscription is steered at the provider, outside a transaction and under a key of ours; its report moves the plan.
A plan that no provider keeps is steered here. Each deed is done once by its key, for a reason that the customer's timeline keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from billing.engine.keys import fingerprint
from billing.entitlements.manual import ByHand, check_by, note
from billing.models import BillableEntity, Plan
from billing.payments.by_hand import provider_of
from billing.payments.connectors.base import ConfigurationInvalid
from billing.payments.idempotency import Answer
from billing.payments.keyed import perform_once
from billing.subscriptions import ending
from billing.subscriptions.changes import costs_less
from billing.subscriptions.looking import Subscription, standing_of
from mozaiks.kit.commands import Command

CANCELED: Final = "subscription.canceled"
ENDING: Final = "subscription.cancellation_booked"
RESUMED: Final = "subscription.resumed"
CHANGED: Final = "subscription.plan_changed"

#: What a door answers, read in the transaction of the deed.
Told = Callable[[], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A deed under its key: who does it and why, and what its first answer is."""

    by: ByHand
    command: Command
    told: Told = dict


def order_by_hand(by: ByHand, *, operation_key: str, content: dict[str, Any]) -> Order:
    """An order of a form, whose ``content`` tells it from others. :raises Invalid: a reason or a name is missing."""
    check_by(by)
    command = Command(operation_key=operation_key, fingerprint=fingerprint(content), request_id="")
    return Order(by=by, command=command)


def cancel(
    entity: BillableEntity,
    order: Order,
    *,
    at_period_end: bool,
    now: datetime,
    subscription: Subscription | None = None,
) -> Answer:
    """
    End the plan with its period, or at once. A provider collects nothing more; what was paid for lasts to the end of its period.

    ``subscription`` None is whatever runs. :raises BillingDependencyConflict: nothing that could end is current.
    :raises ProviderError: the provider refused. :raises OutcomeUnknown: it is silent; the same key asks again.
    """

    def ask(key: str) -> Subscription | None:
        runs = subscription or standing_of(entity, now=now).subscription
        if runs is not None:
            connector = provider_of(runs.provider)
            connector.cancel(runs.subscription_id, at_period_end=at_period_end, operation_key=key)
        return runs

    def keep(runs: Subscription | None) -> Answer:
        who: dict[str, Any] = {"now": now, "actor": order.by.actor, "reason": order.by.reason}
        if runs is not None:
            _note(entity, ENDING if at_period_end else CANCELED, runs, order, now=now)
        elif at_period_end:
            ending.cancel_at_period_end(entity, **who)
        else:
            ending.cancel_now(entity, **who)
        return Answer(status_code=200, body=order.told())

    return perform_once(entity, "plan.cancel", order.command, ask=ask, keep=keep, now=now)


def resume(entity: BillableEntity, order: Order, *, now: datetime, subscription: Subscription | None = None) -> Answer:
    """
    Take back an end, or another plan, that is booked. :raises BillingDependencyConflict: nothing is. Others as :func:`cancel`.
    """

    def ask(key: str) -> Subscription | None:
        runs = subscription or standing_of(entity, now=now).subscription
        if runs is not None:
            provider_of(runs.provider).resume(runs.subscription_id, operation_key=key)
        return runs

    def keep(runs: Subscription | None) -> Answer:
        if runs is not None:
            _note(entity, RESUMED, runs, order, now=now)
        else:
            ending.resume(entity, now=now, actor=order.by.actor, reason=order.by.reason)
        return Answer(status_code=200, body=order.told())

    return perform_once(entity, "plan.resume", order.command, ask=ask, keep=keep, now=now)


def change_price(
    entity: BillableEntity,
    order: Order,
    *,
    subscription: Subscription,
    plan: Plan,
    at_period_end: bool | None = None,
    now: datetime,
) -> Answer:
    """
    Book the price of ``plan`` with the provider: at once, paid in proportion, or from the next period on.

    Where that is not said (None), a plan that costs less waits for the period's end.
    :raises ConfigurationInvalid: that provider does not sell the plan. Others as :func:`cancel`.
    """

    def ask(key: str) -> bool:
        later = _waits(entity, plan, now=now) if at_period_end is None else at_period_end
        price = price_of(plan, subscription.provider)
        connector = provider_of(subscription.provider)
        connector.change_plan(subscription.subscription_id, price, at_period_end=later, operation_key=key)
        return later

    def keep(later: bool) -> Answer:
        _note(entity, CHANGED, subscription, order, now=now, planCode=plan.code, atPeriodEnd=later)
        return Answer(status_code=200, body=order.told())

    return perform_once(entity, "plan.change_price", order.command, ask=ask, keep=keep, now=now)


def _waits(entity: BillableEntity, plan: Plan, *, now: datetime) -> bool:
    runs = standing_of(entity, now=now).now
    return runs is not None and costs_less(plan, runs.plan)


def price_of(plan: Plan, provider: str) -> str:
    """What ``provider`` calls the price of ``plan``. :raises ConfigurationInvalid: it does not sell it."""
    if plan.checkout_provider != provider or not plan.checkout_provider_price_id:
        said = f"The plan {plan.code} has no price at {provider}, which keeps the subscription."
        raise ConfigurationInvalid(said, details={"planCode": plan.code})
    return plan.checkout_provider_price_id


def _note(
    entity: BillableEntity, name: str, subscription: Subscription, order: Order, *, now: datetime, **more: Any
) -> None:
    payload = {"provider": subscription.provider, "subscriptionId": subscription.subscription_id, **more}
    note(entity, name, by=order.by, now=now, payload={**payload, "key": order.command.operation_key})
