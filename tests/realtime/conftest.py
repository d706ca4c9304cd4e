"""Two workspaces and who is in them; the hub of each test's loop ends with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from realtime import hub
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory
from tests.realtime.talking import HOME, signed_in


@dataclass(frozen=True, kw_only=True)
class Town:
    """Alice owns Acme, where Bob may look; Dana owns Globex. With the cookies of their sessions."""

    acme: Workspace
    globex: Workspace
    alice: User
    bob: User
    dana: User
    of_alice: str
    of_bob: str
    of_dana: str


@pytest.fixture
def town(transactional_db: None) -> Town:
    acme, globex = WorkspaceFactory(slug="acme"), WorkspaceFactory(slug="globex")
    alice, bob, dana = (UserFactory(username=name) for name in ("alice", "bob", "dana"))
    MembershipFactory(workspace=acme, user=alice, role=Role.OWNER)
    MembershipFactory(workspace=acme, user=bob, role=Role.VIEWER)
    MembershipFactory(workspace=globex, user=dana, role=Role.OWNER)
    cookies: list[str] = [signed_in(user) for user in (alice, bob, dana)]
    return Town(
        acme=acme,
        globex=globex,
        alice=alice,
        bob=bob,
        dana=dana,
        of_alice=cookies[0],
        of_bob=cookies[1],
        of_dana=cookies[2],
    )


@pytest_asyncio.fixture(autouse=True)
async def _doors_close() -> AsyncIterator[None]:
    yield
    await hub.close_doors()


@pytest.fixture(autouse=True)
def _home(settings: Any) -> None:
    settings.REALTIME_ALLOWED_ORIGINS = [HOME]
