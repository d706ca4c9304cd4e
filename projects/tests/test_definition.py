"""The row projects are counted by comes with the guest, once, and for good."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError

from billing.models import Definition
from projects.limits import PROJECTS_MAX
from projects.tests.support import definition

migration = import_module("projects.migrations.0002_definition")
EXPECTED = {
    "entitlement_type": "capacity",
    "unit": "project",
    "window_interval": None,
    "window_anchor": None,
    "aggregation_mode": "sum",
    "enforcement_mode": "hard_lock_resource",
    "lock_state_name": "projects_locked_over_cap",
    "is_active": True,
}


@pytest.mark.django_db
def test_the_definition_is_inserted_where_it_is_missing() -> None:
    Definition.objects.filter(code=PROJECTS_MAX).delete()

    migration.insert_definition(apps, connection.schema_editor())

    row = Definition.objects.get(code=PROJECTS_MAX)
    assert {name: getattr(row, name) for name in EXPECTED} == EXPECTED


@pytest.mark.django_db
def test_a_definition_an_operator_has_is_left_alone() -> None:
    definition()
    Definition.objects.filter(code=PROJECTS_MAX).update(name="Our own words")

    migration.insert_definition(apps, connection.schema_editor())

    assert Definition.objects.get(code=PROJECTS_MAX).name == "Our own words"


def test_the_way_back_is_refused_with_a_sentence() -> None:
    last = migration.Migration.operations[-1]

    with pytest.raises(IrreversibleError, match=r"one way: .*projects\.max"):
        last.reverse_code(apps, None)
