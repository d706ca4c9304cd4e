"""Rows the database itself refuses: one wrong row for every CHECK, and second ones where there may be one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction

from billing.models import (
    Allocation,
    Balance,
    BillableEntity,
    BillingEvent,
    CatalogRevision,
    CheckoutSession,
    Consumption,
    Definition,
    Grant,
    GrantAdjustment,
    GrantEnding,
    Hold,
    HoldEvent,
    Operation,
    PaymentMethod,
    Plan,
    PlanAssignment,
    PlanTemplate,
    Product,
    ProductTemplate,
    Purchase,
    PurchaseAdjustment,
    RequestIdempotency,
    ResourceSnapshot,
    Rollout,
)
from mozaiks.workspaces.models import ApiToken, Membership
from tests import NOON
from tests.factories import BillableEntityFactory, PlanFactory, UserFactory, WorkspaceFactory
from tests.house import schema
from tests.house.rows import ROWS, insert

pytestmark = pytest.mark.django_db

#: Apps whose CHECKs are proven here; guests prove their own.
CORE = {"workspaces", "billing"}


@dataclass(frozen=True)
class Wrong:
    """A row that breaks one rule of its table, and the name of the rule."""

    model: type[Any]
    rule: str
    changed: dict[str, Any]


NO_WINDOW = {"window_interval": None, "window_anchor": None}
WRONG = [
    Wrong(Definition, "billing_definitions_window_iff_metered", {"window_interval": None}),
    Wrong(Definition, "billing_definitions_window_iff_metered", {"window_anchor": None}),
    Wrong(Definition, "billing_definitions_window_iff_metered", NO_WINDOW),
    Wrong(Definition, "billing_definitions_window_iff_metered", {"entitlement_type": "balance"}),
    Wrong(Definition, "billing_definitions_window_iff_metered", {"entitlement_type": "capacity"}),
    Wrong(
        Definition,
        "billing_definitions_window_iff_metered",
        {"entitlement_type": "state", "aggregation_mode": "max", "window_anchor": None},
    ),
    Wrong(Definition, "billing_definitions_aggregation_fits", {"aggregation_mode": "max"}),
    Wrong(Definition, "billing_definitions_aggregation_fits", {"aggregation_mode": "boolean_any_true"}),
    Wrong(
        Definition,
        "billing_definitions_aggregation_fits",
        {"entitlement_type": "balance", "aggregation_mode": "max", **NO_WINDOW},
    ),
    Wrong(
        Definition,
        "billing_definitions_aggregation_fits",
        {"entitlement_type": "state", "aggregation_mode": "sum", **NO_WINDOW},
    ),
    Wrong(
        Definition,
        "billing_definitions_aggregation_fits",
        {"entitlement_type": "capacity", "aggregation_mode": "boolean_any_true", **NO_WINDOW},
    ),
    Wrong(Definition, "billing_definitions_type_valid", {"entitlement_type": "mood", **NO_WINDOW}),
    Wrong(Definition, "billing_definitions_mode_valid", {"enforcement_mode": "perhaps"}),
    Wrong(Definition, "billing_definitions_interval_valid", {"window_interval": "hour"}),
    Wrong(Definition, "billing_definitions_anchor_valid", {"window_anchor": "whenever"}),
    Wrong(Grant, "billing_grants_period_valid", {"expires_at": NOON}),
    Wrong(Grant, "billing_grants_period_valid", {"expires_at": NOON - timedelta(milliseconds=1)}),
    Wrong(Grant, "billing_grants_amount_positive", {"amount": 0}),
    Wrong(Grant, "billing_grants_amount_positive", {"amount": -1}),
    Wrong(Grant, "billing_grants_kind_valid", {"kind": "gift"}),
    Wrong(Grant, "billing_grants_replenish_valid", {"replenish": "always"}),
    Wrong(Grant, "billing_grants_source_valid", {"source_type": "thin_air"}),
    Wrong(GrantEnding, "billing_grant_endings_reason_valid", {"reason": "bored"}),
    Wrong(GrantAdjustment, "billing_grant_adjustments_kind_valid", {"kind": "give"}),
    Wrong(GrantAdjustment, "billing_grant_adjustments_amount_fits", {"amount": -1}),
    Wrong(GrantAdjustment, "billing_grant_adjustments_amount_fits", {"kind": "freeze", "amount": 1}),
    Wrong(Consumption, "billing_consumptions_sign_fits", {"amount": 0}),
    Wrong(Consumption, "billing_consumptions_sign_fits", {"amount": -3}),
    Wrong(Consumption, "billing_consumptions_sign_fits", {"amount": 3, "reverses_id": 1}),
    Wrong(Consumption, "billing_consumptions_sign_fits", {"overage_amount": -1}),
    Wrong(Consumption, "billing_consumptions_sign_fits", {"amount": -3, "reverses_id": 1, "overage_amount": 1}),
    Wrong(Allocation, "billing_allocations_kind_fits", {"consumption_id": None}),
    Wrong(Allocation, "billing_allocations_kind_fits", {"kind": "overage_settlement"}),
    Wrong(Allocation, "billing_allocations_kind_valid", {"kind": "present"}),
    Wrong(Balance, "billing_balances_held_not_negative", {"held_amount": -1}),
    Wrong(Balance, "billing_balances_overage_not_negative", {"overage_amount": -1}),
    Wrong(Balance, "billing_balances_window_valid", {"window_end_at": NOON}),
    Wrong(Hold, "billing_holds_amount_positive", {"amount": 0}),
    Wrong(Hold, "billing_holds_captured_not_negative", {"captured_amount": -1}),
    Wrong(Hold, "billing_holds_status_valid", {"status": "lost"}),
    Wrong(HoldEvent, "billing_hold_events_kind_valid", {"kind": "dreamt"}),
    Wrong(ResourceSnapshot, "billing_resource_snapshots_count_valid", {"resource_count": -1}),
    Wrong(ResourceSnapshot, "billing_resource_snapshots_source_valid", {"source": "hearsay"}),
    Wrong(Plan, "billing_plans_applies_to_valid", {"applies_to": "planet"}),
    Wrong(Plan, "billing_plans_interval_valid", {"checkout_interval": "decade"}),
    Wrong(Plan, "billing_plans_amount_not_negative", {"checkout_unit_amount_minor": -1}),
    Wrong(Plan, "billing_plans_interval_count_valid", {"checkout_interval_count": 0}),
    Wrong(Product, "billing_products_kind_valid", {"product_kind": "boat"}),
    Wrong(Product, "billing_products_amount_not_negative", {"unit_amount_minor": -1}),
    Wrong(PlanTemplate, "billing_plan_templates_amount_positive", {"amount": 0}),
    Wrong(PlanTemplate, "billing_plan_templates_kind_valid", {"grant_kind": "topup"}),
    Wrong(PlanTemplate, "billing_plan_templates_effective_valid", {"effective_policy": "on_full_moon"}),
    Wrong(PlanTemplate, "billing_plan_templates_duration_valid", {"duration_policy": "forever"}),
    Wrong(PlanTemplate, "billing_plan_templates_days_iff_fixed", {"duration_days": 10}),
    Wrong(PlanTemplate, "billing_plan_templates_days_iff_fixed", {"duration_policy": "fixed_duration"}),
    Wrong(
        PlanTemplate, "billing_plan_templates_days_iff_fixed", {"duration_policy": "fixed_duration", "duration_days": 0}
    ),
    Wrong(ProductTemplate, "billing_product_templates_amount_positive", {"amount": -5}),
    Wrong(ProductTemplate, "billing_product_templates_kind_valid", {"grant_kind": "plan_base"}),
    Wrong(ProductTemplate, "billing_product_templates_days_iff_timeboxed", {"duration_days": 10}),
    Wrong(ProductTemplate, "billing_product_templates_days_iff_timeboxed", {"grant_kind": "timeboxed_addon"}),
    Wrong(
        ProductTemplate,
        "billing_product_templates_days_iff_timeboxed",
        {"grant_kind": "timeboxed_addon", "duration_days": 0},
    ),
    Wrong(BillableEntity, "billable_entities_type_valid", {"entity_type": "ghost"}),
    Wrong(BillableEntity, "billable_entities_status_valid", {"status": "asleep"}),
    Wrong(BillableEntity, "billable_entities_identity", {"entity_ref": None}),
    Wrong(BillableEntity, "billable_entities_identity", {"entity_type": "workspace"}),
    Wrong(BillableEntity, "billable_entities_identity", {"entity_type": "user"}),
    Wrong(PlanAssignment, "billing_assignments_period_valid", {"period_end_at": NOON - timedelta(milliseconds=1)}),
    Wrong(PlanAssignment, "billing_assignments_status_valid", {"status": "maybe"}),
    Wrong(PlanAssignment, "billing_assignments_subscription_valid", {"subscription_status": "fine"}),
    Wrong(PlanAssignment, "billing_assignments_source_valid", {"source": "rumour"}),
    Wrong(Purchase, "billing_purchases_kind_valid", {"purchase_kind": "barter"}),
    Wrong(Purchase, "billing_purchases_status_valid", {"status": "hoped"}),
    Wrong(Purchase, "billing_purchases_quantity_positive", {"quantity": 0}),
    Wrong(PurchaseAdjustment, "billing_purchase_adjustments_action_valid", {"action": "apology"}),
    Wrong(PurchaseAdjustment, "billing_purchase_adjustments_status_valid", {"status": "pending"}),
    Wrong(PaymentMethod, "billing_payment_methods_status_valid", {"status": "melted"}),
    Wrong(CheckoutSession, "billing_checkout_sessions_status_valid", {"status": "dreamt"}),
    Wrong(CheckoutSession, "billing_checkout_sessions_purpose_valid", {"purpose": "fun"}),
    Wrong(CheckoutSession, "billing_checkout_sessions_quantity", {"quantity": 0}),
    Wrong(RequestIdempotency, "billing_request_idempotency_status_valid", {"status": "lost"}),
    Wrong(BillingEvent, "billing_events_type_valid", {"event_type": "party"}),
    Wrong(BillingEvent, "billing_events_status_valid", {"status": "lost"}),
    Wrong(CatalogRevision, "billing_catalog_revisions_kind_valid", {"kind": "poem"}),
    Wrong(CatalogRevision, "billing_catalog_revisions_action_valid", {"action": "burnt"}),
    Wrong(Rollout, "billing_catalog_rollouts_status_valid", {"status": "stuck"}),
    Wrong(Membership, "workspaces_membership_role_known", {"role": "king"}),
    Wrong(ApiToken, "workspaces_api_token_expires_later", {"expires_at": NOON}),
]
#: What breaks the first breaks the second as well, and the second is looked at first.
IMPLIED_BY = {"billing_allocations_kind_valid": "billing_allocations_kind_fits"}
RIGHT = [
    (Definition, {"entitlement_type": "balance", **NO_WINDOW}),
    (Definition, {"entitlement_type": "state", "aggregation_mode": "boolean_any_true", **NO_WINDOW}),
    (Definition, {"entitlement_type": "state", "aggregation_mode": "max", **NO_WINDOW}),
    (Definition, {"entitlement_type": "capacity", "aggregation_mode": "max", **NO_WINDOW}),
    (Grant, {"amount": None, "expires_at": NOON + timedelta(milliseconds=1)}),
    (Grant, {"amount": 2**63 - 1}),
    (GrantAdjustment, {"kind": "release", "amount": 0}),
    (Consumption, {"amount": -3, "reverses_id": 1, "overage_amount": -3}),
    (Allocation, {"kind": "overage_settlement", "consumption_id": None, "amount": -3}),
    (PlanTemplate, {"amount": None, "duration_policy": "fixed_duration", "duration_days": 1}),
    (ProductTemplate, {"amount": None, "grant_kind": "timeboxed_addon", "duration_days": 1}),
]


def refuse(model: type[Any], **changed: Any) -> IntegrityError:
    """What the database says to such a row."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        insert(model, **changed)
    return refused.value


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.rule}-{'-'.join(map(str, wrong.changed.values()))}")
def test_a_wrong_row_is_refused_by_the_rule_it_breaks(wrong: Wrong) -> None:
    refused = refuse(wrong.model, **wrong.changed)

    assert IMPLIED_BY.get(wrong.rule, wrong.rule) in str(refused)


