"""What projects limits: how many of them that are not archived a workspace may have."""

from typing import Final, Protocol

from billing import limits
from projects.models import Project

PROJECTS_MAX: Final = "projects.max"
CREATE: Final = "projects.create"
UNARCHIVE: Final = "projects.unarchive"


def declare_limits() -> None:
    """Make the capabilities and their counter known; called once, when Django is ready."""
    limits.declare(capability=CREATE, limitation=PROJECTS_MAX, amount=1, reason="project.create")
    limits.declare(capability=UNARCHIVE, limitation=PROJECTS_MAX, amount=1, reason="project.unarchive")
    limits.declare_counter(PROJECTS_MAX, count_projects)


class Entity(Protocol):
    """As much of a billable entity as counting needs."""

    @property
    def workspace_id(self) -> int | None: ...


def count_projects(entity: Entity) -> int:
    """How many projects of the entity's workspace count; an entity without a workspace has none."""
    if entity.workspace_id is None:
        return 0
    return Project.objects.in_workspace(entity.workspace_id).counted().count()
