"""System checks of billing: what a deployment would otherwise find out from a wrong number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError
from django.utils.module_loading import import_string

from billing.entitlements.capabilities import counter_of, limitations_in_use
from billing.entitlements.resolvers import CORE_PREFIXES
from billing.models import Definition
from mozaiks.kit.checks import TAG


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


@register(TAG)
def connector_loads(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """``billing.E001``: ``BILLING_CONNECTOR`` leads nowhere, so that nobody could pay."""
    path = settings.BILLING_CONNECTOR
    if not path:
        return []
    try:
        found = import_string(path)
    except ImportError as error:
        sentence = f"BILLING_CONNECTOR={path!r} cannot be loaded: {error}"
        return [checks.Error(sentence, hint="Give the dotted path of a connector's class.", id="billing.E001")]
    if callable(found):
        return []
    return [checks.Error(f"BILLING_CONNECTOR={path!r} makes no connector: it cannot be called.", id="billing.E001")]


@register(TAG)
def fake_provider_on_desks_only(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """``billing.E002``, ``billing.E003``: whoever asks the provider of the demo could have everything without paying."""
    if not settings.BILLING_FAKE_PROVIDER:
        return []
    found: list[CheckMessage] = []
    if not settings.DEBUG:
        found.append(
            checks.Error("BILLING_FAKE_PROVIDER is on while DEBUG is off: it takes no money.", id="billing.E002")
        )
    if settings.STRIPE_SECRET_KEY:
        sentence = "BILLING_FAKE_PROVIDER and STRIPE_SECRET_KEY are both set: only one of them can take payments."
        found.append(checks.Error(sentence, id="billing.E003"))
    return found
