"""What the writes of projects do to the rows and to the room that is left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from billing import limits
from billing.errors import CapacityLocked, IdempotencyConflict
from mozaiks.kit.errors import NotFound
from mozaiks.workspaces.models import Workspace
from projects import services
from projects.models import Project, Status
from projects.services import Changes, NewProject
from projects.tests.support import allow, names, project, used, workspace
from tests import NOON

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=1)


@pytest.fixture
def acme() -> Workspace:
    return workspace("acme")


def create(of: Workspace, name: str = "Apollo", *, status: Status = Status.DRAFT, key: str | None = None) -> Any:
    command = limits.Command(operation_key=key, fingerprint=f"create {name} {status}", request_id="r1") if key else None
    new = NewProject(name=name, status=status)
    return services.create(of.pk, new, now=NOON, command=command, present=lambda row: {"id": row.pk, "name": row.name})


def change(one: Project, **changes: Any) -> Project:
    done = services.change(one.workspace_id, one.pk, cast(Changes, changes), now=NOON)
    assert done.result is not None
    return done.result


def test_a_project_is_created_while_there_is_room(acme: Workspace) -> None:
    allow(acme, 2)

    create(acme, "Apollo")
    create(acme, "Gemini", status=Status.ACTIVE)

    assert names(acme) == ["Apollo", "Gemini"]
    assert used(acme) == 2


def test_a_project_over_the_limit_leaves_no_trace(acme: Workspace) -> None:
    allow(acme, 1)
    create(acme, "Apollo")

    with pytest.raises(CapacityLocked) as refused:
        create(acme, "Gemini")

    assert refused.value.details["limitationCode"] == "projects.max"
    assert refused.value.details["used"] == 1
    assert refused.value.details["cap"] == 1
    assert refused.value.details["requiredReduction"] == 1
    assert names(acme) == ["Apollo"]


def test_without_any_grant_there_is_no_room(acme: Workspace) -> None:
    allow(workspace("other"), 5)

    with pytest.raises(CapacityLocked):
        create(acme)


def test_an_unlimited_workspace_is_never_full(acme: Workspace) -> None:
    allow(acme, None)

    for number in range(5):
        create(acme, f"Apollo {number}")

    assert len(names(acme)) == 5


def test_an_archived_project_needs_no_room(acme: Workspace) -> None:
    allow(acme, 1)
    create(acme, "Apollo")

    create(acme, "Gemini", status=Status.ARCHIVED)

    assert names(acme) == ["Apollo", "Gemini"]
    assert used(acme) == 1


@pytest.mark.parametrize("status", [Status.DRAFT, Status.ACTIVE])
def test_bringing_a_project_back_needs_room(acme: Workspace, status: Status) -> None:
    allow(acme, 1)
    create(acme, "Apollo")
    archived = project(acme, "Gemini", status=Status.ARCHIVED)

    with pytest.raises(CapacityLocked):
        change(archived, status=status, name="Renamed")

    archived.refresh_from_db()
    assert (archived.status, archived.name) == (Status.ARCHIVED, "Gemini")


def test_bringing_a_project_back_uses_the_room_there_is(acme: Workspace) -> None:
    allow(acme, 1)
    archived = project(acme, status=Status.ARCHIVED)

    back = change(archived, status=Status.ACTIVE)

    assert back.status == Status.ACTIVE
    assert used(acme) == 1


def test_changes_that_move_no_count_are_allowed_when_full(acme: Workspace) -> None:
    allow(acme, 1)
    one = project(acme, status=Status.DRAFT)

    changed = change(one, name="Gemini", status=Status.ACTIVE, notes="We go.")

    assert (changed.name, changed.status, changed.notes) == ("Gemini", Status.ACTIVE, "We go.")
    assert changed.updated_at == NOON


def test_a_change_that_changes_nothing_is_no_update(acme: Workspace) -> None:
    one = project(acme)

    unchanged = change(one, name=one.name)

    assert unchanged.updated_at == one.updated_at


def test_archiving_frees_room_at_once(acme: Workspace) -> None:
    allow(acme, 1)
    first = create(acme, "Apollo").result

    change(first, status=Status.ARCHIVED)

    assert used(acme) == 0
    assert create(acme, "Gemini").result.name == "Gemini"


def test_deleting_frees_room_at_once(acme: Workspace) -> None:
    allow(acme, 1)
    first = create(acme, "Apollo").result

    services.delete(acme.pk, first.pk, now=NOON)

    assert used(acme) == 0
    assert names(acme) == []


def test_over_the_limit_what_is_there_stays_and_can_go(acme: Workspace) -> None:
    allow(acme, 1)
    allow(acme, 2, until=LATER)
    first, second, third = (create(acme, name).result for name in ("Apollo", "Gemini", "Mercury"))

    with pytest.raises(CapacityLocked) as refused:
        services.create(acme.pk, NewProject(name="Vostok"), now=LATER)
    services.change(acme.pk, first.pk, Changes(status=Status.ARCHIVED), now=LATER)
    services.delete(acme.pk, second.pk, now=LATER)

    assert refused.value.details["overBy"] == 2
    assert refused.value.details["requiredReduction"] == 3
    assert refused.value.details["lockState"] == "projects_locked_over_cap"
    assert used(acme) == 1
    assert names(acme) == ["Apollo", "Mercury"]
    assert third.status == Status.DRAFT


def test_room_is_asked_for_by_the_status_at_the_time_of_the_write(acme: Workspace) -> None:
    allow(acme, 1)
    stale = project(acme, status=Status.ARCHIVED)
    Project.objects.update(status=Status.ACTIVE)

    changed = change(stale, status=Status.ACTIVE)

    assert changed.status == Status.ACTIVE
    assert used(acme) == 1


def test_workspaces_do_not_count_each_other(acme: Workspace) -> None:
    other = workspace("other")
    allow(acme, 1)
    allow(other, 1)
    create(other, "Gemini")

    create(acme, "Apollo")

    assert (used(acme), used(other)) == (1, 1)


@pytest.mark.parametrize("whose", ["nobody", "other"])
def test_a_foreign_project_is_as_unknown_as_one_that_never_was(acme: Workspace, whose: str) -> None:
    foreign = project(workspace("other"))
    project_id = foreign.pk if whose == "other" else 10**12
    allow(acme, 1)

    with pytest.raises(NotFound, match="There is no such project"):
        services.change(acme.pk, project_id, Changes(name="Mine"), now=NOON)
    with pytest.raises(NotFound, match="There is no such project"):
        services.delete(acme.pk, project_id, now=NOON)

    foreign.refresh_from_db()
    assert foreign.name == "Apollo"


def test_many_are_deleted_at_once_and_only_in_their_workspace(acme: Workspace) -> None:
    foreign = project(workspace("other"), "Foreign")
    mine = [project(acme, name) for name in ("Apollo", "Gemini")]
    keep = project(acme, "Mercury")

    count = services.delete_all(acme.pk, [foreign.pk, *(one.pk for one in mine)], now=NOON)

    assert count == 2
    assert set(Project.objects.values_list("pk", flat=True)) == {foreign.pk, keep.pk}
    assert used(acme) == 1


def test_a_repeated_create_is_answered_and_not_done_again(acme: Workspace) -> None:
    allow(acme, 1)
    first = create(acme, "Apollo", key="k1")

    again = create(acme, "Apollo", key="k1")

    assert again.replayed
    assert again.answer == first.answer
    assert again.status_code == 201
    assert names(acme) == ["Apollo"]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.ARCHIVED])
def test_the_same_key_for_something_else_is_a_conflict(acme: Workspace, status: Status) -> None:
    allow(acme, 5)
    create(acme, "Apollo", status=status, key="k1")

    with pytest.raises(IdempotencyConflict):
        create(acme, "Gemini", status=status, key="k1")

    assert names(acme) == ["Apollo"]


def test_a_refused_key_may_succeed_later(acme: Workspace) -> None:
    allow(acme, 1)
    blocking = create(acme, "Apollo").result
    with pytest.raises(CapacityLocked):
        create(acme, "Gemini", key="k1")
    services.delete(acme.pk, blocking.pk, now=NOON)

    done = create(acme, "Gemini", key="k1")

    assert not done.replayed
    assert names(acme) == ["Gemini"]


def test_a_page_is_newest_first_and_empty_beyond_the_last(acme: Workspace) -> None:
    made = [project(acme, f"Apollo {number}") for number in range(5)]
    project(workspace("other"))

    second = services.listed(acme.pk, page=2, page_size=2)
    beyond = services.listed(acme.pk, page=9, page_size=2)

    assert [one.pk for one in second.entries] == [made[2].pk, made[1].pk]
    assert (second.total, second.total_pages) == (5, 3)
    assert beyond.entries == []
    assert beyond.total == 5
