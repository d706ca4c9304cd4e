"""The definition annuity counts by: inserted where it is missing, left alone where an operator has it already."""

from typing import Any

from django.db import migrations

from mozaiks.kit.clock import now
from mozaiks.kit.migrations import one_way

CODE = "annuity.calculations.monthly"
DEFINITION = {
    "name": "Annuity calculations a month",
    "description": "Successful annuity calculations in a calendar month (UTC).",
    "entitlement_type": "metered_quota",
    "unit": "calculation",
    "window_interval": "month",
    "window_anchor": "calendar_utc",
    "aggregation_mode": "sum",
    "enforcement_mode": "hard_deny",
    "lock_state_name": None,
}


def insert_definition(apps: Any, schema_editor: Any) -> None:
    at = now()
    definitions = apps.get_model("billing", "Definition").objects.using(schema_editor.connection.alias)
    if not definitions.filter(code=CODE).exists():
        definitions.create(code=CODE, created_at=at, updated_at=at, **DEFINITION)


class Migration(migrations.Migration):
    dependencies = [
        ("annuity", "0001_calculations"),
        ("billing", "0001_schema"),
    ]

    operations = [
        one_way(
            f"grants and uses may point to the definition {CODE}; deactivate it instead.", forwards=insert_definition
        ),
    ]
