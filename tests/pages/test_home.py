"""The start leads members to their workspaces, and shows nobody anybody else's."""

from __future__ import annotations

from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.models import BillableEntity
from mozaiks.workspaces.roles import Role
from tests.factories import BillableEntityFactory, MembershipFactory
from tests.pages.reader import Reader, words


def test_a_member_is_led_to_every_page_of_every_workspace_of_theirs(acme: BillableEntity, viewer: Reader) -> None:
    BillableEntityFactory(workspace__name="Globex", workspace__slug="globex")

    page = viewer.get("/").content.decode()

    assert 'href="/w/acme/billing"' in page
    assert "Acme Your role: viewer" in words(page)
    assert "Globex" not in page


def test_the_start_costs_the_same_with_many_workspaces(
    acme: BillableEntity, viewer: Reader, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    person = acme.workspace.memberships.get().user  # type: ignore[union-attr]
    for _ in range(5):
        MembershipFactory(user=person, role=Role.OWNER)

    with django_assert_num_queries(3):  # session, user, memberships
        viewer.get("/")


def test_who_is_not_signed_in_sees_doors_and_no_workspace(acme: BillableEntity) -> None:
    said = words(Client().get("/").content.decode())

    assert "Sign in" in said
    assert "Your workspaces" not in said
