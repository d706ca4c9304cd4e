"""What has become of a customer, in a form by which two tellings of one life are compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.types import AdjustmentKind
from billing.entitlements.boundaries import refresh_due_limitations_for_subject
from billing.models import (
    Balance,
    BillableEntity,
    BillingCustomer,
    BillingEvent,
    Grant,
    GrantAdjustment,
    PlanAssignment,
    ProviderSubscription,
    Purchase,
    PurchaseAdjustment,
)
from billing.subscriptions.scheduling import promote_due


@dataclass(frozen=True, kw_only=True)
class Final:
    """What has become of it, in a form two tellings can be compared by. Ids are the provider's; ours differ."""

    assignments: tuple[Any, ...]
    purchases: tuple[Any, ...]
    adjustments: tuple[Any, ...]
    grants: tuple[Any, ...]
    balances: tuple[Any, ...]
    links: tuple[Any, ...]
    failed: tuple[Any, ...]

    def __str__(self) -> str:
        lines = []
        for name in vars(self):
            lines += [f"{name}:", *(f"    {row}" for row in getattr(self, name))]
        return "\n".join(lines)


def final(entity: BillableEntity, *, now: datetime) -> Final:
    """Brings what is due to ``now`` first."""
    promote_due(entity.pk, now)
    refresh_due_limitations_for_subject(entity, now=now)
    return Final(
        assignments=_assignments(entity),
        purchases=_rows(
            Purchase.objects.filter(billable_entity=entity),
            "provider_invoice_id",
            "provider_payment_id",
            "provider_checkout_session_id",
            "provider_subscription_id",
            "amount_minor",
            "currency",
            "plan__code",
            "product__code",
            "status",
            "purchase_kind",
            "flag",
            "quantity",
            "period_start_at",
            "period_end_at",
            "dedupe_key",
        ),
        adjustments=_rows(
            PurchaseAdjustment.objects.filter(purchase__billable_entity=entity),
            "action",
            "status",
            "amount_minor",
            "provider_reference",
        ),
        grants=_grants(entity, now),
        # A balance that was needed once and holds nothing any more says no more than one that is not there.
        balances=_rows(
            Balance.objects.running().filter(subject=entity).exclude(granted_amount=0, consumed_amount=0),
            "definition__code",
            "granted_amount",
            "consumed_amount",
            "effective_amount",
            "over_limit",
            "window_start_at",
        ),
        links=_rows(BillingCustomer.objects.filter(billable_entity=entity), "provider_customer_id")
        + _rows(
            ProviderSubscription.objects.filter(billable_entity=entity),
            "provider_subscription_id",
            "provider_customer_id",
            "last_event_id",
        ),
        failed=_rows(
            BillingEvent.objects.exclude(status__in=("processed", "ignored")), "event_name", "status", "error_text"
        ),
    )


def _assignments(entity: BillableEntity) -> tuple[Any, ...]:
    rows = PlanAssignment.objects.filter(billable_entity=entity, status__in=("current", "upcoming"))
    return _rows(
        rows,
        "status",
        "plan__code",
        "source",
        "subscription_status",
        "period_start_at",
        "period_end_at",
        "trial_end_at",
        "past_due_since_at",
    )


def _grants(entity: BillableEntity, now: datetime) -> tuple[Any, ...]:
    """Grants that are not over, with what was taken of them and whether they are frozen."""
    found = []
    for grant in Grant.objects.filter(subject=entity).select_related("definition"):
        if grant.endings.exists() or (grant.expires_at is not None and grant.expires_at <= now):
            continue
        said = list(GrantAdjustment.objects.filter(grant=grant))
        kinds = [each.kind for each in said]
        found.append(
            (
                grant.definition.code,
                str(grant.amount),
                grant.kind,
                str(grant.effective_at),
                str(grant.expires_at),
                sum(each.amount for each in said),
                kinds.count(AdjustmentKind.FREEZE) > kinds.count(AdjustmentKind.RELEASE),
            )
        )
    return tuple(sorted(found))


def _rows(rows: Any, *columns: str) -> tuple[Any, ...]:
    return tuple(sorted(tuple(str(value) for value in row) for row in rows.values_list(*columns)))
