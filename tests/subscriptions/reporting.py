"""Subscriptions of a provider as tests tell them: reports, invoices, and what is the case at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.engine.types import LIFETIME_END
from billing.entitlements.limitations import resolve_effective_limitations
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, Grant, Plan, PlanAssignment, Purchase
from billing.models.assignments import AssignmentStatus
from billing.models.purchases import PurchaseKind
from billing.payments.connectors.facts import ReportedStatus, SubscriptionReported, Whose
from billing.subscriptions.renewals import period_paid
from billing.subscriptions.reports import Applied, apply_report
from mozaiks.kit.db import run_in_transaction
from tests.factories import PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory

DAY = timedelta(days=1)
#: Periods of a monthly subscription that began on the last of January.
P1, P2, P3, P4 = (datetime(2026, month, day, 12, tzinfo=UTC) for month, day in ((1, 31), (2, 28), (3, 31), (4, 30)))


def sold_plan(code: str, *, amount: int = 900, grants: dict[Any, int] | None = None, **columns: Any) -> Plan:
    """A plan that the provider sells monthly, at the price ``price_<code>``; ``grants`` units while it is current."""
    plan: Plan = PlanFactory(
        code=code,
        **{
            "checkout_provider": "stripe",
            "checkout_provider_price_id": f"price_{code}",
            "checkout_interval": "month",
            "checkout_currency": "EUR",
            "checkout_unit_amount_minor": amount,
            **columns,
        },
    )
    for definition, units in (grants or {}).items():
        PlanTemplateFactory(plan=plan, definition=definition, amount=units)
    return plan


def credits_of(plan: Plan, units: int = 100) -> Any:
    """Credits the plan grants for each paid period."""
    definition = CreditsFactory()
    PlanTemplateFactory(
        plan=plan,
        definition=definition,
        amount=units,
        effective_policy="on_period_paid",
        duration_policy="period_window",
    )
    return definition


def reported(plan: Plan | str, start: datetime = P1, end: datetime = P2, **said: Any) -> SubscriptionReported:
    """The subscription is active on ``plan`` for the period; whatever else is ``said``."""
    price = plan if isinstance(plan, str) else f"price_{plan.code}"
    known = SubscriptionReported(
        whose=Whose(customer_id="cus_1", subscription_id="sub_1"),
        status=ReportedStatus.ACTIVE,
        provider_status="active",
        price_id=price,
        period_start_at=start,
        period_end_at=end,
        anchor_at=P1,
    )
    return replace(known, **said)


def of(subscription_id: str) -> dict[str, Any]:
    return {"whose": Whose(customer_id="cus_1", subscription_id=subscription_id)}


def report(
    entity: BillableEntity,
    fact: SubscriptionReported,
    *,
    now: datetime,
    said_at: datetime | None = None,
    event_id: str = "",
) -> Applied:
    """Apply a report as the inbox does."""
    said_at = said_at or now
    event_id = event_id or f"evt_{said_at:%Y%m%dT%H%M%S}"
    return perform(
        lambda: apply_report(
            fact, provider="stripe", entity_id=entity.pk, event_id=event_id, event_created_at=said_at, now=now
        ),
        now=now,
    )


def pay(
    entity: BillableEntity, plan: Plan | None, start: datetime, end: datetime, *, now: datetime, **columns: Any
) -> Purchase:
    """An invoice of the subscription was paid."""

    def work() -> Purchase:
        subscription_id = columns.pop("subscription_id", "sub_1")
        key = f"invoice:stripe:{subscription_id}:{start:%Y%m%dT%H%M%S}"
        said = {
            "billable_entity": entity,
            "provider": "stripe",
            "purchase_kind": PurchaseKind.SUBSCRIPTION_INVOICE,
            "amount_minor": 900,
            "currency": "EUR",
            "plan": plan,
            "provider_subscription_id": subscription_id,
            "period_start_at": start,
            "period_end_at": end,
            "purchased_at": start,
            "created_at": now,
            "updated_at": now,
        }
        purchase, _ = Purchase.objects.get_or_create(dedupe_key=key, defaults=said | columns)
        period_paid(provider="stripe", subscription_id=subscription_id, entity_id=entity.pk, now=now)
        return purchase

    return perform(lambda: run_in_transaction(work), now=now)


def open_assignments(entity: BillableEntity) -> dict[str, tuple[Any, ...]]:
    """What is current and what is upcoming, by what they say."""
    rows = PlanAssignment.objects.for_entity(entity.pk).filter(
        status__in=[AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING]
    )
    return {
        row.status: (
            row.plan.code,
            row.source,
            row.subscription_status,
            row.period_start_at,
            row.period_end_at,
            row.next_billing_at,
            row.trial_end_at,
            row.past_due_since_at,
            row.billing_anchor_at,
        )
        for row in rows
    }


def live_grants(entity: BillableEntity, now: datetime) -> list[tuple[Any, ...]]:
    """Grants in force or to come, by what they say."""
    rows = Grant.objects.for_subject(entity.pk).active_at(now)
    return sorted(
        (row.definition_id, row.amount, row.kind, row.effective_at, row.expires_at or LIFETIME_END, row.template_id)
        for row in rows
    )


def limits(entity: BillableEntity, now: datetime) -> list[tuple[Any, ...]]:
    """The numbers people see."""
    found = resolve_effective_limitations(entity, now=now).limitations
    return [(limit.code, limit.granted_amount, limit.consumed_amount, limit.effective_amount) for limit in found]


def on(entity: BillableEntity) -> tuple[str, str | None]:
    """The codes of the plans somebody is on, and will be."""
    rows = open_assignments(entity)
    return (
        rows["current"][0] if "current" in rows else "",
        rows["upcoming"][0] if "upcoming" in rows else None,
    )
