"""What the tests of the console start from: a row of every table, each about a customer of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import (
    Allocation,
    AssignmentProviderDetail,
    Balance,
    BillableEntity,
    BillingCustomer,
    BillingEvent,
    CatalogRevision,
    CheckoutSession,
    Consumption,
    Decision,
    Definition,
    Grant,
    GrantAdjustment,
    GrantEnding,
    Hold,
    HoldEvent,
    OpenLot,
    Operation,
    PaymentMethod,
    Plan,
    PlanAssignment,
    PlanTemplate,
    Product,
    ProductTemplate,
    ProviderSubscription,
    Purchase,
    PurchaseAdjustment,
    RequestIdempotency,
    ResourceSnapshot,
    Rollout,
    UsageDay,
    UsageMark,
    UsageTotal,
    WorkerHeartbeat,
)
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken, Membership, User, Workspace
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    DefinitionFactory,
    MembershipFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
    UserFactory,
    WorkspaceFactory,
)
from tests.house.rows import insert

LATER = NOON + timedelta(days=30)

#: What happened, and what is projected from it: looked at and never touched.
LEDGERS: tuple[type[models.Model], ...] = (
    Allocation,
    AssignmentProviderDetail,
    Balance,
    BillableEntity,
    BillingCustomer,
    BillingEvent,
    CatalogRevision,
    CheckoutSession,
    Consumption,
    Decision,
    Grant,
    GrantAdjustment,
    GrantEnding,
    Hold,
    HoldEvent,
    OpenLot,
    Operation,
    PlanAssignment,
    PlanTemplate,
    ProductTemplate,
    ProviderSubscription,
    Purchase,
    PurchaseAdjustment,
    RequestIdempotency,
    ResourceSnapshot,
    Rollout,
    WorkerHeartbeat,
    UsageDay,
    UsageMark,
    UsageTotal,
    Membership,
)


def customer() -> BillableEntity:
    return BillableEntityFactory(owner_user=UserFactory())


def grant(**said: Any) -> Grant:
    row = {
        "definition": DefinitionFactory(),
        "amount": 10,
        "kind": "manual_adjustment",
        "replenish": "once",
        "effective_at": NOON,
        "source_type": "manual_console",
        "fingerprint": "test",
        "created_at": NOON,
    }
    subject = said.pop("subject", None) or customer()
    return Grant.objects.create(subject=subject, dedupe_key=f"g1:test:{Grant.objects.count()}", **row | said)


def consumption() -> Consumption:
    paid = grant()
    return Consumption.objects.create(
        subject=paid.subject,
        definition=paid.definition,
        grant=paid,
        amount=2,
        occurred_at=NOON,
        window_start_at=NOON,
        reason_code="test",
        dedupe_key=f"c1:test:{Consumption.objects.count()}",
        fingerprint="test",
        created_at=NOON,
    )


def hold() -> Hold:
    return Hold.objects.create(
        subject=customer(),
        definition=DefinitionFactory(),
        window_start_at=NOON,
        amount=5,
        expires_at=LATER,
        dedupe_key=f"h1:test:{Hold.objects.count()}",
        fingerprint="test",
        created_at=NOON,
        updated_at=NOON,
    )


def worker() -> WorkerHeartbeat:
    name = f"host:{WorkerHeartbeat.objects.count()}"
    return WorkerHeartbeat.objects.create(name=name, started_at=NOON, last_tick_at=NOON)


def assignment() -> PlanAssignment:
    return PlanAssignment.objects.create(
        billable_entity=customer(),
        plan=PlanFactory(),
        source="manual",
        status="current",
        period_start_at=NOON,
        anchor_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def event() -> BillingEvent:
    return BillingEvent.objects.create(
        event_type="operator",
        event_name="grant.created",
        billable_entity=customer(),
        actor="operator",
        reason="Asked for it.",
        status="processed",
        received_at=NOON,
        occurred_at=NOON,
    )


def purchase() -> Purchase:
    return Purchase.objects.create(
        billable_entity=customer(),
        provider="mock",
        purchase_kind="one_off",
        amount_minor=500,
        currency="EUR",
        product=ProductFactory(),
        billing_event=event(),
        dedupe_key=f"p1:test:{Purchase.objects.count()}",
        purchased_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def balance() -> Balance:
    return Balance.objects.create(
        subject=customer(),
        definition=DefinitionFactory(),
        window_start_at=NOON,
        window_end_at=LATER,
        last_event_at=NOON,
        last_recomputed_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def ending() -> GrantEnding:
    ended = grant()
    return GrantEnding.objects.create(
        subject=ended.subject,
        grant=ended,
        ended_at=NOON,
        reason="canceled",
        source_type="manual_console",
        source_id="operator",
        dedupe_key=f"e1:test:{ended.pk}",
        created_at=NOON,
    )


def adjustment() -> GrantAdjustment:
    adjusted = grant()
    return GrantAdjustment.objects.create(
        subject=adjusted.subject,
        definition=adjusted.definition,
        grant=adjusted,
        kind="take",
        amount=3,
        reason="refunded",
        source_type="billing_purchase",
        source_id="1",
        occurred_at=NOON,
        dedupe_key=f"a1:test:{adjusted.pk}",
        created_at=NOON,
    )


def allocation() -> Allocation:
    used = consumption()
    return Allocation.objects.create(
        kind="share",
        consumption=used,
        subject=used.subject,
        definition=used.definition,
        window_start_at=NOON,
        grant=grant(subject=used.subject),
        amount=2,
        occurred_at=NOON,
        created_at=NOON,
    )


def open_lot() -> OpenLot:
    given = grant()
    return OpenLot.objects.create(
        grant=given,
        window_start_at=NOON,
        subject=given.subject,
        definition=given.definition,
        granted=10,
        remaining=4,
        burn_class=0,
        effective_at=NOON,
        expires_sort=LATER,
    )


def hold_event() -> HoldEvent:
    held = hold()
    return HoldEvent.objects.create(
        hold=held, subject=held.subject, kind="opened", amount=5, expires_at=LATER, occurred_at=NOON, created_at=NOON
    )


def decision() -> Decision:
    return Decision.objects.create(
        subject=customer(),
        definition=DefinitionFactory(),
        capability="test",
        code="BILLING_LIMIT_EXCEEDED",
        reason="exhausted",
        requested=1,
        limit=0,
        used=0,
        occurred_at=NOON,
    )


def purchase_adjustment() -> PurchaseAdjustment:
    return PurchaseAdjustment.objects.create(
        purchase=purchase(),
        action="refund",
        status="succeeded",
        amount_minor=-500,
        currency="EUR",
        created_at=NOON,
        updated_at=NOON,
    )


def snapshot() -> ResourceSnapshot:
    return ResourceSnapshot.objects.create(
        subject=customer(), resource_code="seats", resource_count=3, snapshot_at=NOON, source="repair_recount"
    )


def revision() -> CatalogRevision:
    return CatalogRevision.objects.create(
        kind="plan", code="gold", number=CatalogRevision.objects.count() + 1, action="changed", created_at=NOON
    )


def rollout() -> Rollout:
    return Rollout.objects.create(plan=PlanFactory(), revision=1, created_at=NOON, updated_at=NOON)


def usage_day() -> UsageDay:
    return UsageDay.objects.create(subject=customer(), definition=DefinitionFactory(), day=NOON.date(), used=3)


def usage_total() -> UsageTotal:
    return UsageTotal.objects.create(definition=DefinitionFactory(), day=NOON.date(), used=3)


def usage_mark() -> UsageMark:
    return UsageMark.objects.create(seen_at=NOON, updated_at=NOON)


MAKERS: dict[type[models.Model], Callable[[], Any]] = {
    Allocation: allocation,
    ApiToken: lambda: tokens.issue(UserFactory(), name="test", now=NOON)[0],
    AssignmentProviderDetail: lambda: AssignmentProviderDetail.objects.create(assignment=assignment(), provider="mock"),
    Balance: balance,
    BillableEntity: customer,
    BillingCustomer: lambda: insert(BillingCustomer),
    BillingEvent: event,
    CatalogRevision: revision,
    CheckoutSession: lambda: insert(CheckoutSession),
    Consumption: consumption,
    Decision: decision,
    Definition: DefinitionFactory,
    Grant: grant,
    GrantAdjustment: adjustment,
    GrantEnding: ending,
    Group: lambda: Group.objects.create(name=f"group {Group.objects.count()}"),
    Hold: hold,
    HoldEvent: hold_event,
    Membership: MembershipFactory,
    OpenLot: open_lot,
    Operation: lambda: Operation.objects.create(
        subject=customer(), key="test", fingerprint="test", capability="test", created_at=NOON
    ),
    PaymentMethod: lambda: insert(PaymentMethod),
    Plan: lambda: PlanTemplateFactory().plan,
    PlanAssignment: assignment,
    PlanTemplate: PlanTemplateFactory,
    Product: lambda: ProductTemplateFactory().product,
    ProductTemplate: ProductTemplateFactory,
    ProviderSubscription: lambda: insert(ProviderSubscription),
    Purchase: purchase,
    PurchaseAdjustment: purchase_adjustment,
    RequestIdempotency: lambda: insert(RequestIdempotency),
    ResourceSnapshot: snapshot,
    Rollout: rollout,
    UsageDay: usage_day,
    UsageMark: usage_mark,
    UsageTotal: usage_total,
    User: UserFactory,
    WorkerHeartbeat: worker,
    Workspace: WorkspaceFactory,
}


def tables() -> Iterator[type[models.Model]]:
    """Every table the console itself shows; guests prove theirs themselves."""
    for model in admin.site._registry:
        if model._meta.app_label in {"billing", "workspaces", "auth"}:
            yield model


def named(model: type[models.Model]) -> str:
    return model._meta.label_lower


def address(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*permissions: str, username: str = "dora") -> User:
    """Somebody who may enter the console, with these permissions (``billing.view_plan``)."""
    user: User = UserFactory(username=username, is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
