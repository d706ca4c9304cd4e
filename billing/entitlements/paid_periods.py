"""
Which of a plan's periods are known to be paid, and by what: what templates that grant on payment wait for.

A provider's subscription is paid by its invoices, which may be heard of before or after the period itself. Other plans nobody
invoices; their periods count as paid when they begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from billing.engine.types import LIFETIME_END, SourceType, SubjectType
from billing.models import AssignmentProviderDetail, Grant, PlanAssignment, PlanTemplate, Purchase
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.models.catalog import DurationPolicy, EffectivePolicy
from billing.models.purchases import PurchaseStatus

#: Invoices of one subscription that are looked at: the one of the period, and the one before it.
LOOKED_AT = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """The start of the period that was paid for, and the purchase that paid (None: nobody invoices it)."""

    period_start_at: datetime
    purchase_id: int | None = None


def paid_templates(assignment: PlanAssignment, templates: Iterable[PlanTemplate]) -> dict[int, Paid]:
    """
    The templates that wait for a payment which is there, by their ids.

    What lasts while the plan is current is also left, on trust, to who has paid a period before this one: the invoice of a
    renewal comes after its beginning, and a paying subscriber is never without. Not so credits of a period.
    """
    waiting = [template for template in templates if template.effective_policy == EffectivePolicy.ON_PERIOD_PAID]
    if not waiting:
        return {}
    if assignment.source != AssignmentSource.PROVIDER:
        return _of_nobodys_invoice(assignment, waiting)
    own, earlier = _payments(assignment)
    if own is not None:
        paid = Paid(period_start_at=assignment.period_start_at, purchase_id=own.pk)
        return {template.pk: paid for template in waiting}
    if earlier is None or earlier.period_start_at is None:
        return {}
    trusted = Paid(period_start_at=earlier.period_start_at, purchase_id=earlier.pk)
    return {template.pk: trusted for template in waiting if template.duration_policy == DurationPolicy.WHILE_CURRENT}


def _of_nobodys_invoice(assignment: PlanAssignment, waiting: Sequence[PlanTemplate]) -> dict[int, Paid]:
    """All of them, but none whose period still runs from a time before on the plan: toggling plans refills nothing."""
    if assignment.subscription_status != SubscriptionStatus.ACTIVE:
        return {}
    start = assignment.period_start_at
    running = Grant.objects.filter(
        subject_type=SubjectType.BILLABLE_ENTITY.value,
        subject_id=assignment.billable_entity_id,
        source_type=SourceType.PLAN_ASSIGNMENT,
        template_id__in=[template.pk for template in waiting],
        expires_at__gt=start,
    ).exclude(source_id=str(assignment.pk))
    there = set(running.values_list("template_id", flat=True))
    return {template.pk: Paid(period_start_at=start) for template in waiting if template.pk not in there}


def _payments(assignment: PlanAssignment) -> tuple[Purchase | None, Purchase | None]:
    """
    The payment of the assignment's period, and the latest of a period before.

    A payment is of the period in which the middle of its own lies: an upgrade is paid for the rest of a period only. A trial's
    invoice over nothing pays for nothing.
    """
    own: Purchase | None = None
    start, end = assignment.period_start_at, assignment.period_end_at or LIFETIME_END
    for purchase in _purchases(assignment):
        if purchase.period_start_at is None or purchase.period_end_at is None:
            continue
        middle = purchase.period_start_at + (purchase.period_end_at - purchase.period_start_at) / 2
        if start <= middle < end and not _is_trial_of_nothing(assignment, purchase):
            own = purchase
        elif middle < start and purchase.amount_minor > 0:
            return own, purchase
    return own, None


def _purchases(assignment: PlanAssignment) -> QuerySet[Purchase]:
    """Invoices of the assignment's subscription and plan that were paid and not given back, the latest period first."""
    detail = AssignmentProviderDetail.objects.filter(assignment=assignment).first()
    if detail is None or not detail.provider_subscription_id:
        return Purchase.objects.none()
    given_back = (PurchaseStatus.REFUNDED, PurchaseStatus.VOIDED)
    paid = Purchase.objects.filter(
        Q(plan=assignment.plan_id) | Q(plan=None),
        provider=detail.provider,
        provider_subscription_id=detail.provider_subscription_id,
        period_start_at__isnull=False,
        period_end_at__isnull=False,
    ).exclude(status__in=given_back)
    return paid.order_by("-period_start_at", "pk")[:LOOKED_AT]


def _is_trial_of_nothing(assignment: PlanAssignment, purchase: Purchase) -> bool:
    return assignment.subscription_status == SubscriptionStatus.TRIALING and purchase.amount_minor == 0
