"""
The writes of projects, each through ``billing.limits``, for the API and the console alike.

What raises the count asks for room first; what lowers it is never refused; both refresh the balance in the
transaction of the write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypedDict

from billing import limits
from projects import news
from projects.limits import CREATE, PROJECTS_MAX, UNARCHIVE
from projects.models import Project, Status

Present = Callable[[Project], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewProject:
    """What a project begins with."""

    name: str
    status: Status = Status.DRAFT
    owner: str = ""
    notes: str = ""


class Changes(TypedDict, total=False):
    """What shall be different; what is not named stays as it is."""

    name: str
    status: Status
    owner: str
    notes: str


def create(
    workspace_id: int,
    new: NewProject,
    *,
    now: datetime,
    command: limits.Command | None = None,
    present: Present | None = None,
) -> limits.Execution[Project]:
    """
    Add a project; an archived one needs no room.

    :raises CapacityLocked: when the workspace has as many as it may.
    """

    def insert() -> Project:
        project = Project.objects.create(workspace_id=workspace_id, created_at=now, updated_at=now, **asdict(new))
        news.tell(project, news.CREATED, now=now)
        return project

    entity = limits.entity_for_workspace(workspace_id)
    if not new.status.counts:
        return limits.refresh_capacity(
            entity, PROJECTS_MAX, action=insert, now=now, encode=present, status_code=201, **_of(command)
        )
    return limits.execute_with_entitlement_consumption(
        entity, CREATE, action=insert, now=now, encode=present, status_code=201, **_of(command)
    )


def change(
    workspace_id: int,
    project_id: int,
    changes: Changes,
    *,
    now: datetime,
    command: limits.Command | None = None,
    present: Present | None = None,
) -> limits.Execution[Project]:
    """
    Change a project; bringing it back from the archive needs room, archiving it makes room.

    How much is decided under the lock, by the status the project has then and not by what the caller saw.

    :raises NotFound: when the workspace has no such project.
    :raises CapacityLocked: when it shall come back and there is no room.
    """
    projects = Project.objects.in_workspace(workspace_id)

    def room_needed() -> int:
        before = Status(projects.select_for_update().one(project_id).status)
        return int(changes.get("status", before).counts) - int(before.counts)

    def apply() -> Project:
        return _apply(projects.one(project_id), changes, now=now)

    return limits.execute_with_entitlement_consumption(
        limits.entity_for_workspace(workspace_id),
        UNARCHIVE,
        amount=room_needed,
        action=apply,
        now=now,
        encode=present,
        status_code=200,
        **_of(command),
    )


def _apply(project: Project, changes: Changes, *, now: datetime) -> Project:
    different = {name: value for name, value in changes.items() if getattr(project, name) != value}
    if different:
        for name, value in different.items():
            setattr(project, name, value)
        project.updated_at = now
        project.save(update_fields=[*different, "updated_at"])
        news.tell(project, news.UPDATED, now=now)
    return project


def delete(
    workspace_id: int, project_id: int, *, now: datetime, command: limits.Command | None = None
) -> limits.Execution[None]:
    """
    Delete a project for good.

    :raises NotFound: when the workspace has no such project.
    """

    def remove() -> None:
        Project.objects.in_workspace(workspace_id).one(project_id).delete()

    return limits.refresh_capacity(
        limits.entity_for_workspace(workspace_id),
        PROJECTS_MAX,
        action=remove,
        now=now,
        status_code=204,
        **_of(command),
    )


def delete_all(workspace_id: int, project_ids: Collection[int], *, now: datetime) -> int:
    """Delete those of ``project_ids`` that are in the workspace, all or none; how many there were."""

    def remove() -> int:
        return Project.objects.in_workspace(workspace_id).filter(pk__in=project_ids).delete()[0]

    done = limits.refresh_capacity(limits.entity_for_workspace(workspace_id), PROJECTS_MAX, action=remove, now=now)
    return done.result or 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of projects, newest first."""

    entries: list[Project]
    page: int
    page_size: int
    total: int

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.page_size)


def listed(workspace_id: int, *, page: int, page_size: int, status: Status | None = None) -> Page:
    """Page ``page`` (from 1) of a workspace's projects, of one status where it is given; empty beyond the last."""
    projects = Project.objects.in_workspace(workspace_id)
    if status is not None:
        projects = projects.filter(status=status)
    start = (page - 1) * page_size
    return Page(
        entries=list(projects.newest_first()[start : start + page_size]),
        page=page,
        page_size=page_size,
        total=projects.count(),
    )


def _of(command: limits.Command | None) -> dict[str, Any]:
    """The key, the content and the id of the request, where there is one."""
    return {} if command is None else asdict(command)
