"""Every door of every guest asks the gate: none may be forgotten, and billing's own stay open."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from billing.entitlements.core import WORKSPACE_ACCESS
from billing.models import Definition
from tests import NOON
from tests.api.routes import CORE, Row, rows
from tests.api.world import World
from tests.factories import GrantFactory

OF_GUESTS = [row for row in rows() if row not in CORE]
OPEN = ("billing/limitations", "billing/plan-state")


@pytest.fixture
def expired(world: World) -> World:
    """The world with a workspace whose access ended yesterday."""
    access = Definition.objects.get(code=WORKSPACE_ACCESS)
    began, ended = NOON - timedelta(days=30), NOON - timedelta(days=1)
    GrantFactory(
        subject=world.entity, definition=access, amount=1, effective_at=began, expires_at=ended, recorded_at=began
    )
    return world


def ask(world: World, row: Row) -> Any:
    places = row.prepare(world)
    url = "/" + re.sub(r"<\w+:(\w+)>", lambda place: str(places.get(place[1], "nothing")), row.route)
    body = "" if row.body is None else json.dumps(row.body)
    return world.in_acme("admin").generic(row.method, url, body, "application/json")


@pytest.mark.parametrize("row", OF_GUESTS, ids=str)
def test_writes_are_refused_and_looking_is_not(expired: World, row: Row) -> None:
    response = ask(expired, row)

    if row.method == "GET":
        assert response.status_code == 200, response.content[:300]
    else:
        assert (response.status_code, response.json()["code"]) == (402, "WORKSPACE_EXPIRED")


@pytest.mark.parametrize("row", OF_GUESTS, ids=str)
def test_where_the_settings_lock_nothing_answers(expired: World, settings: Any, row: Row) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"

    response = ask(expired, row)

    assert (response.status_code, response.json()["code"]) == (402, "WORKSPACE_EXPIRED")
    assert response.json()["details"]["expiredAt"] == "2026-02-20T12:00:00.000Z"


@pytest.mark.parametrize("path", OPEN)
def test_billing_stays_open(expired: World, settings: Any, path: str) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"

    assert expired.in_acme("viewer").get(f"/api/{path}").status_code == 200