def test_every_rule_of_the_core_has_a_wrong_row() -> None:
    rules = {
        str(each.name)
        for model in schema.our_models()
        if model._meta.app_label in CORE
        for each in model._meta.constraints
        if isinstance(each, models.CheckConstraint)
    }

    assert rules == {wrong.rule for wrong in WRONG}


@pytest.mark.parametrize("model", [*ROWS, *sorted({wrong.model for wrong in WRONG} - ROWS.keys(), key=str)])
def test_the_row_they_were_made_from_is_accepted(model: type[Any]) -> None:
    insert(model)


@pytest.mark.parametrize(("model", "changed"), RIGHT)
def test_the_edge_of_a_rule_is_accepted(model: type[Any], changed: dict[str, Any]) -> None:
    insert(model, **changed)


KEYED = [
    (Definition, "code"),
    (Grant, "dedupe_key"),
    (GrantAdjustment, "dedupe_key"),
    (Consumption, "dedupe_key"),
    (Hold, "dedupe_key"),
    (Operation, "key"),
    (Plan, "code"),
    (Product, "code"),
    (Purchase, "dedupe_key"),
]


@pytest.mark.parametrize(("model", "key"), KEYED)
def test_keys_compare_by_their_bytes(model: type[Any], key: str) -> None:
    for text in ("abc", "ABC", "àbc"):
        insert(model, **{key: text})

    refuse(model, **{key: "abc"})
    assert model.objects.filter(**{key: "ABC"}).count() == 1


