"""Billable entities: whose limits they are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models.fields import KEY_LENGTH, in_values, one_of


class EntityType(StrEnum):
    """What a billable entity stands for."""

    WORKSPACE = "workspace"
    USER = "user"
    ORGANIZATION = "organization"
    EXTERNAL = "external"


class EntityStatus(StrEnum):
    """Whether an entity is in use."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class EntityQuerySet(models.QuerySet["BillableEntity"]):
    """Finding and making entities. Making one twice finds the first."""

    def for_workspace(self, workspace_id: int) -> Self:
        return self.filter(entity_type=EntityType.WORKSPACE, workspace_id=workspace_id)

    def for_user(self, user_id: int) -> Self:
        return self.filter(entity_type=EntityType.USER, owner_user_id=user_id)

    def ensure_for_workspace(self, workspace_id: int, *, owner_user_id: int | None, now: datetime) -> BillableEntity:
        """The entity of a workspace, made if it is missing."""
        self._insert_or_ignore(
            entity_type=EntityType.WORKSPACE, workspace_id=workspace_id, owner_user_id=owner_user_id, now=now
        )
        return self.for_workspace(workspace_id).get()

    def ensure_for_user(self, user_id: int, *, now: datetime) -> BillableEntity:
        """The own entity of a user, made if it is missing."""
        self._insert_or_ignore(entity_type=EntityType.USER, workspace_id=None, owner_user_id=user_id, now=now)
        return self.for_user(user_id).get()

    def _insert_or_ignore(
        self, *, entity_type: EntityType, workspace_id: int | None, owner_user_id: int | None, now: datetime
    ) -> None:
        entity = self.model(
            entity_type=entity_type,
            workspace_id=workspace_id,
            owner_user_id=owner_user_id,
            status=EntityStatus.ACTIVE,
            created_at=now,
            updated_at=now,
        )
        self.bulk_create([entity], ignore_conflicts=True)


class BillableEntity(models.Model):
    """
    Somebody who has limits: a workspace, a user, or something an AI runtime knows by a reference.

    One per workspace, one per user, and one per (type, reference) otherwise.
    """

    entity_type = one_of(EntityType)
    entity_ref = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    workspace = models.ForeignKey(
        "workspaces.Workspace", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    owner_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    status = one_of(EntityStatus, default=EntityStatus.ACTIVE)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    # MySQL ignores conditional unique constraints, so the condition lives in a generated column.
    user_key = models.GeneratedField(
        expression=models.Case(models.When(entity_type="user", then=models.F("owner_user_id")), default=None),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    objects = EntityQuerySet.as_manager()

    class Meta:
        db_table = "billable_entities"
        verbose_name = "billable entity"
        verbose_name_plural = "billable entities"
        permissions = [
            ("grant_entitlements", "Can grant units by hand, and end grants"),
            ("correct_balances", "Can correct and rebuild balances"),
            ("set_plan", "Can set the plan of a customer"),
        ]
        constraints = [
            models.CheckConstraint(name="billable_entities_type_valid", condition=in_values("entity_type", EntityType)),
            models.CheckConstraint(name="billable_entities_status_valid", condition=in_values("status", EntityStatus)),
            models.CheckConstraint(
                name="billable_entities_identity",
                condition=(
                    Q(entity_type="workspace", workspace__isnull=False)
                    | Q(entity_type="user", owner_user__isnull=False, workspace__isnull=True)
                    | Q(
                        entity_type__in=["organization", "external"],
                        entity_ref__isnull=False,
                        workspace__isnull=True,
                    )
                ),
            ),
            models.UniqueConstraint(name="billable_entities_workspace_uniq", fields=["workspace"]),
            models.UniqueConstraint(name="billable_entities_user_uniq", fields=["user_key"]),
            models.UniqueConstraint(name="billable_entities_ref_uniq", fields=["entity_type", "entity_ref"]),
        ]

    def __str__(self) -> str:
        if self.entity_type == EntityType.WORKSPACE:
            return f"workspace {self.workspace_id}"
        if self.entity_type == EntityType.USER:
            return f"user {self.owner_user_id}"
        return f"{self.entity_type} {self.entity_ref}"
