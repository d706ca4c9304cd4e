"""Whose limits a request is about, and who may not know."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from billing.models import BillableEntity
from billing.models.entities import EntityType
from mozaiks.workspaces import tokens
from mozaiks.workspaces.members import remove_member
from mozaiks.workspaces.models import User, Workspace
from tests import NOON
from tests.api.world import INTERNAL_KEY, World, client_of, own_entity
from tests.factories import BillableEntityFactory, UserFactory, WorkspaceFactory

URL = "/api/billing/limitations"
REFRESH = "/api/billing/limits/refresh"

ID = "x-billable-entity-id"
SLUG = "x-workspace-slug"


def subject_of(client: APIClient, query: Any = None, **headers: Any) -> int:
    """The id of the entity that was answered."""
    response = client.get(URL, query or {}, headers={name: str(value) for name, value in headers.items()})
    assert response.status_code == 200, response.content
    found: int = response.json()["billableEntity"]["id"]
    return found


@pytest.fixture
def member(world: World) -> APIClient:
    return world.client("member")


@pytest.fixture
def internal(world: World, settings: Any) -> APIClient:
    settings.INTERNAL_API_KEY = [INTERNAL_KEY]
    return APIClient(headers={"X-Internal-API-Key": INTERNAL_KEY}, enforce_csrf_checks=True)


class TestOrder:
    """First match wins."""

    def test_without_a_selector_it_is_the_callers_own(self, world: World, member: APIClient) -> None:
        mine = own_entity(world.people["member"])

        assert subject_of(member) == mine.pk

    def test_the_slug_in_the_query_and_in_the_header(self, world: World, member: APIClient) -> None:
        assert subject_of(member, {"workspaceSlug": "acme"}) == world.entity.pk
        assert subject_of(member, **{SLUG: "acme"}) == world.entity.pk

    def test_the_header_comes_before_the_query(self, world: World, member: APIClient) -> None:
        assert subject_of(member, {"workspaceSlug": "nowhere"}, **{SLUG: "acme"}) == world.entity.pk

    def test_the_entity_comes_before_the_workspace_however_it_is_named(self, world: World, member: APIClient) -> None:
        mine = own_entity(world.people["member"])

        assert subject_of(member, {"billableEntityId": mine.pk}, **{SLUG: "acme"}) == mine.pk
        assert subject_of(member, {"workspaceSlug": "nowhere"}, **{ID: mine.pk}) == mine.pk

    def test_the_entity_in_the_header_comes_before_the_one_in_the_query(self, world: World, member: APIClient) -> None:
        mine = own_entity(world.people["member"])

        assert subject_of(member, {"billableEntityId": 999_999}, **{ID: mine.pk}) == mine.pk


class TestMalformed:
    @pytest.mark.parametrize(
        "value", ["0", "-1", "1.0", "abc", "", " ", "1e3", "٣", "9223372036854775808", "1" * 30, "7;8", "0x7", "\0"]
    )
    def test_an_id_that_is_none_is_a_400_that_names_it(self, member: APIClient, value: str) -> None:
        response = member.get(URL, {"billableEntityId": value})

        assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")
        assert list(response.json()["fieldErrors"]) == ["billableEntityId"]

    def test_in_a_header_too(self, member: APIClient) -> None:
        response = member.get(URL, headers={ID: "seven"})

        assert list(response.json()["fieldErrors"]) == [ID]

    @pytest.mark.parametrize(("query", "headers"), [({"workspaceSlug": ""}, {}), ({}, {SLUG: " "})])
    def test_an_empty_slug_is_not_taken_for_the_callers_own(
        self, member: APIClient, query: dict[str, str], headers: dict[str, str]
    ) -> None:
        response = member.get(URL, query, headers=headers)

        assert response.status_code == 400
        assert list(response.json()["fieldErrors"]) == [*query, *headers]

    @pytest.mark.parametrize("slug", ["nowhere", "ACME", "a" * 500, "acme'--", "\0", "ü", "acme%"])
    def test_a_slug_of_nothing_is_a_404(self, member: APIClient, slug: str) -> None:
        assert member.get(URL, {"workspaceSlug": slug}).status_code == 404

    def test_the_highest_id_is_only_unknown(self, member: APIClient) -> None:
        assert member.get(URL, headers={ID: str(2**63 - 1)}).status_code == 404


class TestTenants:
    """A foreign id is a 404 in the same words as an unknown one."""

    @pytest.fixture
    def hidden(self, world: World) -> dict[str, int]:
        made = {
            "unknown": 999_999,
            "of another workspace": world.foreign_entity.pk,
            "of another user": own_entity(world.people["admin"]).pk,
        }
        for kind in (EntityType.ORGANIZATION, EntityType.EXTERNAL):
            made[kind.value] = BillableEntityFactory(
                entity_type=kind,
                workspace=None,
                entity_ref=f"user:{world.people['member'].pk}",
                owner_user=world.people["member"],
            ).pk
        return made

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_every_hidden_entity_is_the_same_404(self, world: World, hidden: dict[str, int], method: str) -> None:
        url = URL if method == "get" else REFRESH
        client = world.client("owner")

        bodies = {what: getattr(client, method)(url, headers={ID: str(pk)}) for what, pk in hidden.items()}

        assert {response.status_code for response in bodies.values()} == {404}
        assert len({response.content for response in bodies.values()}) == 1

    def test_a_foreign_workspace_is_the_same_404_as_none(self, member: APIClient) -> None:
        foreign = member.get(URL, headers={SLUG: "globex"})
        unknown = member.get(URL, headers={SLUG: "nowhere"})

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.content == unknown.content

    def test_an_operator_is_no_member(self, world: World) -> None:
        operator = world.client("operator")

        assert operator.get(URL, headers={SLUG: "acme"}).status_code == 404
        assert operator.get(URL, headers={ID: str(world.entity.pk)}).status_code == 404

    def test_who_left_may_not_look_any_more(self, world: World, member: APIClient) -> None:
        assert subject_of(member, **{SLUG: "acme"})
        remove_member(world.acme, world.people["member"])

        assert member.get(URL, headers={SLUG: "acme"}).status_code == 404
        assert member.get(URL, headers={ID: str(world.entity.pk)}).status_code == 404

    def test_the_owner_of_record_is_no_member(self, world: World) -> None:
        former = UserFactory()
        BillableEntity.objects.filter(pk=world.entity.pk).update(owner_user=former)

        assert client_of(former).get(URL, headers={ID: str(world.entity.pk)}).status_code == 404


class TestRoles:
    @pytest.mark.parametrize("who", ["owner", "admin", "member", "viewer"])
    def test_every_member_may_read(self, world: World, who: str) -> None:
        assert subject_of(world.client(who), **{SLUG: "acme"}) == world.entity.pk
        assert subject_of(world.client(who), **{ID: world.entity.pk}) == world.entity.pk

    @pytest.mark.parametrize(("who", "status"), [("owner", 200), ("admin", 200), ("member", 403), ("viewer", 403)])
    @pytest.mark.parametrize("selector", [{SLUG: "acme"}, {ID: "7"}])
    def test_who_manages_billing_may_write(self, world: World, who: str, status: int, selector: dict[str, str]) -> None:
        response = world.client(who).post(REFRESH, headers=selector)

        assert response.status_code == status
        if status == 403:
            assert response.json()["details"]["permission"] == "workspace.billing.manage"

    def test_ones_own_limits_need_no_role(self, world: World) -> None:
        assert world.client("viewer").post(REFRESH).status_code == 200


class TestFirstTouch:
    def test_the_own_entity_is_made_at_the_first_question_and_then_found(self, member: APIClient, world: World) -> None:
        first, second = subject_of(member), subject_of(member)

        made = BillableEntity.objects.get(pk=first)
        assert first == second
        assert (made.entity_type, made.owner_user, made.created_at) == ("user", world.people["member"], NOON)

    def test_a_workspace_older_than_billing_gets_its_entity(self, world: World, member: APIClient) -> None:
        BillableEntity.objects.filter(pk=world.entity.pk).delete()

        found = BillableEntity.objects.get(pk=subject_of(member, **{SLUG: "acme"}))

        assert found.workspace == world.acme

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(("headers", "statements"), [({}, 1), ({SLUG: "acme"}, 2), ({ID: "7"}, 1)])
    def test_selecting_costs_little(self, world: World, headers: dict[str, str], statements: int) -> None:
        own_entity(world.people["member"])
        client = world.client("member")
        client.get("/api/wallet", headers=headers)

        with CaptureQueriesContext(connection) as captured:
            assert client.get("/api/wallet", headers=headers).status_code == 200

        assert len(captured) == 1 + statements  # one for the token


class TestServices:
    """Who sends the internal key sees every entity, and none of their own."""

    def test_every_kind_of_entity_is_served(self, world: World, internal: APIClient) -> None:
        organization = BillableEntityFactory(entity_type=EntityType.ORGANIZATION, workspace=None, entity_ref="org:1")
        external = BillableEntityFactory(entity_type=EntityType.EXTERNAL, workspace=None, entity_ref="app:1")
        user = own_entity(world.people["viewer"])

        for entity in (organization, external, user, world.entity, world.foreign_entity):
            assert subject_of(internal, **{ID: entity.pk}) == entity.pk
        assert subject_of(internal, **{SLUG: "globex"}) == world.foreign_entity.pk

    def test_they_may_write(self, world: World, internal: APIClient) -> None:
        assert internal.post(REFRESH, headers={SLUG: "acme"}).status_code == 200

    def test_they_name_an_entity(self, internal: APIClient) -> None:
        response = internal.get(URL)

        assert response.status_code == 400
        assert list(response.json()["fieldErrors"]) == [ID]

    @pytest.mark.parametrize("headers", [{ID: "999999"}, {SLUG: "nowhere"}])
    def test_what_is_not_there_is_a_404_for_them_too(self, internal: APIClient, headers: dict[str, str]) -> None:
        assert internal.get(URL, headers=headers).status_code == 404

    @pytest.mark.parametrize(
        ("configured", "sent", "status"),
        [
            ([], "anything", 503),
            ([INTERNAL_KEY], "", 401),
            ([INTERNAL_KEY], "wrong", 403),
            (["new", "old"], "old", 200),
        ],
    )
    @pytest.mark.usefixtures("world")
    def test_the_key_is_asked_for_where_the_header_is_sent(
        self, settings: Any, configured: list[str], sent: str, status: int
    ) -> None:
        settings.INTERNAL_API_KEY = configured

        response = APIClient().get(URL, headers={"X-Internal-API-Key": sent, SLUG: "acme"})

        assert response.status_code == status
        if status == 401:
            assert response["WWW-Authenticate"].startswith("Bearer")

    def test_a_wrong_key_is_not_made_good_by_a_token(self, world: World, settings: Any) -> None:
        settings.INTERNAL_API_KEY = [INTERNAL_KEY]

        response = world.in_acme("owner", **{"X-Internal-API-Key": "wrong"}).get(URL)

        assert response.status_code == 403

    def test_the_key_opens_no_door_of_people(self, internal: APIClient) -> None:
        assert internal.post("/api/gadgets/press", headers={SLUG: "acme"}).status_code == 401


class TestSignedIn:
    """By token or by session; a session writes with CSRF only."""

    def test_nobody_is_a_401_with_a_challenge(self, world: World) -> None:
        response = APIClient().get(URL, headers={SLUG: "acme"})

        assert (response.status_code, response.json()["code"]) == (401, "NOT_AUTHENTICATED")
        assert response["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("token", ["mzk_wrong", "mzk_", "mzk_ü"])
    def test_a_token_that_is_none_is_a_401(self, world: World, token: str) -> None:
        response = APIClient().get(URL, headers={"Authorization": f"Bearer {token}"})

        assert response.status_code == 401

    def test_a_revoked_token_is_a_401_at_once(self, world: World) -> None:
        token, secret = tokens.issue(world.people["owner"], name="t", now=NOON)
        tokens.revoke(token, now=NOON)

        assert APIClient().get(URL, headers={"Authorization": f"Bearer {secret}"}).status_code == 401

    def test_a_session_reads_without_csrf_and_writes_with_it(self, world: World) -> None:
        browser = signed_in(world.people["owner"])
        assert browser.get(URL, headers={SLUG: "acme"}).status_code == 200

        def refresh(**headers: str) -> Any:
            return browser.post(REFRESH, content_type="application/json", headers={SLUG: "acme", **headers})

        without, wrong = refresh(), refresh(**{"X-CSRFToken": "x" * 32})
        good = refresh(**{"X-CSRFToken": browser.cookies["csrftoken"].value})

        assert (without.status_code, wrong.status_code, good.status_code) == (403, 403, 200)
        assert without.json()["code"] == "PERMISSION_DENIED"

    def test_a_form_is_no_way_in(self, world: World) -> None:
        browser = signed_in(world.people["owner"])

        form = browser.post(
            REFRESH, {"csrfmiddlewaretoken": browser.cookies["csrftoken"].value}, headers={SLUG: "acme"}
        )

        assert (form.status_code, form.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")

    def test_a_token_needs_no_csrf(self, world: World) -> None:
        assert world.in_acme("owner").post(REFRESH).status_code == 200

    def test_an_account_that_was_shut_is_shut_out(self, world: World) -> None:
        browser = signed_in(world.people["owner"])
        User.objects.filter(pk=world.people["owner"].pk).update(is_active=False)

        assert browser.get(URL).status_code == 401


def signed_in(user: User) -> Client:
    """A browser that has been through the login page."""
    browser = Client(enforce_csrf_checks=True)
    browser.get("/login/")
    answer = browser.post(
        "/login/",
        {
            "username": user.username,
            "password": "open sesame",
            "csrfmiddlewaretoken": browser.cookies["csrftoken"].value,
        },
    )
    assert answer.status_code == 302
    return browser


def test_a_workspace_without_members_is_nobodys(world: World) -> None:
    empty: Workspace = WorkspaceFactory()

    assert world.client("owner").get(URL, headers={SLUG: empty.slug}).status_code == 404
