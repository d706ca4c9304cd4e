"""A retried request at the doors of the guests: the first answer again, and nothing done twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from billing.models import Definition, Operation
from mozaiks.workspaces.models import Membership
from tests.api.goldens import told
from tests.api.world import World
from tests.factories import DefinitionFactory, GrantFactory

REPLAYED = {"Idempotent-Replayed": "true"}


@dataclass(frozen=True, kw_only=True)
class Door:
    """A door that does something, the limit it asks, and two different requests to it."""

    app: str
    url: str
    code: str
    body: dict[str, Any]
    other: dict[str, Any]
    traits: dict[str, Any]
    status: int

    def done(self) -> int:
        """How often it was really done."""
        model = {"projects": "Project", "annuity": "AnnuityCalculation"}[self.app]
        return int(apps.get_model(self.app, model)._default_manager.count())

    def definition(self) -> Definition:
        """The guest's own by its migration, or one like it where the tables were emptied."""
        found = Definition.objects.filter(code=self.code).first()
        made: Definition = found or DefinitionFactory(code=self.code, **self.traits)
        return made


TERMS = {
    "mode": "fv",
    "timing": "due",
    "payment": "100",
    "annualRate": "5",
    "years": 10,
    "paymentsPerYear": 12,
    "isPerpetual": False,
}
DOORS = [
    Door(
        app="projects",
        url="/api/workspace/projects",
        code="projects.max",
        body={"name": "Apollo"},
        other={"name": "Gemini"},
        traits={"capacity": True},
        status=201,
    ),
    Door(
        app="annuity",
        url="/api/annuityCalculator",
        code="annuity.calculations.monthly",
        body=TERMS,
        other={**TERMS, "years": 11},
        traits={},
        status=200,
    ),
]
PRESENT = [door for door in DOORS if apps.is_installed(door.app)]

pytestmark = pytest.mark.parametrize("door", PRESENT, ids=lambda door: door.app)


@pytest.fixture
def client(world: World, door: Door) -> APIClient:
    """A member with room for one."""
    GrantFactory(subject=world.entity, definition=door.definition(), amount=1)
    return world.in_acme("member")


def send(client: APIClient, door: Door, body: Any = None, *, key: str = "k", **headers: str) -> Any:
    return client.post(door.url, body or door.body, headers={"Idempotency-Key": key, **headers})


def test_the_first_answer_comes_again_even_when_nothing_is_left(client: APIClient, door: Door) -> None:
    first = send(client, door)
    again = send(client, door)

    assert (first.status_code, first.headers.get("Idempotent-Replayed")) == (door.status, None)
    assert told(again) == {**told(first), "headers": REPLAYED}
    assert door.done() == 1


def test_a_repeat_may_come_from_a_colleague(client: APIClient, world: World, door: Door) -> None:
    first = send(client, door)

    assert told(send(world.in_acme("admin"), door))["body"] == first.json()
    assert door.done() == 1


def test_the_same_key_with_another_body_is_a_conflict(client: APIClient, door: Door) -> None:
    send(client, door)

    refused = told(send(client, door, door.other))

    assert (refused["status"], refused["body"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert refused["body"]["details"]["key"] == "k"
    assert door.done() == 1


def test_a_refusal_is_not_kept(client: APIClient, world: World, door: Door) -> None:
    send(client, door, key="first")
    refused = send(client, door, door.other)
    GrantFactory(subject=world.entity, definition=door.definition(), amount=1)

    again = send(client, door, door.other)

    assert (refused.status_code in {409, 429}, again.status_code) == (True, door.status)
    assert "Idempotent-Replayed" not in again.headers
    assert door.done() == 2


def test_bad_input_is_not_kept(client: APIClient, door: Door) -> None:
    assert send(client, door, {"name": 5}).status_code == 400
    assert not Operation.objects.exists()

    assert send(client, door).status_code == door.status


def test_a_key_belongs_to_its_workspace(client: APIClient, world: World, door: Door) -> None:
    GrantFactory(subject=world.foreign_entity, definition=door.definition(), amount=1)
    send(client, door)

    elsewhere = send(world.client("stranger"), door, **{"x-workspace-slug": "globex"})

    assert (elsewhere.status_code, elsewhere.headers.get("Idempotent-Replayed")) == (door.status, None)
    assert door.done() == 2


def test_a_repeat_is_only_for_who_may_still_act(client: APIClient, world: World, door: Door) -> None:
    send(client, door)
    Membership.objects.filter(user=world.people["member"]).update(role="viewer")

    assert send(client, door).status_code == 403


def test_one_key_at_two_doors_is_a_conflict(client: APIClient, world: World, door: Door) -> None:
    GrantFactory(subject=world.entity, amount=1)
    other = world.in_acme("member", **{"Idempotency-Key": "k"}).post("/api/gadgets/press", {"amount": 1})
    assert other.status_code == 201

    assert send(client, door).json()["code"] == "IDEMPOTENCY_CONFLICT"
    assert door.done() == 0


def test_without_a_key_every_request_is_its_own(client: APIClient, world: World, door: Door) -> None:
    GrantFactory(subject=world.entity, definition=door.definition(), amount=1)

    statuses = [client.post(door.url, door.body).status_code for _ in range(2)]

    assert statuses == [door.status, door.status]
    assert door.done() == 2
