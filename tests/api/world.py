"""Who the tests of the doors are about: one workspace with every role, somebody else's workspace, and an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework.test import APIClient

from billing.models import BillableEntity
from billing.models.entities import EntityType
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.factories import BillableEntityFactory, MembershipFactory, UserFactory, WorkspaceFactory

PEOPLE = ("owner", "admin", "member", "viewer", "stranger", "operator")
INTERNAL_KEY = "an-internal-key-of-some-length"


@dataclass(frozen=True, kw_only=True)
class World:
    """Ids are fixed, so that golden files may show them."""

    acme: Workspace
    entity: BillableEntity
    globex: Workspace
    foreign_entity: BillableEntity
    people: dict[str, User]

    def client(self, who: str, **headers: str) -> APIClient:
        """A REST client that acts as ``who`` (None of the people: anonymous), by token."""
        return client_of(self.people[who], **headers) if who in self.people else APIClient(headers=headers)

    def in_acme(self, who: str, **headers: str) -> APIClient:
        """The same, with the workspace in the header."""
        return self.client(who, **{"x-workspace-slug": self.acme.slug, **headers})


def make_world() -> World:
    acme = WorkspaceFactory(pk=10, name="Acme", slug="acme")
    globex = WorkspaceFactory(pk=11, name="Globex", slug="globex")
    people: dict[str, Any] = {
        name: UserFactory(pk=number, username=name) for number, name in enumerate(PEOPLE, start=1)
    }
    for role in Role:
        MembershipFactory(workspace=acme, user=people[role.value], role=role)
    MembershipFactory(workspace=globex, user=people["stranger"], role=Role.OWNER)
    people["operator"].is_staff = people["operator"].is_superuser = True
    people["operator"].save()
    return World(
        acme=acme,
        entity=BillableEntityFactory(pk=7, workspace=acme, owner_user=people["owner"]),
        globex=globex,
        foreign_entity=BillableEntityFactory(pk=8, workspace=globex),
        people=people,
    )


def own_entity(user: User, **fields: Any) -> BillableEntity:
    """The billable entity of a user."""
    made: BillableEntity = BillableEntityFactory(entity_type=EntityType.USER, workspace=None, owner_user=user, **fields)
    return made


def client_of(user: User, **headers: str) -> APIClient:
    """A REST client with a token of ``user``; it checks CSRF as any other would have to pass it."""
    _, secret = tokens.issue(user, name="tests", now=NOON)
    return APIClient(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}", **headers})
