"""Every door against everybody, from the URL configuration: a new route without a row fails here."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.api.routes import CALLERS, Row, doors, rows
from tests.api.world import INTERNAL_KEY, World

ROWS = rows()


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    known = [(row.method, row.route) for row in ROWS]

    assert sorted(doors()) == sorted(known)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_everybody_gets_what_is_theirs(world: World, settings: Any, row: Row, caller: str) -> None:
    settings.INTERNAL_API_KEY = [INTERNAL_KEY]
    places = row.prepare(world)
    url = "/" + re.sub(r"<\w+:(\w+)>", lambda place: str(places.get(place[1], "nothing")), row.route)

    body = "" if row.body is None else json.dumps(row.body)
    response = client_of(world, caller).generic(row.method, url, body, "application/json", headers=dict(row.headers))

    assert response.status_code == row.expected(caller), response.content[:300]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_internal_key_opens_nothing_that_is_not_public(world: World, settings: Any, row: Row) -> None:
    settings.INTERNAL_API_KEY = [INTERNAL_KEY]
    places = row.prepare(world)
    url = "/" + re.sub(r"<\w+:(\w+)>", lambda place: str(places.get(place[1], "nothing")), row.route)

    response = APIClient(headers={"X-Internal-API-Key": "wrong", "x-workspace-slug": "acme"}).generic(row.method, url)

    assert response.status_code in {row.expected("anonymous"), 403}


def client_of(world: World, caller: str) -> APIClient:
    if caller == "internal":
        return world.in_acme("nobody", **{"X-Internal-API-Key": INTERNAL_KEY})
    return world.in_acme(caller)
