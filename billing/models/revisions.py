"""What became of the catalog: every revision of a plan, product or definition, and how a changed plan reached its subscribers."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from django.db import models

from billing.models.fields import CODE_LENGTH, KEY_LENGTH, AppendOnlyQuerySet, AppendOnlyRow, in_values, one_of


class CatalogKind(StrEnum):
    """What a revision is of."""

    DEFINITION = "definition"
    PLAN = "plan"
    PRODUCT = "product"


class RevisionAction(StrEnum):
    """What was done. ``found`` is how a row looked before its first recorded change."""

    FOUND = "found"
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


class RevisionQuerySet(AppendOnlyQuerySet["CatalogRevision"]):
    """Revisions of one thing, by kind and code."""

    def of(self, kind: CatalogKind, code: str) -> Self:
        return self.filter(kind=kind, code=code)


class CatalogRevision(AppendOnlyRow):
    """
    A plan, product or definition as it was from ``created_at`` on: all of its fields and what it granted, as a document has it.

    Written by publishing, in the transaction that made the change. ``actor`` empty is nobody in particular: a program.
    """

    kind = one_of(CatalogKind)
    code = models.CharField(max_length=CODE_LENGTH)
    number = models.PositiveIntegerField()
    action = one_of(RevisionAction)
    content = models.JSONField(default=dict)
    actor = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()

    objects = RevisionQuerySet.as_manager()

    class Meta:
        db_table = "billing_catalog_revisions"
        constraints = [
            models.UniqueConstraint(name="billing_catalog_revisions_uniq", fields=["kind", "code", "number"]),
            models.CheckConstraint(
                name="billing_catalog_revisions_kind_valid", condition=in_values("kind", CatalogKind)
            ),
            models.CheckConstraint(
                name="billing_catalog_revisions_action_valid", condition=in_values("action", RevisionAction)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}, revision {self.number}"


class RolloutStatus(StrEnum):
    """Where a rollout stands: it looks at everybody, waits for a word, changes everybody, is over."""

    LOOKING = "looking"
    READY = "ready"
    APPLYING = "applying"
    DONE = "done"
    DROPPED = "dropped"


#: At most one of these per plan.
OPEN_ROLLOUTS = (RolloutStatus.LOOKING, RolloutStatus.READY, RolloutStatus.APPLYING)


class RolloutQuerySet(models.QuerySet["Rollout"]):
    """Rollouts that are not over."""

    def open(self) -> Self:
        return self.filter(status__in=OPEN_ROLLOUTS)


class Rollout(models.Model):
    """
    One revision of a plan on its way to the present subscribers, entity by entity in the order of their ids.

    Everybody up to ``last_entity_id`` was looked at, or changed. The numbers count subscribers; ``foreseen_json`` keeps those
    of the look before the change.
    """

    plan = models.ForeignKey("billing.Plan", on_delete=models.PROTECT, related_name="rollouts")
    revision = models.PositiveIntegerField()
    status = one_of(RolloutStatus, default=RolloutStatus.LOOKING)
    actor = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    last_entity_id = models.BigIntegerField(default=0)
    subscribers = models.BigIntegerField(default=0)
    seen = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    gained = models.BigIntegerField(default=0)
    lost = models.BigIntegerField(default=0)
    over_limit = models.BigIntegerField(default=0)
    foreseen_json = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    # MySQL ignores conditional unique constraints, so the condition lives in a generated column.
    open_key = models.GeneratedField(
        expression=models.Case(
            models.When(status__in=[status.value for status in OPEN_ROLLOUTS], then=models.F("plan_id")), default=None
        ),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    objects = RolloutQuerySet.as_manager()

    class Meta:
        db_table = "billing_catalog_rollouts"
        constraints = [
            models.UniqueConstraint(name="billing_catalog_rollouts_one_open", fields=["open_key"]),
            models.CheckConstraint(
                name="billing_catalog_rollouts_status_valid", condition=in_values("status", RolloutStatus)
            ),
        ]

    def __str__(self) -> str:
        return f"rollout {self.pk}"