def test_the_same_key_of_two_subjects_is_two_keys() -> None:
    insert(Operation, key="abc", subject_id=1)
    insert(Operation, key="abc", subject_id=2)

    refuse(Operation, key="abc", subject_id=1)


def test_milliseconds_are_kept() -> None:
    odd = NOON + timedelta(milliseconds=123)

    grant = insert(Grant, effective_at=odd, expires_at=odd + timedelta(milliseconds=1))

    grant.refresh_from_db()
    assert grant.effective_at == odd
    assert grant.expires_at - grant.effective_at == timedelta(milliseconds=1)


def test_a_grant_ends_once() -> None:
    insert(GrantEnding, grant_id=7)

    refuse(GrantEnding, grant_id=7, ended_at=NOON + timedelta(days=1))


def test_a_window_has_one_balance() -> None:
    insert(Balance)

    refuse(Balance)


def test_one_plan_at_most_is_the_default() -> None:
    first = PlanFactory(is_default=True)
    PlanFactory.create_batch(2, is_default=False)

    refuse(Plan, is_default=True)

    Plan.objects.filter(pk=first.pk).update(is_default=False)
    insert(Plan, is_default=True)


def test_a_plan_has_one_rollout_that_is_not_over() -> None:
    plan = PlanFactory()
    for status in ("done", "dropped", "done", "looking"):
        insert(Rollout, plan=plan, status=status)

    for status in ("looking", "ready", "applying"):
        refuse(Rollout, plan=plan, status=status)
    insert(Rollout, status="applying")


