"""The row annuity counts by comes with the guest, once, and for good."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError

from annuity.limits import CALCULATIONS_MONTHLY
from annuity.tests.support import definition
from billing.models import Definition

migration = import_module("annuity.migrations.0002_definition")
EXPECTED = {
    "entitlement_type": "metered_quota",
    "unit": "calculation",
    "window_interval": "month",
    "window_anchor": "calendar_utc",
    "aggregation_mode": "sum",
    "enforcement_mode": "hard_deny",
    "lock_state_name": None,
    "is_active": True,
}


@pytest.mark.django_db
def test_the_definition_is_inserted_where_it_is_missing() -> None:
    Definition.objects.filter(code=CALCULATIONS_MONTHLY).delete()

    migration.insert_definition(apps, connection.schema_editor())

    row = Definition.objects.get(code=CALCULATIONS_MONTHLY)
    assert {name: getattr(row, name) for name in EXPECTED} == EXPECTED


@pytest.mark.django_db
def test_a_definition_an_operator_has_is_left_alone() -> None:
    definition()
    Definition.objects.filter(code=CALCULATIONS_MONTHLY).update(name="Our own words")

    migration.insert_definition(apps, connection.schema_editor())

    assert Definition.objects.get(code=CALCULATIONS_MONTHLY).name == "Our own words"


def test_the_way_back_is_refused_with_a_sentence() -> None:
    last = migration.Migration.operations[-1]

    with pytest.raises(IrreversibleError, match=r"one way: .*annuity\.calculations\.monthly"):
        last.reverse_code(apps, None)
