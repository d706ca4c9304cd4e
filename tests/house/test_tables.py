"""The tables as the database has them: names, columns, precision, and every key and index under its fixed name."""

from __future__ import annotations

import pytest
from django.db import models

from tests.house import schema
from tests.house.schema import Index

pytestmark = pytest.mark.django_db

LONGEST_NAME = 64
PREFIXES = ("billing_", "billable_", "workspaces_", "projects_", "annuity_")
SUBJECT = "subject_type subject_id"
COUNTED = f"{SUBJECT} entitlement_definition_id"

#: The tables and columns the specification names. More columns may be there; fewer, or others' names, may not.
TABLES = {
    "billing_entitlement_definitions": """
        code name description entitlement_type unit window_interval window_anchor aggregation_mode enforcement_mode
        lock_state_name scope_type alert_thresholds overage_unit_minor overage_units is_active metadata_json created_at
        updated_at""",
    "billing_entitlement_grants": f"""
        {COUNTED} amount kind replenish enforcement_override effective_at expires_at source_type source_id template_id
        operation_key provider provider_event_id dedupe_key fingerprint metadata_json created_at""",
    "billing_entitlement_grant_endings": f"{SUBJECT} grant_id ended_at reason source_type source_id dedupe_key",
    "billing_entitlement_grant_adjustments": f"""
        {COUNTED} grant_id kind amount reason source_type source_id occurred_at dedupe_key""",
    "billing_entitlement_consumptions": f"""
        {COUNTED} amount overage_amount grant_id reverses_id advisory occurred_at window_start_at reason_code
        operation_key usage_event_key provider_event_id request_id dedupe_key fingerprint metadata_json created_at""",
    "billing_entitlement_allocations": f"""
        kind consumption_id {COUNTED} window_start_at grant_id amount occurred_at created_at""",
    "billing_entitlement_balances": f"""
        {COUNTED} window_start_at window_end_at granted_amount consumed_amount held_amount effective_amount
        hard_limit_amount is_unlimited overage_amount over_limit lock_state next_change_at last_event_at closed_at
        last_recomputed_at version plan_used bonus_used lease_token lease_until attempts retry_at metadata_json
        created_at updated_at""",
    "billing_entitlement_open_lots": f"""
        grant_id window_start_at {COUNTED} granted remaining pool burn_class effective_at expires_sort""",
    "billing_entitlement_holds": f"""
        {COUNTED} window_start_at amount captured_amount status expires_at dedupe_key fingerprint""",
    "billing_entitlement_hold_events": f"hold_id {SUBJECT} kind amount",
    "billing_resource_snapshots": f"{SUBJECT} resource_code resource_count snapshot_at source",
    "billing_operations": f"{SUBJECT} key fingerprint capability status_code result created_at",
    "billing_decisions": f"{COUNTED} capability code reason requested limit used advisory request_id occurred_at",
    "billing_plans": """
        code name description applies_to checkout_provider checkout_provider_price_id checkout_provider_product_id
        checkout_interval checkout_interval_count checkout_currency checkout_unit_amount_minor plugins plugin_tiers
        grants_nothing is_active is_default trial_days metadata_json created_at updated_at""",
    "billing_products": """
        code name description product_kind provider provider_price_id provider_product_id currency unit_amount_minor
        price_interval is_active metadata_json""",
    "billing_plan_entitlement_templates": """
        plan_id entitlement_definition_id amount grant_kind effective_policy duration_policy duration_days
        metadata_json""",
    "billing_product_entitlement_templates": """
        billing_product_id entitlement_definition_id amount grant_kind duration_days metadata_json""",
    "billable_entities": "entity_type entity_ref workspace_id owner_user_id status",
    "billing_plan_assignments": """
        billable_entity_id plan_id source period_start_at period_end_at status subscription_status billing_cycle
        next_billing_at trial_end_at past_due_since_at anchor_at plugin_tiers metadata_json""",
    "billing_plan_assignment_provider_details": """
        assignment_id provider provider_subscription_id provider_customer_id provider_status current_period_end trial_end
        canceled_at cancel_at_period_end ended_at last_provider_event_created_at last_provider_event_id""",
    "billing_purchases": """
        billable_entity_id provider purchase_kind status amount_minor currency quantity product_id plan_id operation_key
        provider_customer_id provider_checkout_session_id provider_payment_id provider_invoice_id provider_price_id
        billing_event_id display_name dedupe_key purchased_at""",
    "billing_purchase_adjustments": """
        purchase_id action status amount_minor currency reason provider_reference requested_by
        request_idempotency_key""",
    "billing_events": """
        event_type event_name billable_entity_id provider provider_event_id operation_key status provider_created_at
        received_at processing_started_at processed_at last_failed_at attempt_count payload_json error_text
        occurred_at""",
}
#: The tables of section 2 of the entitlement specification: nothing in them has a name that a tool made up.
ENTITLEMENTS = sorted(
    table
    for table in TABLES
    if table.startswith(("billing_entitlement_", "billing_resource_", "billing_operations", "billing_decisions"))
)
#: The indexes the specification asks for, by their columns. "subject" is two columns.
INDEXES = {
    "billing_entitlement_definitions": ["+code", "entitlement_type is_active"],
    "billing_entitlement_grants": [
        "+dedupe_key",
        f"{COUNTED} effective_at",
        f"{SUBJECT} expires_at",
        "source_type source_id",
    ],
    "billing_entitlement_grant_endings": ["+grant_id"],
    "billing_entitlement_grant_adjustments": ["+dedupe_key"],
    "billing_entitlement_consumptions": ["+dedupe_key", f"{COUNTED} occurred_at amount"],
    "billing_entitlement_balances": [f"+{COUNTED} window_start_at window_end_at", "next_change_at"],
    "billing_entitlement_open_lots": [f"{COUNTED} expires_sort burn_class effective_at grant_id"],
    "billing_resource_snapshots": [f"+{SUBJECT} resource_code"],
    "billing_operations": [f"+{SUBJECT} key"],
    "billing_plans": ["+code"],
    "billing_products": ["+provider provider_price_id"],
    "billing_plan_entitlement_templates": ["+plan_id entitlement_definition_id grant_kind"],
    "billing_product_entitlement_templates": ["+billing_product_id entitlement_definition_id grant_kind"],
    "billable_entities": ["+workspace_id", "+entity_type entity_ref"],
    "billing_purchases": [
        "+dedupe_key",
        "+provider provider_payment_id",
        "+provider provider_invoice_id",
        "+provider provider_checkout_session_id",
    ],
    "billing_purchase_adjustments": ["+request_idempotency_key"],
    "billing_events": ["+provider provider_event_id"],
}
#: Lengths in characters, by the name of the column.
LENGTHS = {
    "dedupe_key": 191,
    "operation_key": 191,
    "usage_event_key": 191,
    "provider_event_id": 191,
    "request_id": 128,
    "provider": 32,
    "reason_code": 120,
    "capability": 120,
    "lock_state_name": 64,
}
UNITS = {
    "amount",
    "overage_amount",
    "granted_amount",
    "consumed_amount",
    "held_amount",
    "effective_amount",
    "hard_limit_amount",
    "plan_used",
    "plan_granted",
    "bonus_used",
    "bonus_granted",
    "head_remaining",
    "granted",
    "remaining",
    "captured_amount",
    "requested",
    "limit",
    "used",
    "resource_count",
    "version",
    "overage_unit_minor",
    "overage_units",
    "amount_minor",
    "unit_amount_minor",
    "checkout_unit_amount_minor",
}


