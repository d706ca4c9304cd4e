"""Who may do what at the doors of annuity, for the table of all doors."""

from __future__ import annotations

from annuity.tests.support import allow
from tests.api.routes import Places, Row
from tests.api.world import World

QUESTION = {
    "mode": "fv",
    "timing": "ordinary",
    "payment": 100,
    "annualRate": 10,
    "years": 3,
    "paymentsPerYear": 1,
    "isPerpetual": False,
}


def _calculations(world: World) -> Places:
    allow(world.acme, 5)
    return {}


ROWS = [
    Row(
        method="POST",
        route="api/annuityCalculator",
        statuses="401 404 403 200 200 404 401",
        body=QUESTION,
        prepare=_calculations,
    ),
    Row(method="GET", route="api/workspace/annuity/history", statuses="401 404 200 200 200 404 401"),
]
