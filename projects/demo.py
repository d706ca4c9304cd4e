"""What projects show in the demo: a workspace that has been working for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mozaiks.workspaces.models import Workspace
from projects import services
from projects.models import Status

PROJECTS: Final = (
    ("Reorganise the warehouse", Status.ACTIVE),
    ("Move to the new harbour", Status.ACTIVE),
    ("Annual report", Status.ARCHIVED),
    ("Hire a second dispatcher", Status.DRAFT),
    ("Replace the forklifts", Status.ACTIVE),
    ("Open on Saturdays", Status.ACTIVE),
    ("Paint the gate", Status.DRAFT),
)


def work(workspace: Workspace, *, since: datetime, now: datetime) -> None:
    """
    Begin projects from ``since`` to ``now``, and archive those that are over.

    :raises CapacityLocked: when the workspace has no room for them.
    """
    step = (now - since) / (len(PROJECTS) + 1)
    for number, (name, status) in enumerate(PROJECTS):
        began = since + step * number
        first = Status.ACTIVE if status is Status.ARCHIVED else status
        project = services.create(workspace.pk, services.NewProject(name=name, status=first), now=began).result
        if status is Status.ARCHIVED and project is not None:
            services.change(workspace.pk, project.pk, {"status": status}, now=began + step / 2)