@pytest.mark.parametrize("status", ["current", "upcoming"])
def test_an_entity_has_one_assignment_of_this_status(status: str) -> None:
    entity = BillableEntityFactory()
    first = insert(PlanAssignment, billable_entity=entity, status=status)
    insert(PlanAssignment, status=status)

    refuse(PlanAssignment, billable_entity=entity, status=status)

    PlanAssignment.objects.filter(pk=first.pk).update(status="past")
    insert(PlanAssignment, billable_entity=entity, status=status)


def test_an_entity_has_any_number_of_past_assignments() -> None:
    entity = BillableEntityFactory()

    for status in ("past", "past", "canceled", "canceled", "current", "upcoming"):
        insert(PlanAssignment, billable_entity=entity, status=status)

    assert entity.assignments.count() == 6


def test_a_workspace_has_one_entity() -> None:
    workspace = WorkspaceFactory()
    insert(BillableEntity, entity_type="workspace", entity_ref=None, workspace=workspace)

    refuse(BillableEntity, entity_type="workspace", entity_ref=None, workspace=workspace)


def test_a_user_has_one_entity_of_their_own_and_owns_any_number_of_workspaces() -> None:
    alice = UserFactory()
    insert(BillableEntity, entity_type="user", entity_ref=None, owner_user=alice)
    for _ in range(2):
        BillableEntityFactory(owner_user=alice)

    refuse(BillableEntity, entity_type="user", entity_ref=None, owner_user=alice)


def test_a_reference_from_outside_has_one_entity() -> None:
    insert(BillableEntity, entity_ref="app:7")
    insert(BillableEntity, entity_ref="app:7", entity_type="organization")

    refuse(BillableEntity, entity_ref="app:7")
