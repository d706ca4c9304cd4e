"""Workspaces, members, people and tokens in the console: by the same rules as everywhere."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from django.test import Client

from billing.models import BillableEntity, PlanAssignment
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken, Membership, User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.console.support import address
from tests.factories import MembershipFactory, PlanFactory, UserFactory

pytestmark = pytest.mark.django_db


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200, "the form was not shown again"
    return {name: list(said) for name, said in answer.context["adminform"].form.errors.items()}


def members_form(workspace: Workspace, *rows: dict[str, Any], kept: int) -> dict[str, Any]:
    """What a browser posts for a workspace with ``kept`` members shown and the rest of ``rows`` added."""
    form: dict[str, Any] = {
        "name": workspace.name,
        "memberships-TOTAL_FORMS": len(rows),
        "memberships-INITIAL_FORMS": kept,
    }
    for number, row in enumerate(rows):
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
        form[f"memberships-{number}-workspace"] = workspace.pk
    return form


def roles(workspace: Workspace) -> dict[str, str]:
    return dict(Membership.objects.filter(workspace=workspace).values_list("user__username", "role"))


class TestWorkspaces:
    def test_a_workspace_is_made_with_its_owner_and_its_plan(self, operator: Client) -> None:
        alice = UserFactory(username="alice")
        plan = PlanFactory(is_default=True)

        answer = operator.post(address(Workspace, "add"), {"name": "Acme", "slug": "acme", "owner": alice.pk})

        assert answer.status_code == 302
        acme = Workspace.objects.get(slug="acme")
        assert roles(acme) == {"alice": "owner"}
        assert PlanAssignment.objects.get().billable_entity.workspace == acme
        assert PlanAssignment.objects.get().plan == plan

    @pytest.mark.parametrize("slug", ["Acme", "-acme", "taken", ""])
    def test_a_slug_that_will_not_do_is_told(self, operator: Client, slug: str) -> None:
        Workspace.objects.create(name="Taken", slug="taken", created_at=NOON)

        answer = operator.post(address(Workspace, "add"), {"name": "Acme", "slug": slug, "owner": UserFactory().pk})

        assert list(errors_of(answer)) == ["slug"]
        assert Workspace.objects.count() == 1

    def test_a_workspace_needs_an_owner(self, operator: Client) -> None:
        answer = operator.post(address(Workspace, "add"), {"name": "Acme", "slug": "acme", "owner": ""})

        assert list(errors_of(answer)) == ["owner"]

    def test_the_slug_stays(self, operator: Client) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        row = {"id": owner.pk, "user": owner.user_id, "role": "owner"}

        answer = operator.post(
            address(Workspace, "change", owner.workspace_id),
            {**members_form(owner.workspace, row, kept=1), "name": "Renamed", "slug": "other"},
        )

        assert answer.status_code == 302
        renamed = Workspace.objects.get(pk=owner.workspace_id)
        assert (renamed.name, renamed.slug) == ("Renamed", owner.workspace.slug)


class TestMembers:
    def test_an_owner_hands_over_and_leaves_in_one_save(self, operator: Client) -> None:
        owner = MembershipFactory(role=Role.OWNER, user__username="alice")
        bob = UserFactory(username="bob")

        answer = operator.post(
            address(Workspace, "change", owner.workspace_id),
            members_form(
                owner.workspace,
                {"id": owner.pk, "user": owner.user_id, "role": "owner", "DELETE": "on"},
                {"user": bob.pk, "role": "owner"},
                kept=1,
            ),
        )

        assert answer.status_code == 302
        assert roles(owner.workspace) == {"bob": "owner"}

    def test_roles_are_exchanged_in_one_save(self, operator: Client) -> None:
        alice = MembershipFactory(role=Role.OWNER, user__username="alice")
        bob = MembershipFactory(workspace=alice.workspace, user__username="bob")

        operator.post(
            address(Workspace, "change", alice.workspace_id),
            members_form(
                alice.workspace,
                {"id": alice.pk, "user": alice.user_id, "role": "member"},
                {"id": bob.pk, "user": bob.user_id, "role": "owner"},
                kept=2,
            ),
        )

        assert roles(alice.workspace) == {"alice": "member", "bob": "owner"}

    @pytest.mark.parametrize("change", [{"role": "viewer"}, {"role": "owner", "DELETE": "on"}])
    def test_a_workspace_keeps_an_owner(self, operator: Client, change: dict[str, str]) -> None:
        owner = MembershipFactory(role=Role.OWNER, user__username="alice")

        answer = operator.post(
            address(Workspace, "change", owner.workspace_id),
            members_form(owner.workspace, {"id": owner.pk, "user": owner.user_id, **change}, kept=1),
        )

        assert answer.status_code == 200
        assert "A workspace needs an owner." in answer.content.decode()
        assert roles(owner.workspace) == {"alice": "owner"}

    def test_a_member_is_not_turned_into_somebody_else(self, operator: Client) -> None:
        owner = MembershipFactory(role=Role.OWNER, user__username="alice")
        bob = UserFactory(username="bob")

        operator.post(
            address(Workspace, "change", owner.workspace_id),
            members_form(owner.workspace, {"id": owner.pk, "user": bob.pk, "role": "owner"}, kept=1),
        )

        assert roles(owner.workspace) == {"alice": "owner"}

    def test_a_change_is_heard_of_once(self, operator: Client, django_capture_on_commit_callbacks: Any) -> None:
        from mozaiks.workspaces.members import membership_changed

        heard: list[tuple[int, int]] = []

        def listener(workspace_id: int, user_id: int) -> None:
            heard.append((workspace_id, user_id))

        owner = MembershipFactory(role=Role.OWNER)
        bob = UserFactory()
        membership_changed.register(listener)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                operator.post(
                    address(Workspace, "change", owner.workspace_id),
                    members_form(
                        owner.workspace,
                        {"id": owner.pk, "user": owner.user_id, "role": "owner"},
                        {"user": bob.pk, "role": "member"},
                        kept=1,
                    ),
                )
        finally:
            membership_changed.unregister(listener)

        assert heard == [(owner.workspace_id, bob.pk)]


class TestPeople:
    def test_a_user_is_made_with_an_entity_of_their_own(self, operator: Client) -> None:
        answer = operator.post(
            address(User, "add"),
            {
                "username": "dora",
                "email": "dora@example.org",
                "usable_password": "true",
                "password1": "a long sentence 42",
                "password2": "a long sentence 42",
            },
        )

        assert answer.status_code == 302
        dora = User.objects.get(username="dora")
        assert dora.check_password("a long sentence 42")
        assert BillableEntity.objects.for_user(dora.pk).exists()
        assert not dora.is_staff

    def test_a_user_may_come_in_by_tokens_alone(self, operator: Client) -> None:
        operator.post(address(User, "add"), {"username": "robot", "email": "", "usable_password": "false"})

        assert not User.objects.get(username="robot").has_usable_password()

    def test_a_password_is_changed(self, operator: Client) -> None:
        alice = UserFactory(username="alice")
        form = {"usable_password": "true", "password1": "a long sentence 42", "password2": "a long sentence 42"}

        page = f"{address(User, 'change', alice.pk).removesuffix('change/')}password/"
        assert operator.get(page).status_code == 200
        operator.post(page, form)

        alice.refresh_from_db()
        assert alice.check_password("a long sentence 42")


class TestTokens:
    def test_the_secret_is_shown_once_and_only_its_digest_is_kept(self, operator: Client) -> None:
        alice = UserFactory(username="alice")

        answer = operator.post(address(ApiToken, "add"), {"user": alice.pk, "name": "nightly report"}, follow=True)

        token = ApiToken.objects.get()
        (secret,) = set(re.findall(r"mzk_[A-Za-z0-9_-]{32,}", answer.content.decode()))
        assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
        assert tokens.authenticate(secret, now=NOON.replace(year=2100)).user == alice
        for url in (address(ApiToken, "changelist"), address(ApiToken, "change", token.pk), "/admin/"):
            later = operator.get(url).content.decode()
            assert secret not in later
            assert token.digest not in later
        assert not any(secret in str(value) for value in ApiToken.objects.values().get().values())

    @pytest.mark.parametrize(
        ("said", "field"),
        [({"name": ""}, "name"), ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00:00"}, "expires_at")],
    )
    def test_what_cannot_be_a_token_is_told(self, operator: Client, said: dict[str, str], field: str) -> None:
        answer = operator.post(address(ApiToken, "add"), {"user": UserFactory().pk, "name": "test", **said})

        assert list(errors_of(answer)) == [field]
        assert not ApiToken.objects.exists()

    def test_a_token_is_revoked_on_its_page(self, operator: Client) -> None:
        token, _ = tokens.issue(UserFactory(), name="test", now=NOON)
        page = f"{address(ApiToken, 'change', token.pk).removesuffix('change/')}revoke/"

        assert operator.get(page).status_code == 200
        token.refresh_from_db()
        asked = token.revoked_at
        operator.post(page)

        token.refresh_from_db()
        assert asked is None
        assert token.revoked_at is not None

    def test_chosen_tokens_are_revoked(self, operator: Client) -> None:
        made = [tokens.issue(UserFactory(), name="test", now=NOON)[0] for _ in range(3)]

        operator.post(
            address(ApiToken, "changelist"),
            {"action": "revoke_chosen", "_selected_action": [made[0].pk, made[1].pk], "index": 0},
        )

        assert ApiToken.objects.filter(revoked_at=None).get() == made[2]

    def test_a_token_is_not_changed_afterwards(self, operator: Client) -> None:
        token, _ = tokens.issue(UserFactory(), name="test", now=NOON)

        answer = operator.post(address(ApiToken, "change", token.pk), {"name": "other", "user": token.user_id})

        assert answer.status_code == 403
