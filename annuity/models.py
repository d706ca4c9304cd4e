"""The history of calculations: written once, never changed."""

from __future__ import annotations

import uuid
from typing import Self

from django.conf import settings
from django.db import models


class CalculationQuerySet(models.QuerySet["AnnuityCalculation"]):
    def in_workspace(self, workspace_id: int) -> Self:
        return self.filter(workspace_id=workspace_id)

    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-id")


class AnnuityCalculation(models.Model):
    """
    One successful calculation: its ``inputs`` and its ``result`` as they were answered, numbers as fixed-point text.

    No foreign keys in the database: when the guest is gone, its left-over table must hold nobody back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "workspaces.Workspace", on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    inputs = models.JSONField()
    result = models.JSONField()
    created_at = models.DateTimeField()

    objects = CalculationQuerySet.as_manager()

    class Meta:
        db_table = "annuity_calculations"
        verbose_name = "annuity calculation"
        indexes = [models.Index(name="annuity_calculations_newest_idx", fields=["workspace", "created_at", "id"])]

    def __str__(self) -> str:
        return f"annuity calculation {self.id}"
