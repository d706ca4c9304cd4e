"""What a new workspace and a new user start with."""

from datetime import timedelta

import pytest

from billing.models import BillableEntity, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from billing.subscriptions.welcome import welcome_user, welcome_workspace
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.factories import MembershipFactory, PlanFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def test_a_workspace_starts_on_the_default_plan() -> None:
    default = PlanFactory(is_default=True)
    workspace = WorkspaceFactory()

    welcome_workspace(workspace, NOON)

    entity = BillableEntity.objects.for_workspace(workspace.pk).get()
    assignment = PlanAssignment.objects.for_entity(entity.pk).get()
    assert (assignment.plan, assignment.period_start_at, assignment.anchor_at) == (default, NOON, NOON)
    assert assignment.source == AssignmentSource.INTERNAL


def test_a_workspace_belongs_to_its_first_owner() -> None:
    workspace = WorkspaceFactory()
    MembershipFactory(workspace=workspace)
    alice = MembershipFactory(workspace=workspace, role=Role.OWNER).user
    MembershipFactory(workspace=workspace, role=Role.OWNER)

    welcome_workspace(workspace, NOON)

    assert BillableEntity.objects.for_workspace(workspace.pk).get().owner_user == alice


def test_without_a_default_plan_a_workspace_has_none() -> None:
    PlanFactory()

    welcome_workspace(WorkspaceFactory(), NOON)

    assert BillableEntity.objects.count() == 1
    assert not PlanAssignment.objects.exists()


def test_a_second_welcome_changes_nothing() -> None:
    PlanFactory(is_default=True)
    workspace = WorkspaceFactory()
    welcome_workspace(workspace, NOON)
    entity = BillableEntity.objects.get()
    pro = PlanFactory()
    assign(entity, pro, source=AssignmentSource.MANUAL, now=LATER)

    welcome_workspace(workspace, LATER)

    assert PlanAssignment.objects.current().get().plan == pro
    assert BillableEntity.objects.count() == 1


def test_a_user_gets_an_entity_and_no_plan() -> None:
    PlanFactory(is_default=True)
    alice = UserFactory()

    welcome_user(alice, NOON)
    welcome_user(alice, LATER)

    assert BillableEntity.objects.for_user(alice.pk).get().created_at == NOON
    assert not PlanAssignment.objects.exists()
