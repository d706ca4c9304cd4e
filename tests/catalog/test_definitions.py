"""Definitions are published by rule, and keep their meaning once something was recorded under them."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError

from billing.catalog.definitions import known_definitions, publish_definition
from billing.catalog.problems import CatalogInvalid
from billing.models import Consumption, Definition, Grant, Hold
from tests import NOON
from tests.factories import BillableEntityFactory, DefinitionFactory, PlanTemplateFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
QUOTA: dict[str, Any] = {
    "code": "calls.monthly",
    "name": "Calls",
    "entitlement_type": "metered_quota",
    "unit": "call",
    "window_interval": "month",
    "window_anchor": "calendar_utc",
}


def problems(given: dict[str, Any]) -> set[str]:
    with pytest.raises(CatalogInvalid) as refused:
        publish_definition(given, now=LATER)
    return set(refused.value.field_errors)


def record_grant(definition: Definition) -> None:
    Grant.objects.create(
        subject=BillableEntityFactory(),
        definition=definition,
        amount=1,
        kind="promo",
        replenish="once",
        effective_at=NOON,
        source_type="manual_console",
        dedupe_key="a grant",
        fingerprint="",
        created_at=NOON,
    )


def record_use(definition: Definition) -> None:
    Consumption.objects.create(
        subject=BillableEntityFactory(),
        definition=definition,
        amount=1,
        occurred_at=NOON,
        window_start_at=NOON,
        reason_code="use",
        dedupe_key="a use",
        fingerprint="",
        created_at=NOON,
    )


def record_hold(definition: Definition) -> None:
    Hold.objects.create(
        subject=BillableEntityFactory(),
        definition=definition,
        amount=1,
        window_start_at=NOON,
        expires_at=LATER,
        dedupe_key="a hold",
        fingerprint="",
        created_at=NOON,
        updated_at=NOON,
    )


def test_a_definition_is_created_with_sensible_defaults() -> None:
    definition = publish_definition(QUOTA, now=NOON)

    definition.refresh_from_db()
    assert (definition.aggregation_mode, definition.enforcement_mode) == ("sum", "hard_deny")
    assert (definition.created_at, definition.updated_at) == (NOON, NOON)


def test_a_state_counts_any_yes_unless_told_otherwise() -> None:
    definition = publish_definition(
        {"code": "feature.x", "name": "X", "entitlement_type": "state", "unit": "flag"}, now=NOON
    )

    assert definition.aggregation_mode == "boolean_any_true"


def test_what_a_new_definition_lacks_is_named_at_once() -> None:
    assert problems({}) == {"code", "name", "entitlement_type", "unit"}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"window_interval": None}, {"window_interval"}),
        ({"window_anchor": None}, {"window_anchor"}),
        ({"entitlement_type": "balance"}, {"window_interval", "window_anchor"}),
        ({"aggregation_mode": "max"}, {"aggregation_mode"}),
        ({"entitlement_type": "quota"}, {"entitlement_type"}),
        ({"enforcement_mode": "deny"}, {"enforcement_mode"}),
        ({"code": "calls monthly"}, {"code"}),
        ({"alert_thresholds": [80, 0]}, {"alert_thresholds"}),
        ({"alert_thresholds": [80, 80]}, {"alert_thresholds"}),
        ({"alert_thresholds": 80}, {"alert_thresholds"}),
        ({"overage_unit_minor": 5}, {"overage_units"}),
        ({"overage_units": 1000}, {"overage_units"}),
        ({"overage_units": 0, "overage_unit_minor": -1}, {"overage_units", "overage_unit_minor"}),
        ({"lock_state_name": "locked state"}, {"lock_state_name"}),
        ({"colour": "red"}, {"colour"}),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], wrong: set[str]) -> None:
    assert problems({**QUOTA, **changes}) == wrong
    assert not Definition.objects.filter(code=QUOTA["code"]).exists()


def test_the_meaning_may_change_while_nothing_was_recorded() -> None:
    DefinitionFactory(code="calls.monthly")

    definition = publish_definition({"code": "calls.monthly", "window_interval": "week"}, now=LATER)

    assert definition.window_interval == "week"


@pytest.mark.parametrize("record", [record_grant, record_use, record_hold])
def test_the_meaning_cannot_change_once_something_was_recorded(record: Any) -> None:
    definition = DefinitionFactory(code="calls.monthly")
    record(definition)
    changes = {
        "entitlement_type": "capacity",
        "window_interval": None,
        "window_anchor": None,
        "aggregation_mode": "max",
    }

    assert problems({"code": "calls.monthly", **changes}) == set(changes)
    assert problems({"code": "calls.monthly", "window_anchor": "rolling"}) == {"window_anchor"}
    definition.refresh_from_db()
    assert definition.entitlement_type == "metered_quota"


def test_the_rest_may_change_whatever_was_recorded() -> None:
    definition = DefinitionFactory(code="calls.monthly")
    record_grant(definition)

    publish_definition(
        {"code": "calls.monthly", "window_interval": "month", "enforcement_mode": "soft_warn", "is_active": False},
        now=LATER,
    )

    definition.refresh_from_db()
    assert (definition.enforcement_mode, definition.is_active) == ("soft_warn", False)


def test_the_type_cannot_change_under_the_feet_of_a_plan() -> None:
    PlanTemplateFactory(definition__code="calls.monthly")
    given = {"code": "calls.monthly", "entitlement_type": "balance", "window_interval": None, "window_anchor": None}

    assert problems(given) == {"entitlement_type"}


def test_every_publication_moves_the_time_of_change_on() -> None:
    first = publish_definition(QUOTA, now=NOON)
    second = publish_definition(QUOTA, now=NOON)
    third = publish_definition({"code": QUOTA["code"], "name": "Calls!"}, now=NOON - timedelta(days=1))

    assert first.updated_at < second.updated_at < third.updated_at


def test_authors_see_inactive_definitions_as_such() -> None:
    Definition.objects.all().delete()
    DefinitionFactory(code="a.max", is_active=False)

    assert {code: info.is_active for code, info in known_definitions().items()} == {"a.max": False}


def migration() -> Any:
    return import_module("billing.migrations.0002_core_definitions")


def test_the_core_comes_with_its_definitions() -> None:
    found = Definition.objects.in_bulk(
        ["workspace.access", "ai.tokens.daily", "ai.tokens.weekly", "ai.tokens.monthly", "ai.tokens.lifetime"],
        field_name="code",
    )

    assert len(found) == 5
    access = found["workspace.access"]
    assert (access.entitlement_type, access.unit, access.aggregation_mode, access.enforcement_mode) == (
        "state",
        "workspace_state",
        "boolean_any_true",
        "hard_deny",
    )
    assert access.lock_state_name == "workspace_expired"
    assert {code: row.window_interval for code, row in found.items()} == {
        "workspace.access": None,
        "ai.tokens.daily": "day",
        "ai.tokens.weekly": "week",
        "ai.tokens.monthly": "month",
        "ai.tokens.lifetime": None,
    }
    assert found["ai.tokens.lifetime"].entitlement_type == "balance"


def test_the_core_leaves_a_definition_that_is_there_as_it_is() -> None:
    Definition.objects.filter(code__in=["ai.tokens.daily", "ai.tokens.weekly"]).delete()
    DefinitionFactory(code="ai.tokens.daily", name="Ours")

    migration().insert_missing(apps, SimpleNamespace(connection=connection))

    assert Definition.objects.get(code="ai.tokens.daily").name == "Ours"
    assert Definition.objects.filter(code="ai.tokens.weekly").exists()


def test_the_definitions_of_the_core_cannot_be_taken_back() -> None:
    [operation] = migration().Migration.operations

    with pytest.raises(IrreversibleError, match="one way"):
        operation.reverse_code(apps, None)
