"""What the tests of annuity start from: people, a workspace, and some calculations a month."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from uuid import uuid4

from rest_framework.test import APIClient

from annuity.limits import CALCULATIONS_MONTHLY
from annuity.models import AnnuityCalculation
from billing import limits
from billing.models import Balance, Consumption, Definition, Grant
from mozaiks.workspaces.creation import create_user, create_workspace
from mozaiks.workspaces.members import add_member
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON

LONG_AGO = NOON.replace(year=2020)


def person(name: str) -> User:
    return create_user(username=name, email=f"{name}@example.org", password=None, now=LONG_AGO)


def workspace(slug: str, *, owner: User | None = None) -> Workspace:
    return create_workspace(name=slug.title(), slug=slug, owner=owner or person(f"owner-of-{slug}"), now=LONG_AGO)


def member(of: Workspace, name: str, role: Role) -> User:
    user = person(name)
    add_member(of, user, role=role, now=LONG_AGO)
    return user


def allow(of: Workspace, amount: int | None) -> None:
    """``amount`` calculations (None: any number), used in whatever month."""
    Grant.objects.create(
        subject=limits.entity_for_workspace(of.pk),
        definition=definition(),
        amount=amount,
        kind="manual_adjustment",
        replenish="once",
        effective_at=LONG_AGO,
        source_type="manual_console",
        dedupe_key=f"test:{uuid4()}",
        fingerprint="test",
        created_at=LONG_AGO,
    )


def definition() -> Definition:
    """The guest's definition, brought back where a test before this one emptied the tables."""
    migration = import_module("annuity.migrations.0002_definition")
    return Definition.objects.get_or_create(
        code=CALCULATIONS_MONTHLY, defaults={**migration.DEFINITION, "created_at": LONG_AGO, "updated_at": LONG_AGO}
    )[0]


def calculation(of: Workspace, **fields: Any) -> AnnuityCalculation:
    """A row of the history that is simply there."""
    inputs = {
        "mode": "fv",
        "timing": "ordinary",
        "payment": "100.000000",
        "annual_rate": "10.000000",
        "annual_growth_rate": "0.000000",
        "years": "3.0000",
        "payments_per_year": 1,
        "is_perpetual": False,
    }
    result = {
        "periodic_rate": "0.100000000000",
        "periodic_growth_rate": "0.000000000000",
        "total_periods": "3.0000",
        "value": "331.000000000000",
        "warnings": [],
        "assumptions": [],
    }
    given = {"created_at": NOON, "inputs": inputs, "result": result, **fields}
    return AnnuityCalculation.objects.create(workspace=of, **given)


def client(user: User, of: Workspace) -> APIClient:
    """A signed-in client that names the workspace in its header."""
    api = APIClient(headers={"x-workspace-slug": of.slug})
    api.force_login(user)
    return api


def used(of: Workspace) -> int:
    """What the balances say was used."""
    entity = limits.entity_for_workspace(of.pk)
    rows = Balance.objects.filter(subject=entity, definition__code=CALCULATIONS_MONTHLY)
    return sum(row.consumed_amount for row in rows)


def debits(of: Workspace) -> list[int]:
    """What the ledger says was used."""
    entity = limits.entity_for_workspace(of.pk)
    return list(Consumption.objects.filter(subject=entity).values_list("amount", flat=True))
