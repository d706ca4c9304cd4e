"""Members come, change and go; somebody always owns."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from mozaiks.kit.errors import Conflict, NotFound
from mozaiks.workspaces.access import permissions_of
from mozaiks.workspaces.members import (
    add_member,
    change_role,
    membership_changed,
    on_membership_changed,
    remove_member,
)
from mozaiks.workspaces.models import Membership
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

Heard = list[tuple[int, int]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard: Heard = []

    def listen(workspace_id: int, user_id: int) -> None:
        heard.append((workspace_id, user_id))

    on_membership_changed(listen)
    yield heard
    membership_changed.unregister(listen)


def test_every_change_is_heard_after_the_commit(
    heard: Heard, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    workspace, bob = MembershipFactory(role=Role.OWNER).workspace, UserFactory()

    with django_capture_on_commit_callbacks(execute=True):
        add_member(workspace, bob, role=Role.MEMBER, now=NOON)
        change_role(workspace, bob, role=Role.VIEWER)
        remove_member(workspace, bob)
        assert heard == []

    assert heard == [(workspace.pk, bob.pk)] * 3


def test_a_new_role_counts_at_once() -> None:
    membership = MembershipFactory(role=Role.ADMIN)

    change_role(membership.workspace, membership.user, role=Role.VIEWER)

    assert "workspace.billing.manage" not in permissions_of(membership.user, membership.workspace)


def test_a_member_joins_once() -> None:
    membership = MembershipFactory()

    with pytest.raises(Conflict) as refused:
        add_member(membership.workspace, membership.user, role=Role.OWNER, now=NOON)

    assert refused.value.code == "ALREADY_A_MEMBER"
    membership.refresh_from_db()
    assert membership.role == Role.MEMBER


def test_who_is_no_member_can_neither_change_nor_go() -> None:
    workspace, stranger = WorkspaceFactory(), UserFactory()

    with pytest.raises(NotFound):
        change_role(workspace, stranger, role=Role.OWNER)
    with pytest.raises(NotFound):
        remove_member(workspace, stranger)


def test_the_last_owner_stays() -> None:
    owner = MembershipFactory(role=Role.OWNER)

    with pytest.raises(Conflict):
        change_role(owner.workspace, owner.user, role=Role.ADMIN)
    with pytest.raises(Conflict) as refused:
        remove_member(owner.workspace, owner.user)

    assert refused.value.code == "LAST_OWNER"
    assert Membership.objects.get().role == Role.OWNER


def test_one_of_two_owners_may_go() -> None:
    owner = MembershipFactory(role=Role.OWNER)
    other = MembershipFactory(role=Role.OWNER, workspace=owner.workspace)

    remove_member(owner.workspace, owner.user)

    assert Membership.objects.get() == other
