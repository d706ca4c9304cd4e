"""System checks of billing: what a deployment would otherwise find out from a wrong number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from billing.entitlements.capabilities import counter_of, limitations_in_use
from billing.entitlements.resolvers import CORE_PREFIXES
from billing.models import Definition


@register(Tags.database)
def dormant_definitions(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """``billing.W001``: active definitions nothing here uses; they are left out of the limitations answer."""
    if not databases or "default" not in databases:
        return []
    used = limitations_in_use()
    try:
        active = list(Definition.objects.active().values_list("code", "entitlement_type"))
    except DatabaseError:
        return []  # not migrated yet
    idle = [
        code
        for code, kind in active
        if (counter_of(code) is None if kind == "capacity" else code not in used and not code.startswith(CORE_PREFIXES))
    ]
    return [
        checks.Warning(
            f"The definition “{code}” is dormant: no installed app counts or uses it.",
            hint="Install its app again, or deactivate the definition in the console.",
            id="billing.W001",
        )
        for code in sorted(idle)
    ]