def fields() -> list[tuple[type[models.Model], models.Field]]:
    return [(model, field) for model in schema.our_models() for field in model._meta.local_concrete_fields]


def column_of(model: type[models.Model], name: str) -> str:
    return next(str(field.column) for field in model._meta.local_concrete_fields if field.name == name)


def declared(model: type[models.Model]) -> dict[str, Index]:
    """Indexes and unique constraints as the model declares them."""
    found = {}
    for each in [*model._meta.indexes, *model._meta.constraints]:
        if isinstance(each, models.CheckConstraint):
            continue
        of = tuple(column_of(model, name) for name in each.fields)
        found[str(each.name)] = Index(columns=of, unique=isinstance(each, models.UniqueConstraint))
    return found


@pytest.mark.parametrize("table", TABLES)
def test_the_named_tables_have_the_named_columns(table: str) -> None:
    assert table in schema.tables()
    assert set(TABLES[table].split()) - schema.columns(table).keys() == set()


def test_there_is_no_table_of_ours_without_a_model() -> None:
    known = {model._meta.db_table for model in schema.our_models()}

    # Guests that left leave their tables: they are not ours any more.
    assert {table for table in schema.tables() if table.startswith(PREFIXES)} == known


def test_no_name_is_longer_than_mysql_allows() -> None:
    """Tables between two others are Django's own: it shortens what it names itself as each server needs it."""
    names = {model._meta.db_table for model in schema.our_models() if not model._meta.auto_created}
    for table in list(names):
        names |= schema.columns(table).keys() | schema.indexes(table).keys()
        names |= schema.checks(table) | schema.foreign_keys(table)

    assert {name for name in names if len(name) > LONGEST_NAME} == set()
    assert len(names) > 300, "the search would miss what is there"


