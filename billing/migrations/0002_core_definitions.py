"""The definitions of the core itself: access to a workspace, and tokens of AI runtimes."""

from collections.abc import Iterator
from typing import Any

from django.db import migrations

from mozaiks.kit import clock
from mozaiks.kit.migrations import one_way

WORKSPACE_ACCESS: dict[str, Any] = {
    "code": "workspace.access",
    "name": "Workspace access",
    "description": "Whether a workspace may be used. Without it, writes are refused until it is granted again.",
    "entitlement_type": "state",
    "unit": "workspace_state",
    "aggregation_mode": "boolean_any_true",
    "lock_state_name": "workspace_expired",
    "scope_type": "workspace",
}
TOKEN_WINDOWS = {"daily": "day", "weekly": "week", "monthly": "month"}
TOKENS: dict[str, Any] = {"unit": "token", "aggregation_mode": "sum", "alert_thresholds": [80, 100]}


def core_definitions() -> Iterator[dict[str, Any]]:
    yield WORKSPACE_ACCESS
    for word, interval in TOKEN_WINDOWS.items():
        yield TOKENS | {
            "code": f"ai.tokens.{word}",
            "name": f"AI tokens, {word}",
            "description": f"Tokens AI runtimes may use in a calendar {interval} (UTC).",
            "entitlement_type": "metered_quota",
            "window_interval": interval,
            "window_anchor": "calendar_utc",
        }
    yield TOKENS | {
        "code": "ai.tokens.lifetime",
        "name": "AI tokens, lifetime",
        "description": "Tokens AI runtimes may use until they are gone.",
        "entitlement_type": "balance",
    }


def insert_missing(apps: Any, schema_editor: Any) -> None:
    """A definition that is there already, whoever made it, stays as it is."""
    definitions = apps.get_model("billing", "Definition").objects.using(schema_editor.connection.alias)
    now = clock.now()
    for values in core_definitions():
        if not definitions.filter(code=values["code"]).exists():
            definitions.create(enforcement_mode="hard_deny", created_at=now, updated_at=now, **values)


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_schema")]

    operations = [
        one_way("grants and uses are recorded under the core's definitions.", forwards=insert_missing),
    ]
