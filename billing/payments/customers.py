"""Owns who an entity is to a provider, and what we know of the ways to pay the provider keeps for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from billing.errors import (
    BillingDependencyConflict,
    PaymentMethodNotFound,
    PaymentMethodNotOwned,
    PortalSubscriptionRequired,
)
from billing.models import BillableEntity, BillingCustomer, PaymentMethod, PlanAssignment
from billing.models.assignments import SubscriptionStatus
from billing.models.customers import PaymentMethodStatus
from billing.payments.connectors.base import Ability, MethodSeen, OperationNotSupported, PaymentConnector
from mozaiks.kit.db import requires_transaction, run_in_transaction

#: In these a subscription goes on.
LIVE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE)


def customer_of(entity: BillableEntity, provider: str) -> str | None:
    """The provider's id of ``entity``; None where it has not bought anything there yet."""
    found = BillingCustomer.objects.filter(billable_entity=entity, provider=provider)
    return found.values_list("provider_customer_id", flat=True).first()


def require_customer(entity: BillableEntity, provider: str) -> str:
    """:raises PortalSubscriptionRequired: the provider does not know the entity."""
    found = customer_of(entity, provider)
    if found is None:
        raise PortalSubscriptionRequired("There is nothing to manage yet: choose a plan or a product first.")
    return found


def note_customer(entity: BillableEntity, provider: str, customer_id: str, *, now: datetime) -> None:
    """Remember the provider's id of ``entity``; the one that is known already stays."""
    made = BillingCustomer(
        billable_entity=entity, provider=provider, provider_customer_id=customer_id, created_at=now, updated_at=now
    )
    BillingCustomer.objects.bulk_create([made], ignore_conflicts=True)


def live_subscription(entity: BillableEntity) -> PlanAssignment | None:
    """The current assignment where a provider's subscription that goes on stands behind it, with plan and details."""
    return (
        PlanAssignment.objects.current()
        .for_entity(entity.pk)
        .filter(
            subscription_status__in=[status.value for status in LIVE],
            provider_detail__provider_subscription_id__isnull=False,
            provider_detail__ended_at__isnull=True,
        )
        .select_related("plan", "provider_detail")
        .first()
    )


def require_ability(connector: PaymentConnector, ability: Ability) -> None:
    """:raises OperationNotSupported: the connector cannot do it."""
    if ability not in connector.abilities:
        raise OperationNotSupported("The payment provider of this installation cannot do this.")


def payment_method(entity: BillableEntity, method_id: int, *, may_see: Callable[[int], bool]) -> PaymentMethod:
    """
    A payment method of ``entity`` that may still be charged. ``may_see`` says of which entities the caller may know.

    :raises PaymentMethodNotFound: in the same words whether there is none or the caller may not know of it.
    :raises PaymentMethodNotOwned: it belongs to another of the caller's entities.
    """
    found = PaymentMethod.objects.filter(pk=method_id, status=PaymentMethodStatus.ACTIVE).first()
    if found is not None and found.billable_entity_id == entity.pk:
        return found
    if found is not None and may_see(found.billable_entity_id):
        raise PaymentMethodNotOwned("This payment method belongs to another billable entity of yours.")
    raise PaymentMethodNotFound("There is no such payment method.")


@requires_transaction
def note_default(method: PaymentMethod, *, now: datetime) -> None:
    """The provider charges this one from now on."""
    of_entity = PaymentMethod.objects.filter(billable_entity_id=method.billable_entity_id, provider=method.provider)
    of_entity.exclude(pk=method.pk).filter(is_default=True).update(is_default=False, updated_at=now)
    of_entity.filter(pk=method.pk).update(is_default=True, updated_at=now)
    method.is_default = True


def require_removable(method: PaymentMethod) -> None:
    """:raises BillingDependencyConflict: a subscription is paid by it."""
    if method.is_default and live_subscription(method.billable_entity) is not None:
        raise BillingDependencyConflict("A subscription is paid by this: choose another default first.")


@requires_transaction
def note_removed(method: PaymentMethod, *, now: datetime) -> None:
    """The provider charges it no more."""
    gone = {"status": PaymentMethodStatus.DETACHED, "is_default": False, "updated_at": now}
    PaymentMethod.objects.filter(pk=method.pk).update(**gone)


def known_methods(entity: BillableEntity, provider: str) -> list[PaymentMethod]:
    """What the provider last told, the default one first."""
    active = PaymentMethod.objects.filter(billable_entity=entity, provider=provider, status=PaymentMethodStatus.ACTIVE)
    return list(active.order_by("-is_default", "pk"))


def bring_methods(
    entity: BillableEntity, provider: str, seen: Sequence[MethodSeen], *, now: datetime
) -> list[PaymentMethod]:
    """Write down what the provider tells; nothing is written where nothing changed. Returns what may be charged."""
    known = {row.provider_payment_method_id: row for row in known_methods(entity, provider)}
    told = {each.method_id: _columns(each) for each in seen}
    same = set(known) == set(told) and all(
        getattr(known[name], column) == value for name, columns in told.items() for column, value in columns.items()
    )
    if not same:
        run_in_transaction(lambda: _write_methods(entity, provider, told, now=now))
    return known_methods(entity, provider) if not same else list(known.values())


def _write_methods(entity: BillableEntity, provider: str, told: dict[str, dict[str, object]], *, now: datetime) -> None:
    of_entity = PaymentMethod.objects.filter(billable_entity=entity, provider=provider)
    gone = of_entity.exclude(provider_payment_method_id__in=list(told)).filter(status=PaymentMethodStatus.ACTIVE)
    gone.update(status=PaymentMethodStatus.DETACHED, is_default=False, updated_at=now)
    for method_id, columns in told.items():
        said = {**columns, "billable_entity": entity, "status": PaymentMethodStatus.ACTIVE, "updated_at": now}
        PaymentMethod.objects.update_or_create(
            provider=provider,
            provider_payment_method_id=method_id,
            defaults=said,
            create_defaults={**said, "created_at": now},
        )


def _columns(seen: MethodSeen) -> dict[str, object]:
    """Cut to what the columns hold: a provider's words are not ours to trust."""
    return {
        "method_type": seen.method_type[:32],
        "brand": seen.brand[:32],
        "last4": seen.last4[:4],
        "exp_month": seen.exp_month,
        "exp_year": seen.exp_year,
        "is_default": seen.is_default,
    }
