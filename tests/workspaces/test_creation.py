"""New users and workspaces, and those who hear of them."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from mozaiks.kit.errors import Conflict, Invalid
from mozaiks.workspaces import creation
from mozaiks.workspaces.creation import create_user, create_workspace
from mozaiks.workspaces.models import Membership, User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.factories import UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


class Listener:
    """Remembers what it heard, and may refuse to."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, datetime]] = []
        self.refuses = False

    def __call__(self, subject: Workspace | User, now: datetime) -> None:
        self.heard.append((str(subject), now))
        if self.refuses:
            raise Conflict("Not today.")


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    creation.on_workspace_created(listening)
    creation.on_user_created(listening)
    yield listening
    creation.workspace_created.unregister(listening)
    creation.user_created.unregister(listening)


def test_a_workspace_starts_with_its_owner() -> None:
    alice = UserFactory()

    workspace = create_workspace(name=" Acme ", slug="acme", owner=alice, now=NOON)

    assert (workspace.name, workspace.created_at) == ("Acme", NOON)
    membership = Membership.objects.get()
    assert (membership.workspace, membership.user, membership.role) == (workspace, alice, Role.OWNER)


def test_listeners_hear_of_it_once_however_often_they_registered(listener: Listener) -> None:
    creation.on_workspace_created(listener)

    create_workspace(name="Acme", slug="acme", owner=UserFactory(), now=NOON)

    assert listener.heard == [("Acme", NOON)]


def test_a_listener_that_fails_leaves_no_trace(listener: Listener) -> None:
    listener.refuses = True
    owner = UserFactory()

    with pytest.raises(Conflict):
        create_workspace(name="Acme", slug="acme", owner=owner, now=NOON)
    with pytest.raises(Conflict):
        create_user(username="bob", email="", password=None, now=NOON)

    assert not Workspace.objects.exists()
    assert not Membership.objects.exists()
    assert not User.objects.filter(username="bob").exists()


@pytest.mark.parametrize("slug", ["", "Acme", "ac me", "-acme", "acme-", "a" * 64, "acmé", "acme\n"])
def test_a_slug_that_is_none_is_refused_by_name(slug: str) -> None:
    with pytest.raises(Invalid) as refused:
        create_workspace(name="Acme", slug=slug, owner=UserFactory(), now=NOON)

    assert list(refused.value.field_errors) == ["slug"]


@pytest.mark.parametrize("slug", ["a", "7", "acme-2", "a" * 63])
def test_short_and_long_slugs_are_fine(slug: str) -> None:
    assert create_workspace(name="Acme", slug=slug, owner=UserFactory(), now=NOON).slug == slug


@pytest.mark.parametrize("name", ["", "  ", "x" * 161])
def test_a_name_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        create_workspace(name=name, slug="acme", owner=UserFactory(), now=NOON)

    assert list(refused.value.field_errors) == ["name"]


def test_a_slug_is_taken_once() -> None:
    WorkspaceFactory(slug="acme")

    with pytest.raises(Conflict) as refused:
        create_workspace(name="Acme", slug="acme", owner=UserFactory(), now=NOON)

    assert refused.value.code == "SLUG_TAKEN"


def test_a_user_can_sign_in_and_is_announced(listener: Listener) -> None:
    user = create_user(username="bob", email="Bob@EXAMPLE.org", password="open sesame", now=NOON)

    assert user.check_password("open sesame")
    assert (user.email, user.date_joined, user.is_staff) == ("Bob@example.org", NOON, False)
    assert listener.heard == [("bob", NOON)]


def test_a_user_without_a_password_has_none_that_works() -> None:
    assert not create_user(username="robot", email="", password=None, now=NOON).has_usable_password()


@pytest.mark.parametrize(
    ("username", "email", "field"), [("", "", "username"), ("a b", "", "username"), ("bob", "bob@", "email")]
)
def test_a_user_that_is_none_is_refused_by_field(username: str, email: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        create_user(username=username, email=email, password=None, now=NOON)

    assert list(refused.value.field_errors) == [field]


def test_a_username_is_taken_once() -> None:
    UserFactory(username="bob")

    with pytest.raises(Conflict) as refused:
        create_user(username="bob", email="", password=None, now=NOON)

    assert refused.value.code == "USERNAME_TAKEN"
