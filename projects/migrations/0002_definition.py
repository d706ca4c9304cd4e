"""The definition projects are counted by: inserted where it is missing, left alone where an operator has it already."""

from typing import Any

from django.db import migrations

from mozaiks.kit.clock import now
from mozaiks.kit.migrations import one_way

CODE = "projects.max"
DEFINITION = {
    "name": "Projects",
    "description": "Projects of a workspace that are not archived.",
    "entitlement_type": "capacity",
    "unit": "project",
    "window_interval": None,
    "window_anchor": None,
    "aggregation_mode": "sum",
    "enforcement_mode": "hard_lock_resource",
    "lock_state_name": "projects_locked_over_cap",
}


def insert_definition(apps: Any, schema_editor: Any) -> None:
    at = now()
    definitions = apps.get_model("billing", "Definition").objects.using(schema_editor.connection.alias)
    if not definitions.filter(code=CODE).exists():
        definitions.create(code=CODE, created_at=at, updated_at=at, **DEFINITION)


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0001_projects"),
        ("billing", "0001_schema"),
    ]

    operations = [
        one_way(
            f"grants and balances may point to the definition {CODE}; deactivate it instead.",
            forwards=insert_definition,
        ),
    ]
