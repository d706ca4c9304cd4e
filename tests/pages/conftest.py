"""It is noon, and a workspace has members."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client

from billing.models import BillableEntity
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.factories import BillableEntityFactory, MembershipFactory
from tests.pages.reader import Reader


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def acme(db: None) -> BillableEntity:
    """A workspace's entity."""
    entity: BillableEntity = BillableEntityFactory(workspace__name="Acme", workspace__slug="acme")
    return entity


def reader_of(acme: BillableEntity, role: Role) -> Reader:
    membership = MembershipFactory(workspace=acme.workspace, role=role)
    client = Client()
    client.force_login(membership.user)
    return Reader(client)


@pytest.fixture
def owner(acme: BillableEntity) -> Reader:
    """Who may buy."""
    return reader_of(acme, Role.OWNER)


@pytest.fixture
def viewer(acme: BillableEntity) -> Reader:
    """Who may only look."""
    return reader_of(acme, Role.VIEWER)
