"""Projects of a workspace."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from django.db import models

from mozaiks.kit.errors import NotFound

NAME_LENGTH = 160
OWNER_LENGTH = 120
NOTES_LENGTH = 5000


class Status(StrEnum):
    """Where a project stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"

    @property
    def counts(self) -> bool:
        """Whether a project in this status takes up room."""
        return self in COUNTED


COUNTED = (Status.DRAFT, Status.ACTIVE)


class ProjectQuerySet(models.QuerySet["Project"]):
    def in_workspace(self, workspace_id: int) -> Self:
        return self.filter(workspace_id=workspace_id)

    def counted(self) -> Self:
        """Projects that take up room."""
        return self.filter(status__in=COUNTED)

    def newest_first(self) -> Self:
        return self.order_by("-id")

    def one(self, project_id: int) -> Project:
        """:raises NotFound: in the same words whether it is gone, never was, or is somebody else's."""
        found = self.filter(pk=project_id).first()
        if found is None:
            raise NotFound("There is no such project.")
        return found


class Project(models.Model):
    """
    Something a workspace works on; it counts until it is archived.

    No foreign key in the database: when the guest is gone, its left-over table must hold nobody back.
    """

    workspace = models.ForeignKey(
        "workspaces.Workspace", on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    name = models.CharField(max_length=NAME_LENGTH)
    status = models.CharField(
        max_length=16, choices=[(status.value, status.value) for status in Status], default=Status.DRAFT
    )
    owner = models.CharField(max_length=OWNER_LENGTH, blank=True, default="")
    notes = models.TextField(max_length=NOTES_LENGTH, blank=True, default="")
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        db_table = "projects_projects"
        indexes = [models.Index(name="projects_workspace_status_idx", fields=["workspace", "status"])]
        constraints = [
            models.CheckConstraint(
                name="projects_status_valid", condition=models.Q(status__in=[status.value for status in Status])
            ),
            models.CheckConstraint(name="projects_name_present", condition=~models.Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name