def test_every_declared_index_and_constraint_is_there_under_its_name() -> None:
    for model in schema.our_models():
        table = model._meta.db_table
        checks = {each.name for each in model._meta.constraints if isinstance(each, models.CheckConstraint)}

        assert declared(model).items() - schema.indexes(table).items() == set(), table
        assert checks - schema.checks(table) == set(), table


@pytest.mark.parametrize("table", ENTITLEMENTS)
def test_nothing_in_the_entitlement_tables_has_a_name_nobody_chose(table: str) -> None:
    (model,) = [model for model in schema.our_models() if model._meta.db_table == table]
    checks = {each.name for each in model._meta.constraints if isinstance(each, models.CheckConstraint)}

    assert schema.indexes(table) == declared(model)
    assert schema.checks(table) == checks
    assert schema.foreign_keys(table) == set()


@pytest.mark.parametrize("table", INDEXES)
def test_the_named_indexes_are_there(table: str) -> None:
    found = {("+" if index.unique else "") + " ".join(index.columns) for index in schema.indexes(table).values()}

    assert set(INDEXES[table]) - found == set()


def test_every_instant_has_at_least_milliseconds() -> None:
    wanted = "datetime(6)" if schema.on_mysql() else "datetime"
    instants = [(model, field) for model, field in fields() if isinstance(field, models.DateTimeField)]

    for model, field in instants:
        assert schema.columns(model._meta.db_table)[str(field.column)].type == wanted, field
    assert len(instants) > 50


def test_amounts_are_signed_64_bit_integers() -> None:
    found = {
        f"{model._meta.db_table}.{field.column}": schema.columns(model._meta.db_table)[field.column].type
        for model, field in fields()
        if field.column in UNITS
    }

    assert set(found.values()) == {"bigint"}, found
    assert len(found) > 30


def test_keys_and_codes_have_the_lengths_that_doors_promise() -> None:
    wrong = {
        f"{model._meta.db_table}.{field.column}": kind
        for model, field in fields()
        if field.column in LENGTHS
        and (kind := schema.columns(model._meta.db_table)[field.column].type) != f"varchar({LENGTHS[field.column]})"
    }

    assert wrong == {}


@pytest.mark.server
def test_all_text_compares_by_its_bytes() -> None:
    loose = {
        f"{model._meta.db_table}.{name}": column.collation
        for model in schema.our_models()
        for name, column in schema.columns(model._meta.db_table).items()
        if column.collation not in (None, "utf8mb4_bin")
    }

    assert loose == {}
