"""
The rows of checkouts: what the provider is told for one, and how one moves on.

A checkout only ever moves up in ``RANK``, so that events and reconciliation may come in any order and any number.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from billing.models import CheckoutSession, ProviderSubscription, Purchase
from billing.models.checkouts import BLOCKING, CheckoutPurpose, CheckoutStatus
from billing.payments.connectors.base import (
    CheckoutOpened,
    CheckoutOrder,
    CheckoutSeen,
    OperationNotSupported,
    OutcomeUnknown,
    PaymentConnector,
    ProviderError,
)
from billing.payments.connectors.facts import CheckoutOutcome
from billing.payments.customers import note_customer
from mozaiks.kit.errors import Failure

#: A provider's page is open for so long: nobody who changes their mind waits longer for another checkout.
LIFETIME: Final = timedelta(hours=1)
#: After this a checkout that is still being made was left by a crash.
STALE: Final = timedelta(minutes=2)
#: Providers remember our keys for a day; later the same call would begin a second checkout.
KEY_LIFE: Final = timedelta(hours=23)

RANK: Final = {
    CheckoutStatus.CREATING: 0,
    CheckoutStatus.OPEN: 1,
    CheckoutStatus.EXPIRED: 2,
    CheckoutStatus.PAID: 3,
    CheckoutStatus.COMPLETED: 4,
    CheckoutStatus.FAILED: 5,
}
ERROR_LENGTH: Final = 2000


def order_of(row: CheckoutSession) -> CheckoutOrder:
    """What the provider is told; the same at every call for this row, as its key asks for."""
    said: dict[str, Any] = row.metadata_json
    base = said.get("baseUrl", "")
    return CheckoutOrder(
        entity_id=row.billable_entity_id,
        purpose=CheckoutPurpose(row.purpose),
        price_id=said.get("priceId", ""),
        success_url=f"{base}{row.success_path}",
        cancel_url=f"{base}{row.cancel_path}",
        operation_key=row.operation_key,
        quantity=row.quantity,
        plan_code=row.plan.code if row.plan else "",
        product_code=row.product.code if row.product else "",
        customer_id=said.get("customerId"),
        customer_email=said.get("email", ""),
        trial_days=said.get("trialDays", 0),
        expires_at=row.created_at + LIFETIME,
    )


def call_provider(row: CheckoutSession, connector: PaymentConnector, *, now: datetime) -> CheckoutSession:
    """
    Ask the provider for its page and write down what it answered; calling again has the same outcome, whoever calls.

    :raises ProviderError: the provider refused, and the checkout has failed; as ``OutcomeUnknown`` it is still being made.
    """
    try:
        opened = connector.checkout(order_of(row))
    except OutcomeUnknown as unknown:
        _while_creating(row).update(error_text=unknown.message[:ERROR_LENGTH], updated_at=now)
        raise
    except Failure as refused:
        _while_creating(row).update(
            status=CheckoutStatus.FAILED, error_text=refused.message[:ERROR_LENGTH], updated_at=now
        )
        raise
    return _note_opened(row, opened, now=now)


def look_again(row: CheckoutSession, connector: PaymentConnector, *, now: datetime) -> CheckoutSession:
    """
    The row as it is after asking whoever knows: the provider, or for one that is paid the facts that have come.

    What cannot be found out now stays as it is; a provider that is down is no reason to fail.
    """
    try:
        if row.status == CheckoutStatus.CREATING and row.updated_at <= now - STALE:
            _finish_creating(row, connector, now=now)
        elif row.status == CheckoutStatus.OPEN:
            _ask(row, connector, now=now)
        elif row.status == CheckoutStatus.PAID and is_confirmed(row):
            move(row, CheckoutStatus.COMPLETED, now=now)
    except Failure as failure:
        CheckoutSession.objects.filter(pk=row.pk).update(error_text=failure.message[:ERROR_LENGTH], updated_at=now)
    row.refresh_from_db()
    return row


def is_confirmed(row: CheckoutSession) -> bool:
    """Whether the fact behind a payment has come: the purchase, or for a plan a first report of the subscription."""
    if row.purpose == CheckoutPurpose.SUBSCRIPTION:
        reported = ProviderSubscription.objects.filter(
            billable_entity_id=row.billable_entity_id,
            provider=row.provider,
            created_at__gte=row.created_at,
            last_event_created_at__isnull=False,
        )
        return reported.exists()
    same = Q(operation_key=row.operation_key)
    if row.provider_session_id is not None:
        same |= Q(provider_checkout_session_id=row.provider_session_id)
    return Purchase.objects.filter(same, provider=row.provider).exists()


def move(row: CheckoutSession, status: CheckoutStatus, *, now: datetime, error: str = "") -> bool:
    """Move a checkout up; False where it stands as high already. One that is over never blocks its entity again."""
    if status in BLOCKING and row.status not in BLOCKING:
        status = CheckoutStatus.COMPLETED
    below = [lower.value for lower, rank in RANK.items() if rank < RANK[status]]
    columns: dict[str, Any] = {"status": status, "updated_at": now, "error_text": error[:ERROR_LENGTH]}
    if status in (CheckoutStatus.PAID, CheckoutStatus.COMPLETED) and row.completed_at is None:
        columns["completed_at"] = now
    moved = CheckoutSession.objects.filter(pk=row.pk, status__in=below).update(**columns)
    return bool(moved)


def status_after(outcome: CheckoutOutcome, row: CheckoutSession) -> CheckoutStatus:
    """What becomes of a checkout that ended. A subscription's stays paid until the subscription itself was reported."""
    if outcome is CheckoutOutcome.EXPIRED:
        return CheckoutStatus.EXPIRED
    if outcome is CheckoutOutcome.FAILED:
        return CheckoutStatus.FAILED
    waits = row.purpose == CheckoutPurpose.SUBSCRIPTION and not is_confirmed(row)
    return CheckoutStatus.PAID if waits else CheckoutStatus.COMPLETED


