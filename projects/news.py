"""What others hear of projects: a topic of the guest's own, for who may read them. What is in a project is not told."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction

from mozaiks.workspaces.models import Workspace
from mozaiks.workspaces.roles import PROJECTS_READ
from projects.models import Project
from realtime import publisher, topics
from realtime.causes import current_cause

PROJECTS: Final = "projects"
CREATED: Final = "workspace.project.created"
UPDATED: Final = "workspace.project.updated"


def declare_topic() -> None:
    """Make the topic known; called once, when Django is ready."""
    topics.declare(PROJECTS, event_types=(CREATED, UPDATED), app=PROJECTS_READ, admin=PROJECTS_READ)


def tell(project: Project, event_type: str, *, now: datetime) -> None:
    """Tell of a project after the commit of the transaction this is called in; nobody waits for it."""
    transaction.on_commit(partial(_publish, project.pk, project.workspace_id, event_type, now), robust=True)


def _publish(project_id: int, workspace_id: int, event_type: str, now: datetime) -> None:
    publisher.publish(partial(_event, project_id, workspace_id, event_type, now, current_cause()))


def _event(
    project_id: int, workspace_id: int, event_type: str, now: datetime, cause: topics.Cause
) -> topics.Event | None:
    """Put together in the background, where a statement costs nobody anything; None where the workspace is gone."""
    slug = Workspace.objects.filter(pk=workspace_id).values_list("slug", flat=True).first()
    if slug is None:
        return None
    return topics.Event(
        topic=PROJECTS,
        event_type=event_type,
        workspace_id=workspace_id,
        workspace_slug=slug,
        entity_type="project",
        entity_id=project_id,
        occurred_at=now,
        cause=cause,
        payload={"workspaceId": workspace_id, "workspaceSlug": slug, "projectId": project_id},
    )
