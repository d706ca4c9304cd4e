"""What each fact of a provider does: one table, and the transaction's one customer for all facts of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from billing.payments import adjustments, checkout, purchases, taking_back, whose
from billing.payments.connectors.facts import (
    CheckoutEnded,
    DisputeReported,
    Fact,
    PaymentConfirmed,
    PaymentFailed,
    RefundReported,
    SubscriptionReported,
)
from billing.subscriptions import renewals, reports
from billing.subscriptions.reports import Applied
from mozaiks.kit.db import requires_transaction

OLDER: Final = "Something newer of the same subscription was applied before."
#: Why a report changed nothing, as far as it did not.
SAID: Final = {
    Applied.OLDER: OLDER,
    Applied.UNKNOWN_PRICE: "No plan is sold at the price of this subscription. Replay it when there is one.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Of which event a fact is, and whose as far as anybody knows. Provider's times are in the fact, ``now`` is ours."""

    event: BillingEvent
    entity_id: int | None
    now: datetime

    @property
    def provider(self) -> str:
        return self.event.provider


#: Does what a fact says, and gives the reason where that was nothing.
Handler = Callable[[Any, Context], str]


def confirm(fact: PaymentConfirmed, context: Context) -> str:
    """A purchase, and what was bought; of a subscription, what waits for its period to be paid."""
    entity_id, event = context.entity_id, context.event
    confirmed = purchases.confirm(fact, provider=context.provider, entity_id=entity_id, event=event, now=context.now)
    purchase = confirmed.purchase
    event.billable_entity_id = purchase.billable_entity_id
    if confirmed.changed and purchase.provider_subscription_id:
        renewals.period_paid(
            provider=purchase.provider,
            subscription_id=purchase.provider_subscription_id,
            entity_id=purchase.billable_entity_id,
            now=context.now,
        )
        taking_back.bring_along(purchase, now=context.now)
    return ""


def report(fact: SubscriptionReported, context: Context) -> str:
    """The plan, as the provider says the subscription stands."""
    if context.entity_id is None:
        raise purchases.NotYetTied("Nobody knows yet whose subscription it is.")
    event = context.event
    adjusted = _adjusted(fact, context)
    applied = reports.apply_report(
        fact,
        provider=context.provider,
        entity_id=context.entity_id,
        event_id=event.provider_event_id or "",
        event_created_at=event.provider_created_at or event.received_at,
        now=context.now,
    )
    for purchase in adjusted if applied is not Applied.OLDER else ():
        taking_back.bring_along(purchase, now=context.now)
    return SAID.get(applied, "")


def _adjusted(fact: SubscriptionReported, context: Context) -> list[Purchase]:
    """
    Invoices of the subscription that were refunded or disputed, locked before its plan is: what the report begins may be what
    they paid for, and then it is taken back as the rest was.
    """
    of_subscription = PurchaseAdjustment.objects.filter(
        purchase__billable_entity_id=context.entity_id,
        purchase__provider=context.provider,
        purchase__provider_subscription_id=fact.whose.subscription_id,
    )
    keys = set(of_subscription.values_list("purchase_id", flat=True))
    return list(Purchase.objects.select_for_update().filter(pk__in=keys).order_by("pk")) if keys else []


def end_checkout(fact: CheckoutEnded, context: Context) -> str:
    """A checkout blocks its customer no more. Grants nothing."""
    checkout.note_ended(fact, provider=context.provider, event=context.event, now=context.now)
    return ""


def refund(fact: RefundReported, context: Context) -> str:
    """What a refund takes back."""
    row = adjustments.refund_reported(fact, provider=context.provider, now=context.now)
    context.event.billable_entity_id = row.purchase.billable_entity_id
    return ""


def dispute(fact: DisputeReported, context: Context) -> str:
    """What a dispute freezes, releases or takes back."""
    row = adjustments.dispute_reported(fact, provider=context.provider, now=context.now)
    context.event.billable_entity_id = row.purchase.billable_entity_id
    return ""


def note(fact: PaymentFailed, context: Context) -> str:
    """Kept in the inbox, where operators find it: what it means for a subscription is in the subscription's own report."""
    return ""


HANDLERS: Mapping[type[Fact], Handler] = {
    PaymentConfirmed: confirm,
    SubscriptionReported: report,
    CheckoutEnded: end_checkout,
    RefundReported: refund,
    DisputeReported: dispute,
    PaymentFailed: note,
}


@requires_transaction
def handle(facts: Sequence[Fact], event: BillingEvent, *, now: datetime) -> str:
    """
    Do what all facts of an event say; returns why nothing was to be done, empty where something was.

    Sets whose the event is on ``event``, which the caller stamps. :raises TwoSubjects: it is about more than one customer.
    Raises whatever the rooms raise that do it: then nothing of the event is done, and it waits.
    """
    told = [fact.whose for fact in facts if hasattr(fact, "whose")]
    entity_id = whose.entity_of(told, provider=event.provider)
    if entity_id is not None:
        event.billable_entity_id = entity_id
        whose.learn(told, entity_id, provider=event.provider, now=now)
    context = Context(event=event, entity_id=entity_id, now=now)
    reasons = [HANDLERS[type(fact)](fact, context) for fact in facts]
    return "" if "" in reasons else reasons[0]
