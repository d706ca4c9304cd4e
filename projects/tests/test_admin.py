"""Projects in the console: the same limits, told in the form."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mozaiks.workspaces.creation import create_user
from mozaiks.workspaces.models import Workspace
from projects.models import Project, Status
from projects.tests.support import LONG_AGO, allow, names, project, used, workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return workspace("acme")


@pytest.fixture
def operator(client: Client) -> Client:
    boss = create_user(
        username="boss", email="boss@example.org", password=None, now=LONG_AGO, is_staff=True, is_superuser=True
    )
    client.force_login(boss)
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:projects_project_{name}", args=args)


def form(of: Workspace, **fields: Any) -> dict[str, Any]:
    return {"workspace": of.pk, "name": "Apollo", "status": "active", "owner": "", "notes": "", **fields}


def test_an_operator_adds_a_project_while_there_is_room(operator: Client, acme: Workspace) -> None:
    allow(acme, 1)

    answer = operator.post(url("add"), form(acme))

    assert answer.status_code == 302
    assert names(acme) == ["Apollo"]
    assert used(acme) == 1


def test_a_refused_add_shows_the_form_with_the_reason_and_what_was_typed(operator: Client, acme: Workspace) -> None:
    allow(acme, 1)
    operator.post(url("add"), form(acme))

    answer = operator.post(url("add"), form(acme, name="Gemini"))

    assert answer.status_code == 200
    (reason,) = answer.context["adminform"].form.non_field_errors()
    assert "projects.max" in reason or "project" in reason.lower()
    assert b"Gemini" in answer.content
    assert names(acme) == ["Apollo"]


def test_bringing_back_needs_room_in_the_console_too(operator: Client, acme: Workspace) -> None:
    allow(acme, 1)
    project(acme, "Apollo")
    archived = project(acme, "Gemini", status=Status.ARCHIVED)

    answer = operator.post(url("change", archived.pk), form(acme, name="Gemini"))

    assert answer.status_code == 200
    assert answer.context["adminform"].form.non_field_errors()
    archived.refresh_from_db()
    assert archived.status == Status.ARCHIVED


def test_a_changed_project_is_saved_and_stays_in_its_workspace(operator: Client, acme: Workspace) -> None:
    one = project(acme, status=Status.ARCHIVED)
    other = workspace("other")

    answer = operator.post(url("change", one.pk), form(other, name="Renamed", status="archived"))

    assert answer.status_code == 302
    one.refresh_from_db()
    assert (one.name, one.workspace_id) == ("Renamed", acme.pk)


def test_archiving_and_deleting_in_the_console_refresh_the_balance(operator: Client, acme: Workspace) -> None:
    first, second = project(acme, "Apollo"), project(acme, "Gemini")

    operator.post(url("change", first.pk), form(acme, status="archived"))
    after_archiving = used(acme)
    operator.post(url("delete", second.pk), {"post": "yes"})

    assert (after_archiving, used(acme)) == (1, 0)
    assert names(acme) == ["Apollo"]


def test_a_bulk_delete_refreshes_every_workspace(operator: Client, acme: Workspace) -> None:
    other = workspace("other")
    chosen = [project(acme, "Apollo"), project(other, "Gemini"), project(acme, "Mercury")]
    project(acme, "Vostok")

    operator.post(
        url("changelist"),
        {"action": "delete_selected", "_selected_action": [one.pk for one in chosen], "post": "yes"},
    )

    assert (names(acme), names(other)) == (["Vostok"], [])
    assert (used(acme), used(other)) == (1, 0)


def test_a_failure_while_deleting_is_a_message(
    operator: Client, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mozaiks.kit.errors import Unavailable
    from projects import services

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Unavailable("Not now.")

    one = project(acme)
    monkeypatch.setattr(services, "delete", fail)

    answer = operator.post(url("delete", one.pk), {"post": "yes"})

    assert answer.status_code == 302
    assert [str(message) for message in get_messages(answer.wsgi_request)] == ["Not now."]
    assert names(acme) == ["Apollo"]


def test_the_list_costs_the_same_however_long_it_is(operator: Client, acme: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(url("changelist")).status_code == 200
        return len(captured)

    project(acme)
    queries()
    with_one = queries()
    for number in range(30):
        project(workspace(f"w{number}"), f"Apollo {number}")

    assert queries() == with_one
    assert Project.objects.count() == 31
