"""What a new workspace and a new user start with."""

from __future__ import annotations

from datetime import datetime

from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from mozaiks.workspaces.models import Membership, User, Workspace


def welcome_workspace(workspace: Workspace, now: datetime) -> None:
    """
    Give the workspace its billable entity and, unless it was ever on a plan, the default plan where there is one.

    Doing it again changes nothing.
    """
    run_in_transaction(lambda: _welcome_workspace(workspace, now=now))


def _welcome_workspace(workspace: Workspace, *, now: datetime) -> None:
    owner_id = Membership.objects.owners_of(workspace).order_by("pk").values_list("user_id", flat=True).first()
    entity = BillableEntity.objects.ensure_for_workspace(workspace.pk, owner_user_id=owner_id, now=now)
    if PlanAssignment.objects.for_entity(entity.pk).exists():
        return
    default = Plan.objects.active().filter(is_default=True).first()
    if default is not None:
        assign(entity, default, source=AssignmentSource.INTERNAL, now=now)


def welcome_user(user: User, now: datetime) -> None:
    """Give the user a billable entity of their own. Doing it again changes nothing."""
    run_in_transaction(lambda: BillableEntity.objects.ensure_for_user(user.pk, now=now))
