"""
Whose an event is: by our own metadata, else by the customer, else by the subscription it names.

What is learned on the way (this customer, that subscription is theirs) is kept, for events that know less.
"""

from __future__ import annotations

from datetime import datetime

from billing.models import BillableEntity, BillingCustomer, ProviderSubscription
from billing.payments.connectors.facts import Whose
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import Conflict


class NobodyOfOurs(Conflict):
    """The metadata names an entity that does not exist here: perhaps another installation uses the provider's account too."""

    default_code = "WEBHOOK_ENTITY_UNKNOWN"


class TwoSubjects(Conflict):
    """What the event says is of two customers: it is for an operator to say which, and no attempt will help."""

    default_code = "WEBHOOK_TWO_SUBJECTS"


@requires_transaction
def entity_of(told: list[Whose], *, provider: str) -> int | None:
    """
    The id of the one entity all of ``told`` are about; None where nobody knows yet.

    :raises NobodyOfOurs: the metadata names none of ours. :raises TwoSubjects: they are about more than one.
    """
    named = {each.entity_id for each in told if each.entity_id is not None}
    customers = {each.customer_id for each in told if each.customer_id}
    subscriptions = {each.subscription_id for each in told if each.subscription_id}
    found = set(BillableEntity.objects.filter(pk__in=named).values_list("pk", flat=True)) if named else set()
    if missing := named - found:
        raise NobodyOfOurs(f"The event is about the billable entity {min(missing)}, which does not exist here.")
    if customers:
        known = BillingCustomer.objects.filter(provider=provider, provider_customer_id__in=customers)
        found |= set(known.values_list("billable_entity_id", flat=True))
    if subscriptions:
        theirs = ProviderSubscription.objects.filter(provider=provider, provider_subscription_id__in=subscriptions)
        found |= set(theirs.exclude(billable_entity=None).values_list("billable_entity_id", flat=True))
    if len(found) > 1:
        ids = ", ".join(str(each) for each in sorted(found))
        raise TwoSubjects(f"By its metadata, customer and subscription the event is about the billable entities {ids}.")
    return next(iter(found), None)


@requires_transaction
def learn(told: list[Whose], entity_id: int, *, provider: str, now: datetime) -> None:
    """Keep which customer and which subscriptions of the provider are the entity's."""
    for each in told:
        if each.subscription_id:
            _learn_subscription(each.subscription_id, each.customer_id or "", entity_id, provider=provider, now=now)
    for each in told:
        if each.customer_id:
            _learn_customer(each.customer_id, entity_id, provider=provider, now=now)


def _learn_subscription(
    subscription_id: str, customer_id: str, entity_id: int, *, provider: str, now: datetime
) -> None:
    rows = ProviderSubscription.objects.filter(provider=provider, provider_subscription_id=subscription_id)
    known = rows.values_list("billable_entity_id", "provider_customer_id").first()
    if known is None:
        ProviderSubscription.objects.create(
            billable_entity_id=entity_id,
            provider=provider,
            provider_subscription_id=subscription_id,
            provider_customer_id=customer_id,
            created_at=now,
            updated_at=now,
        )
        return
    learned: dict[str, object] = {} if known[0] else {"billable_entity_id": entity_id}
    if customer_id and not known[1]:
        learned["provider_customer_id"] = customer_id
    if learned:
        rows.update(**learned, updated_at=now)


def _learn_customer(customer_id: str, entity_id: int, *, provider: str, now: datetime) -> None:
    """An entity has one customer at a provider, the first: a second one is known by its subscriptions alone."""
    customers = BillingCustomer.objects.filter(provider=provider)
    if not customers.filter(billable_entity_id=entity_id).exists():
        customers.create(
            billable_entity_id=entity_id,
            provider=provider,
            provider_customer_id=customer_id,
            created_at=now,
            updated_at=now,
        )
