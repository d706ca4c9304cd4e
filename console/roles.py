"""The roles of the console: groups of permissions, by name. What somebody may do is theirs by group, never by being staff."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from mozaiks.kit.db import run_in_transaction


class ConsoleRole(StrEnum):
    """Who works in the console."""

    SUPPORT = "support"
    BILLING_OPERATOR = "billing-operator"
    CATALOG_EDITOR = "catalog-editor"


#: What each role may do beside looking at every table.
MORE: Mapping[ConsoleRole, tuple[str, ...]] = {
    ConsoleRole.SUPPORT: (),
    ConsoleRole.BILLING_OPERATOR: (
        "grant_entitlements",
        "correct_balances",
        "set_plan",
        "adjust_purchases",
        "replay_events",
    ),
    ConsoleRole.CATALOG_EDITOR: (
        "add_plan",
        "change_plan",
        "add_product",
        "change_product",
        "add_definition",
        "change_definition",
        "delete_definition",
        "roll_out_plan",
    ),
}


def create_roles() -> dict[ConsoleRole, int]:
    """Make the groups, or give them exactly these permissions again; who is in them stays. Permissions by role."""
    return run_in_transaction(lambda: {role: _create(role) for role in ConsoleRole})


def _create(role: ConsoleRole) -> int:
    group, _ = Group.objects.get_or_create(name=role.value)
    permissions = list(permissions_of(role))
    group.permissions.set(permissions)
    return len(permissions)


def permissions_of(role: ConsoleRole) -> QuerySet[Permission]:
    """To see every table the console shows, the guests' too; and what the role does."""
    seen = Q()
    for model in admin.site._registry:
        options = model._meta
        seen |= Q(content_type__app_label=options.app_label, codename=f"view_{options.model_name}")
    return Permission.objects.filter(seen | Q(content_type__app_label="billing", codename__in=MORE[role]))
