"""What the tests of projects start from: people, a workspace, and room for some projects."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from uuid import uuid4

from rest_framework.test import APIClient

from billing import limits
from billing.models import Balance, Definition, Grant
from mozaiks.workspaces.creation import create_user, create_workspace
from mozaiks.workspaces.members import add_member
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from projects.limits import PROJECTS_MAX
from projects.models import Project, Status
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


def allow(of: Workspace, amount: int | None, *, until: datetime | None = None) -> None:
    """Room for ``amount`` projects (None: any number), until an instant or for good."""
    Grant.objects.create(
        subject=limits.entity_for_workspace(of.pk),
        definition=definition(),
        amount=amount,
        kind="manual_adjustment",
        replenish="once",
        effective_at=LONG_AGO,
        expires_at=until,
        source_type="manual_console",
        dedupe_key=f"test:{uuid4()}",
        fingerprint="test",
        created_at=LONG_AGO,
    )


def definition() -> Definition:
    """The guest's definition, brought back where a test before this one emptied the tables."""
    migration = import_module("projects.migrations.0002_definition")
    return Definition.objects.get_or_create(
        code=PROJECTS_MAX, defaults={**migration.DEFINITION, "created_at": LONG_AGO, "updated_at": LONG_AGO}
    )[0]


def project(of: Workspace, name: str = "Apollo", *, status: Status = Status.ACTIVE) -> Project:
    """A project that is simply there, past all limits."""
    return Project.objects.create(workspace=of, name=name, status=status, created_at=LONG_AGO, updated_at=LONG_AGO)


def client(user: User, of: Workspace) -> APIClient:
    """A signed-in client that names the workspace in its header."""
    api = APIClient(headers={"x-workspace-slug": of.slug})
    api.force_login(user)
    return api


def names(of: Workspace) -> list[str]:
    return sorted(Project.objects.in_workspace(of.pk).values_list("name", flat=True))


def used(of: Workspace) -> int:
    """What the balance says is used, without counting again."""
    entity = limits.entity_for_workspace(of.pk)
    return Balance.objects.get(subject=entity, definition__code=PROJECTS_MAX).consumed_amount
