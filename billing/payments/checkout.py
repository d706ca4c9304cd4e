"""
Owns how a customer is sent to a provider's page and what becomes of it. Nothing is granted here: a confirmed payment grants.

The intent is a row, committed before the provider is called; one row per entity blocks all others until it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count

from django.db.models import Q

from billing.errors import (
    CheckoutCompletionPending,
    CheckoutInProgress,
    CheckoutOpen,
    CheckoutPlanNotFound,
    CheckoutProductNotFound,
    SubscriptionExists,
)
from billing.models import BillableEntity, BillingEvent, CheckoutSession, Plan, PlanAssignment, Product
from billing.models.catalog import ProductKind
from billing.models.checkouts import BLOCKING, CheckoutPurpose, CheckoutStatus
from billing.payments.connectors.base import (
    CheckoutOpened,
    CheckoutOrder,
    ConfigurationInvalid,
    PaymentConnector,
)
from billing.payments.connectors.facts import CheckoutEnded
from billing.payments.customers import customer_of, live_subscription
from billing.payments.sessions import LIFETIME, call_provider, look_again, move, status_after
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.times import utc_z

#: How many of a product one checkout may be for.
MOST_PIECES = 999


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """
    What is to be bought, one of plan and product, and where the customer comes back to: paths below ``base_url``.

    ``requested_by`` is for the audit, ``email`` for the provider's page.
    """

    plan: Plan | None = None
    product: Product | None = None
    quantity: int = 1
    base_url: str
    success_path: str
    cancel_path: str
    email: str = ""
    requested_by: str = ""

    @property
    def purpose(self) -> CheckoutPurpose:
        return CheckoutPurpose.SUBSCRIPTION if self.plan is not None else CheckoutPurpose.ONE_OFF

    def price_id(self, provider: str) -> str:
        """The price at ``provider``; empty where the catalog names none of it."""
        if self.plan is not None:
            ours, price = self.plan.checkout_provider, self.plan.checkout_provider_price_id
        elif self.product is not None:
            ours, price = self.product.provider, self.product.provider_price_id
        else:
            return ""
        return price or "" if ours in ("", provider) else ""


def plan_for_sale(code: str) -> Plan:
    """:raises CheckoutPlanNotFound: there is no active plan of this code. :raises ConfigurationInvalid: it costs nothing."""
    plan = Plan.objects.active().filter(code=code).first()
    if plan is None:
        raise CheckoutPlanNotFound("There is no such plan.", details={"planCode": code})
    if plan.checkout_unit_amount_minor == 0:
        raise ConfigurationInvalid("This plan costs nothing: choose it by a plan change.", details={"planCode": code})
    return plan


def product_for_sale(code: str) -> Product:
    """:raises CheckoutProductNotFound: there is no active product of this code. :raises ConfigurationInvalid: not sold alone."""
    product = Product.objects.filter(code=code, is_active=True).first()
    if product is None:
        raise CheckoutProductNotFound("There is no such product.", details={"productCode": code})
    if product.product_kind == ProductKind.SUBSCRIPTION_ADDON:
        raise ConfigurationInvalid("This product is part of a subscription.", details={"productCode": code})
    if product.unit_amount_minor == 0:
        raise ConfigurationInvalid("This product has no price.", details={"productCode": code})
    return product


def open_checkout(
    entity: BillableEntity, wanted: Wanted, *, connector: PaymentConnector, operation_key: str, now: datetime
) -> CheckoutSession:
    """
    The checkout at the provider, open for the customer. The same ``operation_key`` again is the same checkout, unless that one
    came to nothing.

    One that is open for the very same already is given again. Another is looked after first, so that one which is over by
    now is in nobody's way.

    :raises CheckoutInProgress: one is being made. :raises CheckoutOpen: another waits to be paid.
    :raises CheckoutCompletionPending: one is paid and not confirmed yet. :raises SubscriptionExists: a plan is wanted.
    :raises ProviderError: the provider refused, or (``OutcomeUnknown``) did not tell.
    :raises ConfigurationInvalid: the catalog names no price of this provider.
    """
    row, operation_key = _attempt(operation_key)
    if row is None:
        row = _begin(entity, wanted, connector.name, operation_key, now=now)
    if row.operation_key != operation_key:
        row = look_again(row, connector, now=now) if row.provider == connector.name else row
        if row.status in BLOCKING:
            return _the_same_or_refused(row, wanted)
        row = _begin(entity, wanted, connector.name, operation_key, now=now)
        if row.operation_key != operation_key:
            raise CheckoutInProgress("Another checkout has just begun: repeat this shortly.")
    return call_provider(row, connector, now=now) if row.status == CheckoutStatus.CREATING else row


def payment_link(
    entity: BillableEntity, wanted: Wanted, *, connector: PaymentConnector, operation_key: str, now: datetime
) -> CheckoutOpened:
    """A link under which a product may be bought by whoever has it, any number of times. It blocks no checkout."""
    return connector.payment_link(
        CheckoutOrder(
            entity_id=entity.pk,
            purpose=wanted.purpose,
            price_id=wanted.price_id(connector.name),
            success_url=f"{wanted.base_url}{wanted.success_path}",
            cancel_url=f"{wanted.base_url}{wanted.cancel_path}",
            operation_key=operation_key,
            quantity=wanted.quantity,
            product_code=wanted.product.code if wanted.product else "",
            customer_id=customer_of(entity, connector.name),
            customer_email=wanted.email,
        )
    )


def close_open(entity: BillableEntity, *, connector: PaymentConnector, now: datetime) -> CheckoutSession | None:
    """
    Close the checkout that is open, at the provider first; None where none is.

    :raises CheckoutInProgress: it is still being made. :raises CheckoutCompletionPending: it was paid meanwhile.
    :raises ProviderError: the provider did not close it.
    """
    row = CheckoutSession.objects.filter(blocking_key=entity.pk).first()
    if row is None:
        return None
    if row.status == CheckoutStatus.OPEN and row.provider == connector.name:
        connector.expire_checkout(row.provider_session_id or "")
    row = look_again(row, connector, now=now)
    if row.status == CheckoutStatus.CREATING:
        raise CheckoutInProgress("The checkout is just being made: repeat this shortly.", headers={"Retry-After": "2"})
    if row.status == CheckoutStatus.PAID:
        raise CheckoutCompletionPending("The checkout is paid and will be confirmed in a moment.")
    move(row, CheckoutStatus.EXPIRED, now=now)
    row.refresh_from_db()
    return row


@requires_transaction
def note_ended(fact: CheckoutEnded, *, provider: str, event: BillingEvent | None, now: datetime) -> None:
    """
    A checkout came to its end, says the provider. Found by its session, else by our key; one we did not begin is nobody's.

    It says nothing about money: who paid has it from the confirmed payment.
    """
    same = Q(provider_session_id=fact.session_id)
    if fact.operation_key:
        same |= Q(operation_key=fact.operation_key)
    row = CheckoutSession.objects.select_for_update().filter(same, provider=provider).order_by("pk").first()
    if row is None:
        return
    if row.provider_session_id is None:
        CheckoutSession.objects.filter(pk=row.pk).update(provider_session_id=fact.session_id, updated_at=now)
    move(row, status_after(fact.outcome, row), now=now)


def _attempt(operation_key: str) -> tuple[CheckoutSession | None, str]:
    """The checkout of a request that is repeated, and its key; after one that came to nothing the next attempt has its own."""
    key = operation_key
    for number in count(1):
        row = CheckoutSession.objects.filter(operation_key=key).first()
        if row is None or row.status not in (CheckoutStatus.EXPIRED, CheckoutStatus.FAILED):
            break
        key = f"{operation_key}.{number}"
    return row, key


def _begin(
    entity: BillableEntity, wanted: Wanted, provider: str, operation_key: str, *, now: datetime
) -> CheckoutSession:
    """The row that blocks the entity: a new one of ours, or whose is in the way. Two at once: the unique key decides."""

    def begin() -> CheckoutSession:
        blocking = CheckoutSession.objects.filter(blocking_key=entity.pk).first()
        if blocking is not None:
            return blocking
        if wanted.plan is not None:
            _require_no_subscription(entity)
        return CheckoutSession.objects.create(
            billable_entity=entity,
            provider=provider,
            purpose=wanted.purpose,
            plan=wanted.plan,
            product=wanted.product,
            quantity=wanted.quantity,
            operation_key=operation_key,
            success_path=wanted.success_path,
            cancel_path=wanted.cancel_path,
            requested_by=wanted.requested_by,
            expires_at=now + LIFETIME,
            metadata_json=_told_once(entity, wanted, provider),
            created_at=now,
            updated_at=now,
        )

    return run_in_transaction(begin)


def _told_once(entity: BillableEntity, wanted: Wanted, provider: str) -> dict[str, object]:
    """What the provider is told beside the columns; kept, because a repeated call has to say the same."""
    return {
        "baseUrl": wanted.base_url,
        "priceId": wanted.price_id(provider),
        "customerId": customer_of(entity, provider),
        "email": wanted.email,
        "trialDays": _trial_days(entity, wanted.plan),
    }


def _trial_days(entity: BillableEntity, plan: Plan | None) -> int:
    """A trial is had once, whatever the plan."""
    if plan is None or not plan.trial_days:
        return 0
    had = PlanAssignment.objects.for_entity(entity.pk).filter(trial_end_at__isnull=False).exists()
    return 0 if had else plan.trial_days


def _require_no_subscription(entity: BillableEntity) -> None:
    live = live_subscription(entity)
    if live is not None:
        raise SubscriptionExists(
            "There is a subscription already: change its plan, or manage it in the portal.",
            details={"planCode": live.plan.code},
        )


def _the_same_or_refused(row: CheckoutSession, wanted: Wanted) -> CheckoutSession:
    if row.status == CheckoutStatus.CREATING:
        raise CheckoutInProgress("A checkout is just being made: repeat this shortly.", headers={"Retry-After": "2"})
    if row.status == CheckoutStatus.PAID:
        raise CheckoutCompletionPending("The last checkout is paid and will be confirmed in a moment.")
    asked = (wanted.plan, wanted.product, wanted.quantity, wanted.success_path, wanted.cancel_path)
    if (row.plan, row.product, row.quantity, row.success_path, row.cancel_path) == asked:
        return row
    details = {
        "checkoutUrl": row.checkout_url,
        "planCode": row.plan.code if row.plan else None,
        "productCode": row.product.code if row.product else None,
        "quantity": row.quantity,
        "expiresAt": utc_z(row.expires_at) if row.expires_at else None,
    }
    raise CheckoutOpen("Another checkout is open: pay it, close it, or wait until it runs out.", details=details)
