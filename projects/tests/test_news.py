"""Projects tell of themselves: once for each change that is committed, and never what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from django.db import connection

from billing import limits
from billing.errors import CapacityLocked
from mozaiks.workspaces.models import Workspace
from projects import news, services
from projects.models import Status
from projects.services import NewProject
from projects.tests.support import allow, project, workspace
from realtime import publisher
from realtime.topics import TOPICS, Event, Surface
from tests import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard() -> Iterator[Callable[[], list[Event]]]:
    """Asked for what was published: of the topic of projects, after the hooks of the commit ran."""
    events: list[Event] = []

    def hear(event: Callable[[], Event | None]) -> None:
        composed = event()
        if composed is not None and composed.topic == news.PROJECTS:
            events.append(composed)

    def after_the_commit() -> list[Event]:
        for hook in tuple(connection.run_on_commit):
            hook[1]()
        connection.run_on_commit.clear()
        return events

    with mock.patch.object(publisher, "publish", hear):
        connection.run_on_commit.clear()
        yield after_the_commit


@pytest.fixture
def acme() -> Workspace:
    acme = workspace("acme")
    allow(acme, 1)
    return acme


def test_a_new_project_is_told_to_those_who_may_read_it(acme: Workspace, heard: Callable[[], list[Event]]) -> None:
    made = services.create(acme.pk, NewProject(name="Apollo", notes="secret"), now=NOON).result

    (event,) = heard()
    assert made is not None
    assert (event.event_type, event.entity_type, event.entity_id) == ("workspace.project.created", "project", made.pk)
    assert event.payload == {"workspaceId": acme.pk, "workspaceSlug": "acme", "projectId": made.pk}
    assert event.envelope()["topic"] == "projects"
    assert set(TOPICS["projects"].hearers.items()) == {(Surface.APP, "projects.read"), (Surface.ADMIN, "projects.read")}


def test_a_change_is_told_and_one_that_changes_nothing_is_not(
    acme: Workspace, heard: Callable[[], list[Event]]
) -> None:
    one = project(acme, "Apollo")
    heard().clear()

    services.change(acme.pk, one.pk, {"name": "Gemini"}, now=NOON)
    services.change(acme.pk, one.pk, {"name": "Gemini"}, now=NOON)

    assert [event.event_type for event in heard()] == ["workspace.project.updated"]


def test_a_refusal_and_a_repeat_are_told_to_nobody(acme: Workspace, heard: Callable[[], list[Event]]) -> None:
    command = limits.Command(operation_key="k1", fingerprint="f", request_id="r")
    new = NewProject(name="Apollo", status=Status.ACTIVE)
    services.create(acme.pk, new, now=NOON, command=command, present=lambda made: made.pk)
    heard().clear()

    services.create(acme.pk, new, now=NOON, command=command, present=lambda made: made.pk)
    with pytest.raises(CapacityLocked):
        services.create(acme.pk, new, now=NOON)

    assert heard() == []
