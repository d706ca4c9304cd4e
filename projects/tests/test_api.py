"""Projects over HTTP: who may, what is refused by name, and the same answer to the same key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from projects.models import Project, Status
from projects.tests.support import allow, client, member, names, person, project, workspace

pytestmark = pytest.mark.django_db

URL = "/api/workspace/projects"


@pytest.fixture
def alice() -> User:
    return person("alice")


@pytest.fixture
def acme(alice: User) -> Workspace:
    return workspace("acme", owner=alice)


@pytest.fixture
def api(alice: User, acme: Workspace) -> APIClient:
    return client(alice, acme)


def test_a_created_project_is_answered_as_it_is(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)

    answer = api.post(URL, {"name": " Apollo ", "owner": "Alice", "notes": "To the moon"})

    assert answer.status_code == 201
    one = Project.objects.get()
    body = answer.json()
    assert api.get(f"{URL}/{one.pk}").json() == body
    assert body.pop("createdAt") == body.pop("updatedAt")
    assert body == {"id": one.pk, "name": "Apollo", "status": "draft", "owner": "Alice", "notes": "To the moon"}


def test_times_are_utc_with_milliseconds(api: APIClient, acme: Workspace) -> None:
    one = project(acme)

    body = api.get(f"{URL}/{one.pk}").json()

    assert body["createdAt"].endswith(".000Z")


def test_a_full_workspace_answers_409_with_what_must_go(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)
    api.post(URL, {"name": "Apollo"})

    answer = api.post(URL, {"name": "Gemini"})

    assert answer.status_code == 409
    body = answer.json()
    assert body["code"] == "BILLING_CAPACITY_LOCKED"
    assert body["details"]["limitationCode"] == "projects.max"
    assert {name: body["details"][name] for name in ("used", "cap", "overBy", "requiredReduction")} == {
        "used": 1,
        "cap": 1,
        "overBy": 0,
        "requiredReduction": 1,
    }
    assert names(acme) == ["Apollo"]


@pytest.mark.parametrize("method", ["patch", "put"])
def test_coming_back_from_the_archive_needs_room(api: APIClient, acme: Workspace, method: str) -> None:
    allow(acme, 1)
    project(acme, "Apollo")
    archived = project(acme, "Gemini", status=Status.ARCHIVED)

    answer = getattr(api, method)(f"{URL}/{archived.pk}", {"name": "Gemini", "status": "active"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "BILLING_CAPACITY_LOCKED"
    archived.refresh_from_db()
    assert archived.status == Status.ARCHIVED


def test_archiving_and_deleting_are_never_refused(api: APIClient, acme: Workspace) -> None:
    first, second = project(acme, "Apollo"), project(acme, "Gemini")

    archived = api.patch(f"{URL}/{first.pk}", {"status": "archived"})
    deleted = api.delete(f"{URL}/{second.pk}")

    assert archived.json()["status"] == "archived"
    assert deleted.status_code == 204
    assert names(acme) == ["Apollo"]


def test_put_replaces_all_but_an_unnamed_status(api: APIClient, acme: Workspace) -> None:
    archived = project(acme, "Apollo", status=Status.ARCHIVED)
    Project.objects.update(owner="Alice", notes="Old")

    body = api.put(f"{URL}/{archived.pk}", {"name": "Gemini"}).json()

    assert (body["name"], body["status"], body["owner"], body["notes"]) == ("Gemini", "archived", "", "")


def test_patch_changes_what_is_named(api: APIClient, acme: Workspace) -> None:
    one = project(acme, "Apollo")
    Project.objects.update(owner="Alice")

    body = api.patch(f"{URL}/{one.pk}", {"notes": "New"}).json()

    assert (body["name"], body["owner"], body["notes"]) == ("Apollo", "Alice", "New")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": True}, "name"),
        ({"name": ["Apollo"]}, "name"),
        ({"name": "n" * 161}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "Apollo", "status": "done"}, "status"),
        ({"name": "Apollo", "status": "Draft"}, "status"),
        ({"name": "Apollo", "status": None}, "status"),
        ({"name": "Apollo", "status": 1}, "status"),
        ({"name": "Apollo", "owner": "o" * 121}, "owner"),
        ({"name": "Apollo", "owner": {}}, "owner"),
        ({"name": "Apollo", "notes": "n" * 5001}, "notes"),
        ({"name": "Apollo", "notes": 1.5}, "notes"),
    ],
)
def test_wrong_input_is_refused_by_the_name_of_the_field(
    api: APIClient, acme: Workspace, body: Any, field: str
) -> None:
    allow(acme, 1)

    answer = api.post(URL, body)

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == [field]
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert names(acme) == []


@pytest.mark.parametrize("body", [[], "Apollo", 5, None])
def test_a_body_that_is_no_object_is_refused(api: APIClient, body: Any) -> None:
    assert api.post(URL, body, format="json").status_code == 400


def test_a_body_that_is_not_json_is_refused(api: APIClient) -> None:
    assert api.post(URL, "{", content_type="application/json").status_code == 400
    assert api.post(URL, {"name": "Apollo"}, format="multipart").status_code == 415


def test_a_form_from_a_browser_is_refused_like_any_other(alice: User, acme: Workspace) -> None:
    api = APIClient(headers={"x-workspace-slug": acme.slug}, enforce_csrf_checks=True)
    api.force_login(alice)
    api.get("/login/")
    form = {"name": "Apollo", "csrfmiddlewaretoken": "a" * 32}
    api.cookies["csrftoken"] = "a" * 32

    answer = api.post(URL, form, format="multipart")

    assert answer.status_code == 415


def test_the_longest_fields_fit(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)
    longest = {"name": "é" * 160, "owner": "日" * 120, "notes": "🚀" * 5000}

    answer = api.post(URL, longest)

    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in longest} == longest


def test_what_is_not_the_clients_to_set_is_not_set(api: APIClient, acme: Workspace) -> None:
    other = workspace("other")
    allow(acme, 1)

    answer = api.post(URL, {"name": "Apollo", "id": 77, "workspace": other.pk, "createdAt": "2001-01-01T00:00:00.000Z"})

    one = Project.objects.get()
    assert answer.status_code == 201
    assert (one.workspace_id, one.created_at.year == 2001, one.pk == 77) == (acme.pk, False, False)


def request_of(method: str, url: str) -> Callable[[APIClient], Any]:
    body = {"name": "Renamed", "status": "archived"}
    return lambda api: getattr(api, method)(url, *([] if method in {"get", "delete"} else [body]))


@pytest.mark.parametrize("method", ["get", "patch", "put", "delete"])
def test_foreign_and_unknown_ids_are_the_same_404(api: APIClient, acme: Workspace, method: str) -> None:
    foreign = project(workspace("other"))

    answers = [request_of(method, f"{URL}/{project_id}")(api) for project_id in (foreign.pk, 10**15, 10**30)]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    foreign.refresh_from_db()
    assert foreign.name == "Apollo"


@pytest.mark.parametrize(
    ("method", "suffix"), [("get", ""), ("post", ""), ("get", "/1"), ("put", "/1"), ("delete", "/1")]
)
def test_a_foreign_workspace_and_an_unknown_one_are_the_same_404(api: APIClient, method: str, suffix: str) -> None:
    workspace("other")
    answers = []

    for slug in ("other", "unknown"):
        api.credentials(HTTP_X_WORKSPACE_SLUG=slug)
        answers.append(request_of(method, URL + suffix)(api))

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_request_without_a_workspace_is_told_so(alice: User) -> None:
    api = APIClient()
    api.force_login(alice)

    answer = api.get(URL)

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == ["x-workspace-slug"]


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [(Role.OWNER, 200, 201), (Role.ADMIN, 200, 201), (Role.MEMBER, 200, 201), (Role.VIEWER, 200, 403)],
)
def test_roles_read_and_write(acme: Workspace, role: Role, reads: int, writes: int) -> None:
    allow(acme, 1)
    one = project(acme, status=Status.ARCHIVED)
    api = client(member(acme, "bob", role), acme)

    assert api.get(URL).status_code == reads
    assert api.get(f"{URL}/{one.pk}").status_code == reads
    assert api.post(URL, {"name": "Apollo"}).status_code == writes
    for answer in (
        api.patch(f"{URL}/{one.pk}", {"name": "x"}),
        api.put(f"{URL}/{one.pk}", {"name": "x"}),
        api.delete(f"{URL}/{one.pk}"),
    ):
        assert (answer.status_code == 403) is (writes == 403)


def test_strangers_do_not_come_in(acme: Workspace) -> None:
    api = APIClient(headers={"x-workspace-slug": "acme"})

    for method, url in (
        ("get", URL),
        ("post", URL),
        ("get", f"{URL}/1"),
        ("patch", f"{URL}/1"),
        ("delete", f"{URL}/1"),
    ):
        assert request_of(method, url)(api).status_code == 401


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Command-Id"])
def test_the_same_key_gets_the_first_answer_back(api: APIClient, acme: Workspace, header: str) -> None:
    allow(acme, 1)
    first = api.post(URL, {"name": "Apollo"}, headers={header: "k-1"})

    again = api.post(URL, {"name": "Apollo"}, headers={header: "k-1"})

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert names(acme) == ["Apollo"]


def test_a_key_is_honoured_on_every_write(api: APIClient, acme: Workspace) -> None:
    one = project(acme)
    url = f"{URL}/{one.pk}"
    writes = [("patch", {"notes": "a"}), ("put", {"name": "b"}), ("delete", None)]

    for number, (method, body) in enumerate(writes):
        first = getattr(api, method)(url, body, headers={"Idempotency-Key": f"k{number}"})
        again = getattr(api, method)(url, body, headers={"Idempotency-Key": f"k{number}"})

        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert names(acme) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("post", "", {"name": "Gemini"}), ("patch", "/{id}", {"name": "Apollo"}), ("delete", "/{id}", None)],
)
def test_the_same_key_for_another_request_is_a_conflict(
    api: APIClient, acme: Workspace, method: str, path: str, body: Any
) -> None:
    allow(acme, 5)
    created = api.post(URL, {"name": "Apollo"}, headers={"Idempotency-Key": "k"}).json()

    answer = getattr(api, method)(URL + path.format(id=created["id"]), body, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "IDEMPOTENCY_CONFLICT"
    assert names(acme) == ["Apollo"]


@pytest.mark.parametrize("key", ["k" * 192, "with blank", "käse", "tab\t"])
def test_a_key_that_cannot_be_one_is_refused(api: APIClient, acme: Workspace, key: str) -> None:
    allow(acme, 1)

    answer = api.post(URL, {"name": "Apollo"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert names(acme) == []


def test_a_list_is_paged(api: APIClient, acme: Workspace) -> None:
    for number in range(3):
        project(acme, f"Apollo {number}")

    body = api.get(URL, {"page": 2, "pageSize": 2}).json()

    assert [entry["name"] for entry in body.pop("entries")] == ["Apollo 0"]
    assert body == {"page": 2, "pageSize": 2, "total": 3, "totalPages": 2}


def test_an_empty_list_has_no_pages(api: APIClient) -> None:
    assert api.get(URL).json() == {"entries": [], "page": 1, "pageSize": 25, "total": 0, "totalPages": 0}


def test_a_list_may_be_of_one_status(api: APIClient, acme: Workspace) -> None:
    project(acme, "Apollo")
    project(acme, "Gemini", status=Status.ARCHIVED)

    body = api.get(URL, {"status": "archived"}).json()

    assert [entry["name"] for entry in body["entries"]] == ["Gemini"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": 0}, "page"),
        ({"page": "x"}, "page"),
        ({"page": 10**30}, "page"),
        ({"pageSize": 0}, "pageSize"),
        ({"pageSize": 101}, "pageSize"),
        ({"status": "gone"}, "status"),
    ],
)
def test_a_page_that_cannot_be_is_refused(api: APIClient, query: Any, field: str) -> None:
    answer = api.get(URL, query)

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == [field]


def test_a_list_costs_the_same_however_long_it_is(api: APIClient, acme: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(URL, {"pageSize": 100}).status_code == 200
        return len(captured)

    project(acme)
    with_one = queries()
    for number in range(60):
        project(acme, f"Apollo {number}")

    assert queries() == with_one
