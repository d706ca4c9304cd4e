"""Who may do what, and who may not even know."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from mozaiks.kit.errors import Denied, NotFound
from mozaiks.workspaces.access import enter, permissions_of, require, workspace_for
from mozaiks.workspaces.models import Membership
from mozaiks.workspaces.roles import PROJECTS_READ, PROJECTS_WRITE, ROLE_PERMISSIONS, Role
from tests import NOON
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

READ = {"workspace.read", "projects.read", "annuity.read"}
USE = READ | {"workspace.use", "projects.write", "annuity.use"}
MANAGE = USE | {"workspace.billing.manage", "workspace.members.manage"}


@pytest.mark.parametrize(
    ("role", "permissions"),
    [(Role.OWNER, MANAGE), (Role.ADMIN, MANAGE), (Role.MEMBER, USE), (Role.VIEWER, READ)],
)
def test_a_role_permits_what_the_table_says(role: Role, permissions: set[str]) -> None:
    membership = MembershipFactory(role=role)

    assert permissions_of(membership.user, membership.workspace) == permissions


def test_every_role_stands_in_the_table() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_a_member_finds_their_workspace() -> None:
    membership = MembershipFactory(role=Role.VIEWER)

    assert workspace_for(membership.user, membership.workspace.slug) == membership.workspace


def test_a_foreign_workspace_and_none_at_all_are_the_same_to_a_stranger() -> None:
    membership = MembershipFactory()
    stranger = UserFactory()

    sentences = set()
    for slug in (membership.workspace.slug, "no-such-workspace", ""):
        with pytest.raises(NotFound) as refused:
            workspace_for(stranger, slug)
        sentences.add((refused.value.message, refused.value.code, str(refused.value.details)))

    assert len(sentences) == 1


def test_a_slug_is_found_as_it_is_written_only() -> None:
    membership = MembershipFactory(workspace__slug="acme")

    with pytest.raises(NotFound):
        workspace_for(membership.user, "ACME")


def test_membership_elsewhere_gives_nothing_here() -> None:
    owner = MembershipFactory(role=Role.OWNER).user

    assert permissions_of(owner, WorkspaceFactory()) == frozenset()


def test_operators_are_strangers_outside_the_console() -> None:
    operator = UserFactory(is_staff=True, is_superuser=True)

    assert permissions_of(operator, WorkspaceFactory()) == frozenset()


def test_nobody_is_a_stranger() -> None:
    membership = MembershipFactory()

    assert permissions_of(AnonymousUser(), membership.workspace) == frozenset()
    with pytest.raises(NotFound):
        workspace_for(AnonymousUser(), membership.workspace.slug)


def test_an_inactive_member_is_a_stranger() -> None:
    membership = MembershipFactory(user__is_active=False)

    assert permissions_of(membership.user, membership.workspace) == frozenset()
    with pytest.raises(NotFound):
        workspace_for(membership.user, membership.workspace.slug)


def test_a_missing_permission_is_named() -> None:
    membership = MembershipFactory(role=Role.VIEWER)

    with pytest.raises(Denied) as refused:
        require(membership.user, membership.workspace, "projects.write")

    assert refused.value.details == {"permission": "projects.write"}


def test_a_permission_one_has_passes() -> None:
    membership = MembershipFactory(role=Role.MEMBER)

    require(membership.user, membership.workspace, "projects.write")


def test_the_database_knows_the_roles_and_one_membership_per_pair() -> None:
    membership = MembershipFactory()

    for extra in (
        Membership(workspace=WorkspaceFactory(), user=membership.user, role="king", created_at=NOON),
        Membership(workspace=membership.workspace, user=membership.user, role=Role.VIEWER, created_at=NOON),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            extra.save()


def test_one_statement_finds_the_workspace_and_asks_for_the_permission(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    member = MembershipFactory(role=Role.VIEWER, workspace__slug="acme")

    with django_assert_num_queries(1):
        entered = enter(member.user, "acme", PROJECTS_READ, now=NOON)
    with pytest.raises(Denied) as denied:
        enter(member.user, "acme", PROJECTS_WRITE, now=NOON)

    assert entered == member.workspace
    assert denied.value.details == {"permission": PROJECTS_WRITE}


@pytest.mark.parametrize("slug", ["acme", "no-such-workspace", ""])
def test_nobody_but_a_member_enters(slug: str) -> None:
    MembershipFactory(workspace__slug="acme")
    shut_out = MembershipFactory(workspace__slug="globex", user__is_active=False).user

    for caller in (UserFactory(), AnonymousUser(), shut_out):
        with pytest.raises(NotFound):
            enter(caller, slug if caller != shut_out else "globex", PROJECTS_READ, now=NOON)
