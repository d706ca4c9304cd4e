"""The page of projects: its limit in words, its forms, and the server's sentence where the limit refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client

from mozaiks.workspaces.models import Workspace
from mozaiks.workspaces.roles import Role
from projects.models import Project, Status
from projects.tests.support import allow, member, workspace
from tests import NOON
from tests.pages.reader import Reader

PAGE = "/w/acme/projects"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def acme(db: None) -> Workspace:
    """Room for two projects."""
    made = workspace("acme")
    allow(made, 2)
    return made


def reader(acme: Workspace, role: Role) -> Reader:
    client = Client()
    client.force_login(member(acme, f"somebody-{role}", role))
    return Reader(client)


@pytest.fixture
def bob(acme: Workspace) -> Reader:
    return reader(acme, Role.MEMBER)


def create(bob: Reader, name: str, *, key: str = "", **how: object) -> object:
    return bob.client.post(PAGE, {"deed": "create", "name": name, "key": key}, **how)  # type: ignore[arg-type]


def test_a_project_is_created_and_counted(bob: Reader) -> None:
    response = create(bob, "Apollo", follow=True)

    assert response.redirect_chain == [(PAGE, 302)]  # type: ignore[attr-defined]
    assert "Apollo draft" in bob.text(PAGE)
    assert "1 of 2 used, 1 left." in bob.limit("Projects", PAGE)


def test_a_form_that_is_sent_twice_creates_one(bob: Reader) -> None:
    for name in ("Apollo", "Apollo", "Gemini"):
        create(bob, name, key="of-this-form")

    assert list(Project.objects.values_list("name", flat=True)) == ["Apollo", "Gemini"]


def test_a_full_limit_refuses_with_its_sentence_and_keeps_what_was_typed(bob: Reader) -> None:
    for name in ("Apollo", "Gemini"):
        create(bob, name)

    response = create(bob, "Mercury")

    html = response.content.decode()  # type: ignore[attr-defined]
    assert response.status_code == 409  # type: ignore[attr-defined]
    assert 'role="alert" data-refused>Projects: full, 2 of 2 in use.</p>' in html
    assert 'value="Mercury"' in html
    assert Project.objects.count() == 2


def test_an_archived_project_makes_room_and_comes_back_where_there_is_some(bob: Reader) -> None:
    for name in ("Apollo", "Gemini"):
        create(bob, name)
    apollo = Project.objects.get(name="Apollo")

    bob.client.post(PAGE, {"deed": "archive", "project": apollo.pk})
    create(bob, "Mercury")
    refused = bob.client.post(PAGE, {"deed": "unarchive", "project": apollo.pk})

    apollo.refresh_from_db()
    assert (apollo.status, refused.status_code) == (Status.ARCHIVED, 409)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"deed": "create", "name": " "}, "Name: This field may not be blank."),
        ({"deed": "archive", "project": "7"}, "There is no such project."),
        ({"deed": "archive", "project": "nonsense"}, "There is no such project."),
        ({"deed": "nonsense"}, "This page knows no such deed."),
    ],
)
def test_nonsense_is_refused_in_words(bob: Reader, form: dict[str, str], sentence: str) -> None:
    response = bob.client.post(PAGE, form)

    assert response.status_code in (400, 404)
    assert sentence in response.content.decode()


def test_who_may_only_look_has_no_forms_and_changes_nothing(acme: Workspace) -> None:
    viewer = reader(acme, Role.VIEWER)

    response = create(viewer, "Apollo")

    assert "New project" not in viewer.text(PAGE)
    assert response.status_code == 403  # type: ignore[attr-defined]
    assert not Project.objects.exists()


def test_the_project_of_another_workspace_is_not_there(acme: Workspace, bob: Reader) -> None:
    other = workspace("globex")
    foreign = Project.objects.create(workspace=other, name="Secret", created_at=NOON, updated_at=NOON)

    response = bob.client.post(PAGE, {"deed": "archive", "project": foreign.pk})

    assert response.status_code == 404
    assert "Secret" not in bob.text(PAGE)


def test_a_part_is_a_part(bob: Reader) -> None:
    create(bob, "Apollo")

    assert "<html" not in bob.get(f"{PAGE}?part=list").content.decode()
    assert "Apollo" in bob.text(f"{PAGE}?part=list")
    assert "1 of 2 used" in bob.text(f"{PAGE}?part=limit")


def test_many_are_listed_on_several_pages(acme: Workspace, bob: Reader) -> None:
    for number in range(26):
        Project.objects.create(workspace=acme, name=f"P{number:02}", created_at=NOON, updated_at=NOON)

    assert "Page 1 of 2 · Older" in bob.text(PAGE)
    assert "P00 draft" in bob.text(f"{PAGE}?page=2")
    assert "P25 draft" in bob.text(f"{PAGE}?page=nonsense")