def _while_creating(row: CheckoutSession) -> Any:
    return CheckoutSession.objects.filter(pk=row.pk, status=CheckoutStatus.CREATING)


def _note_opened(row: CheckoutSession, opened: CheckoutOpened, *, now: datetime) -> CheckoutSession:
    """An event may have been faster than the answer: then only what is missing is written."""
    told = {"provider_session_id": opened.session_id, "checkout_url": opened.url, "error_text": "", "updated_at": now}
    if opened.expires_at is not None:
        told["expires_at"] = opened.expires_at
    # Where there is no page nobody can pay, and nothing waits for it.
    status = CheckoutStatus.OPEN if opened.url.startswith(("https://", "http://")) else CheckoutStatus.EXPIRED
    if not _while_creating(row).update(status=status, **told):
        CheckoutSession.objects.filter(pk=row.pk, checkout_url="").update(**told)
    if opened.customer_id:
        note_customer(row.billable_entity, row.provider, opened.customer_id, now=now)
    row.refresh_from_db()
    return row


def _finish_creating(row: CheckoutSession, connector: PaymentConnector, *, now: datetime) -> None:
    if row.created_at <= now - KEY_LIFE:
        move(row, CheckoutStatus.FAILED, now=now, error="The provider never told what became of it.")
    else:
        call_provider(row, connector, now=now)


def _ask(row: CheckoutSession, connector: PaymentConnector, *, now: datetime) -> None:
    try:
        seen = connector.checkout_seen(row.provider_session_id or "")
    except OutcomeUnknown:
        raise
    except (ProviderError, OperationNotSupported) as refused:
        # It knows nothing of the checkout: then our own time for it counts.
        if row.expires_at is not None and row.expires_at > now:
            raise
        move(row, CheckoutStatus.EXPIRED, now=now, error=refused.message)
        return
    if seen.outcome is None and not seen.paid:
        _note_still_open(row, seen, connector, now=now)
    else:
        _note_seen(row, seen, now=now)


def _note_still_open(row: CheckoutSession, seen: CheckoutSeen, connector: PaymentConnector, *, now: datetime) -> None:
    """It has the provider's time, else ours; when that is over it is closed there first, so that nobody pays it any more."""
    ends_at = seen.expires_at or row.expires_at
    if ends_at is not None and ends_at <= now:
        connector.expire_checkout(row.provider_session_id or "")
        move(row, CheckoutStatus.EXPIRED, now=now)
        return
    CheckoutSession.objects.filter(pk=row.pk, status=CheckoutStatus.OPEN).update(expires_at=ends_at, updated_at=now)


def _note_seen(row: CheckoutSession, seen: CheckoutSeen, *, now: datetime) -> None:
    if seen.outcome is CheckoutOutcome.COMPLETED or seen.paid:
        # Only an event says that everything is here; until then it is paid, whatever was bought.
        move(row, CheckoutStatus.COMPLETED if is_confirmed(row) else CheckoutStatus.PAID, now=now)
    elif seen.outcome is not None:
        move(row, status_after(seen.outcome, row), now=now)
