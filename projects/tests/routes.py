"""Who may do what at the doors of projects, for the table of all doors."""

from __future__ import annotations

from projects.tests.support import allow, project
from tests.api.routes import Places, Row
from tests.api.world import World


def _room_and_a_project(world: World) -> Places:
    allow(world.acme, 5)
    return {"project_id": project(world.acme).pk}


def _row(method: str, route: str, statuses: str, body: object = None) -> Row:
    return Row(method=method, route=f"api/workspace/{route}", statuses=statuses, body=body, prepare=_room_and_a_project)


ROWS = [
    _row("GET", "projects", "401 404 200 200 200 404 401"),
    _row("POST", "projects", "401 404 403 201 201 404 401", {"name": "Gemini"}),
    _row("GET", "projects/<int:project_id>", "401 404 200 200 200 404 401"),
    _row("PATCH", "projects/<int:project_id>", "401 404 403 200 200 404 401", {"status": "archived"}),
    _row("PUT", "projects/<int:project_id>", "401 404 403 200 200 404 401", {"name": "Gemini"}),
    _row("DELETE", "projects/<int:project_id>", "401 404 403 204 204 404 401"),
]
