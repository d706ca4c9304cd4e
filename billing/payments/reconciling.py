"""
Finishes what a crash, or a provider that did not answer, left between an intent and its result.

A round is safe to interrupt and to run twice at once: each thing is taken by a compare-and-swap on when it was last looked
at, and what is not done stays due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import models
from django.db.models import Q

from billing.models import CheckoutSession, PurchaseAdjustment
from billing.models.checkouts import CheckoutStatus
from billing.models.purchases import PurchaseAction, PurchaseActionStatus
from billing.payments import adjustments
from billing.payments.connectors import choosing
from billing.payments.sessions import STALE, look_again
from mozaiks.kit.errors import Failure

log = structlog.get_logger(__name__)

#: Between two looks at a checkout or a refund whose turn it is.
PAUSE: Final = timedelta(minutes=2)
#: A payment that was not confirmed for so long is worth somebody's look.
LATE: Final = timedelta(minutes=15)
BATCH: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciled:
    """What a round came to: things looked at, things that are finished now, things nothing could be found out about."""

    looked_at: int = 0
    finished: int = 0
    failed: int = 0

    def plus(self, *, finished: bool = False, failed: bool = False) -> Reconciled:
        return replace(
            self,
            looked_at=self.looked_at + 1,
            finished=self.finished + finished,
            failed=self.failed + failed,
        )


def waiting(*, now: datetime) -> int:
    """How many things are due."""
    return _checkouts(now=now).count() + _refunds(now=now).count()


def reconcile(*, now: datetime, tell: Callable[[Reconciled], None] = lambda so_far: None) -> Reconciled:
    """Look at everything that is due once; ``tell`` hears of every step."""
    so_far = Reconciled()
    for so_far in steps(now=now):
        tell(so_far)
    return so_far


def steps(*, now: datetime) -> Iterator[Reconciled]:
    """The same, step by step, for whoever wants to stop in between."""
    so_far = Reconciled()
    last = 0
    while rows := list(_checkouts(now=now).filter(pk__gt=last).order_by("pk")[:BATCH]):
        for row in rows:
            last = row.pk
            if _take(row, now=now):
                so_far = _checkout(row, so_far, now=now)
                yield so_far
    last = 0
    while pending := list(_refunds(now=now).filter(pk__gt=last).select_related("purchase").order_by("pk")[:BATCH]):
        for adjustment in pending:
            last = adjustment.pk
            if _take(adjustment, now=now):
                so_far = _refund(adjustment, so_far, now=now)
                yield so_far


def _checkouts(*, now: datetime) -> models.QuerySet[CheckoutSession]:
    """Checkouts left while they were made, open beyond their time, or paid and perhaps confirmed by now."""
    due = (
        Q(status=CheckoutStatus.CREATING, updated_at__lte=now - STALE)
        | Q(status=CheckoutStatus.OPEN, expires_at__lte=now, updated_at__lte=now - PAUSE)
        | Q(status=CheckoutStatus.PAID, updated_at__lte=now - PAUSE)
    )
    return CheckoutSession.objects.filter(due).select_related("plan", "product", "billable_entity")


def _refunds(*, now: datetime) -> models.QuerySet[PurchaseAdjustment]:
    """Refunds that were written down as intents and of which the provider has said nothing."""
    return PurchaseAdjustment.objects.filter(
        status=PurchaseActionStatus.RECORDED,
        action=PurchaseAction.REFUND,
        provider_reference__isnull=True,
        updated_at__lte=now - PAUSE,
    )


def _take(row: CheckoutSession | PurchaseAdjustment, *, now: datetime) -> bool:
    """Whether it is ours to look at: of several who see that it is due one gets it."""
    same = type(row)._default_manager.filter(pk=row.pk, updated_at=row.updated_at)
    return bool(same.update(updated_at=now))


def _checkout(row: CheckoutSession, so_far: Reconciled, *, now: datetime) -> Reconciled:
    before = row.status
    try:
        row = look_again(row, choosing.connector_named(row.provider), now=now)
    except Failure as failure:  # nobody speaks to that provider any more
        return _not_found_out("checkout", row.pk, failure, so_far)
    if row.status == CheckoutStatus.PAID and row.completed_at is not None and row.completed_at <= now - LATE:
        log.warning("checkout_unconfirmed", checkout=row.pk, entity=row.billable_entity_id)
    return so_far.plus(finished=row.status != before, failed=row.status == before and bool(row.error_text))


def _refund(adjustment: PurchaseAdjustment, so_far: Reconciled, *, now: datetime) -> Reconciled:
    try:
        connector = choosing.connector_named(adjustment.purchase.provider)
        adjustments.resume(adjustment, connector, now=now)
    except Failure as failure:
        return _not_found_out("refund", adjustment.pk, failure, so_far)
    return so_far.plus(finished=True)


def _not_found_out(what: str, pk: int, failure: Failure, so_far: Reconciled) -> Reconciled:
    log.warning("reconcile_failed", what=what, id=pk, error=failure.message)
    return so_far.plus(failed=True)
