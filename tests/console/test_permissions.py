"""Who may come into the console, and how far."""

import pytest
from django.contrib.auth.models import Group
from django.db import models
from django.test import Client

from billing.models import Definition, Plan
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken, User
from tests import NOON
from tests.console.support import LEDGERS, address, named, signed_in, staff, tables
from tests.factories import DefinitionFactory, UserFactory

pytestmark = pytest.mark.django_db
ALL = sorted(tables(), key=named)


@pytest.mark.parametrize("model", ALL, ids=named)
def test_strangers_are_sent_to_sign_in(client: Client, model: type[models.Model]) -> None:
    for page in ("changelist", "add"):
        answer = client.get(address(model, page))
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/?next=")


@pytest.mark.parametrize("model", ALL, ids=named)
def test_users_without_a_place_in_the_console_are_sent_to_sign_in(model: type[models.Model]) -> None:
    alice = signed_in(UserFactory(username="alice"))

    assert alice.get(address(model, "changelist")).status_code == 302


@pytest.mark.parametrize("model", ALL, ids=named)
def test_staff_sees_nothing_without_permissions(model: type[models.Model]) -> None:
    dora = signed_in(staff())

    for page in ("changelist", "add"):
        assert dora.get(address(model, page)).status_code == 403
    assert dora.get("/admin/").context["app_list"] == []


@pytest.mark.parametrize("model", [*LEDGERS, Plan, Definition], ids=named)
def test_who_may_look_looks_and_no_more(model: type[models.Model]) -> None:
    dora = signed_in(staff(f"{model._meta.app_label}.view_{model._meta.model_name}"))

    page = dora.get("/admin/")

    assert dora.get(address(model, "changelist")).status_code == 200
    assert dora.get(address(model, "add")).status_code == 403
    assert [len(section["models"]) for section in page.context["app_list"]] == [1]


def test_a_definition_is_deleted_by_those_who_may() -> None:
    definition = DefinitionFactory()
    changing = signed_in(staff("billing.change_definition", "billing.view_definition"))

    assert changing.post(address(Definition, "delete", definition.pk), {"post": "yes"}).status_code == 403
    assert Definition.objects.filter(pk=definition.pk).exists()


def test_plans_products_workspaces_users_and_tokens_are_never_deleted(operator: Client) -> None:
    from tests.console.support import MAKERS

    for model in (Plan, User, ApiToken):
        row = MAKERS[model]()
        assert operator.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model._default_manager.filter(pk=row.pk).exists()


class TestPower:
    """Nobody in the console gives themselves more than they have."""

    MANAGING = ("workspaces.view_user", "workspaces.change_user", "workspaces.add_user")

    def test_only_superusers_hand_out_power(self) -> None:
        alice = UserFactory(username="alice")
        powers = {"is_superuser": "on", "is_staff": "on", "user_permissions": ["1"]}

        answer = signed_in(staff(*self.MANAGING)).post(
            address(User, "change", alice.pk), {"username": "alicia", "is_active": "on", **powers}
        )

        alice.refresh_from_db()
        assert answer.status_code == 302
        assert alice.username == "alicia"
        assert (alice.is_superuser, alice.is_staff, alice.user_permissions.count()) == (False, False, 0)

    def test_a_superuser_is_out_of_reach(self) -> None:
        boss = UserFactory(username="boss", is_superuser=True, is_staff=True)
        dora = signed_in(staff(*self.MANAGING))
        password = {"password1": "a new one 42", "password2": "a new one 42", "usable_password": "true"}

        page = f"{address(User, 'change', boss.pk).removesuffix('change/')}password/"
        assert dora.post(page, password).status_code == 403
        assert dora.post(address(User, "change", boss.pk), {"username": "mine"}).status_code == 403
        boss.refresh_from_db()
        assert boss.check_password("open sesame")

    def test_a_colleague_of_the_staff_is_out_of_reach_too(self) -> None:
        colleague = staff("billing.add_grant", username="colleague")
        dora = signed_in(staff(*self.MANAGING))

        page = f"{address(User, 'change', colleague.pk).removesuffix('change/')}password/"

        assert dora.get(page).status_code == 403

    def test_a_token_for_the_staff_is_made_by_superusers_only(self) -> None:
        boss = UserFactory(is_superuser=True)
        alice = UserFactory(username="alice")
        dora = signed_in(staff("workspaces.add_apitoken", "workspaces.view_apitoken", "workspaces.view_user"))

        refused = dora.post(address(ApiToken, "add"), {"user": boss.pk, "name": "mine"})
        made = dora.post(address(ApiToken, "add"), {"user": alice.pk, "name": "hers"})

        assert refused.status_code == 200
        assert made.status_code == 302
        assert [token.user for token in ApiToken.objects.all()] == [alice]

    def test_groups_are_changed_by_superusers_only(self) -> None:
        dora = signed_in(staff("auth.add_group", "auth.change_group", "auth.view_group"))

        assert dora.post(address(Group, "add"), {"name": "mine"}).status_code == 403
        assert not Group.objects.exists()

    def test_a_token_is_revoked_by_those_who_may(self) -> None:
        token, _ = tokens.issue(UserFactory(), name="test", now=NOON)
        looking = signed_in(staff("workspaces.view_apitoken"))

        looking.post(
            address(ApiToken, "changelist"), {"action": "revoke_chosen", "_selected_action": [token.pk], "index": 0}
        )
        answer = looking.post(f"{address(ApiToken, 'change', token.pk).removesuffix('change/')}revoke/")

        token.refresh_from_db()
        assert answer.status_code == 403
        assert token.revoked_at is None
