"""The catalog over HTTP, for people who script it: the console's rules, its permissions and its words."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from billing.models import CatalogRevision, Plan, PlanTemplate, Product
from console.roles import ConsoleRole, create_roles
from mozaiks.workspaces.models import User
from tests import NOON
from tests.api.world import client_of
from tests.factories import (
    DefinitionFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

BASE = "/api/console/billing"
ENTRY = {"code": "a.max", "valueJson": {"limit": 5}}


def staff(**columns: Any) -> User:
    user: User = UserFactory(is_staff=True, **columns)
    return user


@pytest.fixture
def editor() -> APIClient:
    """Somebody in the group of catalog editors."""
    create_roles()
    user = staff(username="edith")
    user.groups.add(Group.objects.get(name=ConsoleRole.CATALOG_EDITOR))
    return client_of(user)


def errors(response: Any, status: int = 400) -> dict[str, list[str]]:
    assert response.status_code == status, response.content
    body: dict[str, Any] = response.json()
    found: dict[str, list[str]] = body.get("fieldErrors", {})
    return found


class TestLists:
    def test_have_pages_in_the_order_of_codes(self, editor: APIClient) -> None:
        for code in ("c", "a", "b"):
            PlanFactory(code=code)

        first = editor.get(f"{BASE}/plans?pageSize=2").json()
        second = editor.get(f"{BASE}/plans?pageSize=2&page=2").json()

        assert [plan["code"] for plan in first["entries"]] == ["a", "b"]
        assert (first["page"], first["pageSize"], first["hasMore"]) == (1, 2, True)
        assert [plan["code"] for plan in second["entries"]] == ["c"]
        assert not second["hasMore"]
        assert editor.get(f"{BASE}/plans?page=3").json()["entries"] == []

    @pytest.mark.parametrize(
        "query", ["page=0", "page=x", "page=-1", "pageSize=101", "pageSize=", "page=1000001", "page=٢"]
    )
    def test_refuse_pages_that_are_none(self, editor: APIClient, query: str) -> None:
        assert set(errors(editor.get(f"{BASE}/plans?{query}"))) == {query.split("=")[0]}

    @pytest.mark.parametrize("path", ["plans", "products", "entitlement-definitions"])
    def test_cost_the_same_however_long_they_are(self, path: str) -> None:
        client = client_of(staff(is_superuser=True))
        client.get(f"{BASE}/{path}")
        costs = set()

        for _ in range(3):
            PlanTemplateFactory()
            ProductTemplateFactory()
            with CaptureQueriesContext(connection) as asked:
                assert client.get(f"{BASE}/{path}").status_code == 200
            costs.add(len(asked))

        assert len(costs) == 1
        assert costs <= {2, 3, 4}, "the token, the rows, their templates"

    def test_show_inactive_ones_too(self, editor: APIClient) -> None:
        PlanFactory(code="old", is_active=False)
        ProductFactory(code="old", is_active=False)
        DefinitionFactory(code="old", is_active=False)

        for path in ("plans", "products", "entitlement-definitions"):
            entries = editor.get(f"{BASE}/{path}").json()["entries"]
            assert [entry["isActive"] for entry in entries if entry["code"] == "old"] == [False]


class TestPlans:
    def test_are_made_with_their_templates(self, editor: APIClient) -> None:
        DefinitionFactory(code="a.max")

        response = editor.post(
            f"{BASE}/plans",
            {
                "code": "pro",
                "name": "Pro",
                "checkoutUnitAmountMinor": 1900,
                "checkoutCurrency": "EUR",
                "checkoutInterval": "month",
                "entitlements": [ENTRY],
            },
        )

        assert response.status_code == 201
        answer = response.json()
        assert (answer["code"], answer["checkoutUnitAmountMinor"], answer["isActive"]) == ("pro", 1900, True)
        assert answer["createdAt"] == "2026-02-21T12:00:00.000Z"
        assert [(entry["code"], entry["valueJson"]) for entry in answer["entitlements"]] == [("a.max", {"amount": 5})]
        assert Plan.objects.get(code="pro").templates.get().amount == 5
        assert CatalogRevision.objects.get(code="pro").actor == "edith"

    def test_are_changed_in_the_fields_that_are_sent(self, editor: APIClient) -> None:
        template = PlanTemplateFactory(plan__code="pro", plan__name="Pro")

        response = editor.patch(f"{BASE}/plans/pro", {"code": "pro", "trialDays": 14, "reason": "A spring offer."})

        assert response.status_code == 200
        assert (response.json()["name"], response.json()["trialDays"]) == ("Pro", 14)
        assert list(PlanTemplate.objects.all()) == [template]
        assert CatalogRevision.objects.order_by("-number")[0].reason == "A spring offer."

    def test_keep_the_ids_of_templates_that_stay_and_lose_the_others(self, editor: APIClient) -> None:
        template = PlanTemplateFactory(plan__code="pro", definition__code="a.max")
        PlanTemplateFactory(plan=template.plan)

        editor.patch(f"{BASE}/plans/pro", {"entitlements": [ENTRY], "reason": "Fewer."})

        assert [(each.pk, each.amount) for each in PlanTemplate.objects.all()] == [(template.pk, 5)]
        editor.patch(f"{BASE}/plans/pro", {"entitlements": [], "reason": "None."})
        assert Plan.objects.get(code="pro").grants_nothing

    def test_that_say_the_same_again_change_nothing(self, editor: APIClient) -> None:
        PlanFactory(code="pro", name="Pro", grants_nothing=True, updated_at=NOON - timedelta(days=1))

        response = editor.patch(f"{BASE}/plans/pro", editor.get(f"{BASE}/plans/pro").json() and {"name": "Pro"})

        assert response.json()["updatedAt"] == "2026-02-20T12:00:00.000Z"
        assert not CatalogRevision.objects.exists()

    def test_say_why_they_change(self, editor: APIClient) -> None:
        PlanFactory(code="pro", name="Pro", grants_nothing=True)

        assert set(errors(editor.patch(f"{BASE}/plans/pro", {"name": "Professional"}))) == {"reason"}
        assert set(errors(editor.patch(f"{BASE}/plans/pro", {"name": "P", "reason": 5}))) == {"reason"}
        assert Plan.objects.get(code="pro").name == "Pro"

    def test_that_are_active_say_what_they_grant(self, editor: APIClient) -> None:
        assert set(errors(editor.post(f"{BASE}/plans", {"code": "pro", "name": "Pro"}))) == {"entitlements"}

    def test_are_refused_with_every_broken_rule_in_the_words_of_the_wire(self, editor: APIClient) -> None:
        response = editor.post(
            f"{BASE}/plans",
            {
                "name": "",
                "trialDays": -1,
                "checkout_currency": "EUR",
                "checkoutUnitAmountMinor": 5,
                "entitlements": [{"code": "nope", "valueJson": {"limit": "5"}}, 7],
            },
        )

        found = errors(response)
        assert set(found) == {
            "code",
            "name",
            "trialDays",
            "checkout_currency",
            "checkoutCurrency",
            "checkoutInterval",
            "entitlements[0].code",
            "entitlements[0].valueJson.limit",
            "entitlements[1]",
        }
        assert "unit_amount" not in response.content.decode()
        assert response.json()["details"]["fieldErrors"] == found
        assert not Plan.objects.exists()

    def test_with_a_key_nobody_knows_are_not_half_written(self, editor: APIClient) -> None:
        assert set(
            errors(editor.post(f"{BASE}/plans", {"code": "pro", "name": "Pro", "entitlements": [], "x": 1}))
        ) == {"x"}
        assert not Plan.objects.exists()

    def test_have_a_code_of_their_own_for_ever(self, editor: APIClient) -> None:
        PlanFactory(code="pro", grants_nothing=True)

        taken = editor.post(f"{BASE}/plans", {"code": "pro", "name": "Pro", "entitlements": []})
        renamed = editor.patch(f"{BASE}/plans/pro", {"code": "other", "reason": "New name."})

        assert set(errors(taken, 409)) == {"code"}
        assert set(errors(renamed)) == {"code"}

    @pytest.mark.parametrize("body", [[], "pro", None, 5])
    def test_are_objects(self, editor: APIClient, body: Any) -> None:
        assert editor.generic("POST", f"{BASE}/plans", json.dumps(body), "application/json").status_code == 400

    def test_that_are_not_there_are_not_found(self, editor: APIClient) -> None:
        assert editor.get(f"{BASE}/plans/nope").status_code == 404
        assert editor.patch(f"{BASE}/plans/nope", {"name": "N", "reason": "?"}).status_code == 404
        assert editor.get(f"{BASE}/plans/no%20pe").status_code == 404


class TestProducts:
    def test_are_made_and_changed(self, editor: APIClient) -> None:
        DefinitionFactory(code="a.max")
        entry = {"code": "a.max", "amount": 5, "grantKind": "timeboxed_addon", "durationDays": 60}

        made = editor.post(f"{BASE}/products", {"code": "pack", "name": "Pack", "entitlements": [entry]})
        changed = editor.patch(
            f"{BASE}/products/pack", {"unitAmountMinor": 900, "currency": "EUR", "reason": "It costs something now."}
        )

        assert (made.status_code, changed.status_code) == (201, 200)
        assert changed.json()["entitlements"] == [entry]
        assert Product.objects.get().unit_amount_minor == 900

    def test_name_the_fields_that_are_wrong(self, editor: APIClient) -> None:
        response = editor.post(
            f"{BASE}/products", {"code": "pack", "name": "Pack", "unitAmountMinor": 5, "providerPriceId": "p"}
        )

        assert set(errors(response)) == {"currency", "provider"}


class TestWhoMayDoIt:
    @pytest.mark.parametrize(
        ("granted", "method", "path", "status"),
        [
            ((), "GET", "plans", 403),
            (("view_plan",), "GET", "plans", 200),
            (("change_plan",), "GET", "plans", 200),
            (("view_product",), "GET", "plans", 403),
            (("view_plan", "change_plan"), "POST", "plans", 403),
            (("add_plan",), "POST", "plans", 201),
            (("view_plan", "add_plan"), "PATCH", "plans/known", 403),
            (("change_plan",), "PATCH", "plans/known", 200),
            (("change_plan",), "PATCH", "products/known", 403),
            (("change_product",), "PATCH", "products/known", 200),
            (("view_definition",), "GET", "entitlement-definitions", 200),
            (("view_plan",), "GET", "entitlement-definitions", 403),
        ],
    )
    def test_says_the_permission_of_the_console(
        self, granted: tuple[str, ...], method: str, path: str, status: int
    ) -> None:
        PlanFactory(code="known", grants_nothing=True)
        ProductFactory(code="known")
        user = staff()
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="billing", codename__in=granted))
        body = {"code": "new", "entitlements": []} if method == "POST" else {}

        response = client_of(user).generic(
            method,
            f"{BASE}/{path}",
            json.dumps({"name": "N", "reason": "Why not.", **body}),
            "application/json",
        )

        assert response.status_code == status, response.content
        if status == 403:
            assert response.json()["details"]["permission"].startswith("billing.")

    def test_is_no_permission_without_being_staff(self) -> None:
        user = UserFactory()
        user.user_permissions.set(Permission.objects.filter(codename="view_plan"))

        response = client_of(user).get(f"{BASE}/plans")

        assert (response.status_code, response.json()["details"]["permission"]) == (403, "staff")

    def test_is_superusers_everything(self) -> None:
        client = client_of(staff(is_superuser=True))

        assert client.post(f"{BASE}/plans", {"code": "pro", "name": "Pro", "entitlements": []}).status_code == 201

    def test_is_told_to_nobody_else_on_the_way(self, editor: APIClient) -> None:
        assert editor.get(f"{BASE}/plans")["Cache-Control"] == "private, no-cache"

    def test_an_unknown_method_is_told_so(self, editor: APIClient) -> None:
        assert editor.delete(f"{BASE}/plans").status_code == 405


def test_answers_are_what_the_description_says(editor: APIClient) -> None:
    schema = Client().get("/api/schema").json()
    PlanTemplateFactory(plan__code="pro", amount=None)
    PlanFactory(code="silent", is_active=False)
    ProductTemplateFactory(product__code="pack")
    DefinitionFactory(state=True, lock_state_name="over")

    for path in ("plans", "plans/pro", "plans/silent", "products", "products/pack", "entitlement-definitions"):
        described = schema["paths"][
            f"{BASE}/{path.replace('/pro', '/{code}').replace('/silent', '/{code}').replace('/pack', '/{code}')}"
        ]
        shape = described["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**shape, "components": schema["components"]})
        assert list(validator.iter_errors(editor.get(f"{BASE}/{path}").json())) == []
