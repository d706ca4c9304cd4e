"""Who may do what at the door of gadgets."""

from __future__ import annotations

from tests.api.routes import Places, Row
from tests.api.world import World
from tests.factories import GrantFactory


def _room(world: World) -> Places:
    GrantFactory(subject=world.entity)
    return {"verb": "press"}


ROWS = [
    Row(
        method="POST",
        route="api/gadgets/<str:verb>",
        statuses="401 404 403 201 201 404 401",
        body={"amount": 1},
        prepare=_room,
    )
]
