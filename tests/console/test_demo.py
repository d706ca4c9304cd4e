"""The demo: loaded once, true to what it says, and made by the doors everybody uses."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models
from django.test import Client

from billing.entitlements.balances import verify
from billing.entitlements.limitations import resolve_effective_limitations
from billing.models import BillableEntity, Definition, Plan, PlanAssignment, Product
from console import demo
from console.management.commands.serve import greeting
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken, Membership, User, Workspace
from tests import NOON
from tests.console.support import signed_in
from tests.factories import PlanFactory

pytestmark = pytest.mark.django_db

needs_guests = pytest.mark.skipif(
    not (apps.is_installed("projects") and apps.is_installed("annuity")), reason="the guests have left"
)
CALCULATION = {
    "mode": "fv",
    "timing": "ordinary",
    "payment": 100,
    "annualRate": 3.5,
    "years": 10,
    "paymentsPerYear": 12,
}


def everything() -> dict[str, list[Any]]:
    """Every row of every table of ours."""
    labels = {"billing", "workspaces", "projects", "annuity"} & {app.label for app in apps.get_app_configs()}
    tables: list[type[models.Model]] = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return {model._meta.db_table: list(model._default_manager.order_by("pk").values()) for model in tables}


def loaded() -> str:
    """What the command says."""
    said = StringIO()
    call_command("load_demo", stdout=said)
    return said.getvalue()


def entity_of(slug: str) -> BillableEntity:
    return BillableEntity.objects.for_workspace(Workspace.objects.get(slug=slug).pk).get()


def test_loading_it_again_changes_nothing() -> None:
    first = demo.load(now=NOON)
    before = everything()

    again = demo.load(now=NOON + timedelta(days=3))

    assert first
    assert again == []
    assert everything() == before


def test_the_command_says_what_it_made_and_shows_the_token_once() -> None:
    first, second = loaded(), loaded()

    (secret,) = re.findall(r"mzk_[A-Za-z0-9_-]{32,}", first)
    assert tokens.authenticate(secret, now=NOON.replace(year=2100)).user.username == "alice"
    for made in ("Free", "Pro", "Unlimited", "100 calculations", "Acme", "Globex", "alice", "operator"):
        assert made in first
    assert second.strip() == "The demo is loaded already."


def test_everybody_can_sign_in_as_it_says() -> None:
    demo.load(now=NOON)

    for login in demo.LOGINS:
        assert Client().login(username=login.username, password=demo.PASSWORD)
        memberships = Membership.objects.filter(user__username=login.username)
        assert dict(memberships.values_list("workspace__slug", "role")) == login.roles
        assert User.objects.get(username=login.username).is_staff == (not login.roles)


def test_the_addresses_the_server_prints_are_there() -> None:
    demo.load(now=NOON)
    said = greeting("http://127.0.0.1:8000")
    operator = signed_in(User.objects.get(username="operator"))

    paths = re.findall(r"http://127\.0\.0\.1:8000(\S*)", said)

    assert {"/admin/", "/api/docs"} <= set(paths)
    for path in paths:
        assert operator.get(path).status_code == 200, path


def test_logins_are_printed_on_a_desk_only(settings: Any) -> None:
    demo.load(now=NOON)

    settings.DEBUG = False
    outside = greeting("http://127.0.0.1:8000")
    settings.DEBUG = True
    inside = greeting("http://127.0.0.1:8000")

    assert demo.PASSWORD not in outside
    assert all(login.username in inside for login in demo.LOGINS)


def test_the_ledger_of_the_demo_is_proven() -> None:
    demo.load(now=NOON)

    assert verify() == []


@needs_guests
def test_acme_starts_fresh_and_meets_its_limits_where_the_plan_says() -> None:
    loaded()
    alice = signed_in(User.objects.get(username="alice"))
    headers = {"x-workspace-slug": "acme"}

    projects = [
        alice.post(
            "/api/workspace/projects", {"name": f"Project {number}"}, content_type="application/json", headers=headers
        ).status_code
        for number in range(1, 5)
    ]
    calculations = [
        alice.post("/api/annuityCalculator", CALCULATION, content_type="application/json", headers=headers).status_code
        for _ in range(21)
    ]

    assert projects == [201, 201, 201, 409]
    assert calculations == [200] * 20 + [429]


@needs_guests
def test_globex_has_a_history_within_its_plan() -> None:
    demo.load(now=NOON)

    limits = {one.code: one for one in resolve_effective_limitations(entity_of("globex"), now=NOON).limitations}

    assert list(PlanAssignment.objects.for_entity(entity_of("globex").pk).values_list("plan__code", "status")) == [
        ("free", "past"),
        ("pro", "current"),
    ]
    assert limits["projects.max"].granted_amount == 25
    assert 0 < limits["projects.max"].consumed_amount < 25
    assert limits["annuity.calculations.monthly"].granted_amount == 1000
    assert limits["annuity.calculations.monthly"].consumed_amount > 0


@needs_guests
@pytest.mark.parametrize("day", [1, 2, 15, 28])
def test_it_loads_on_any_day_of_the_month(day: int) -> None:
    demo.load(now=NOON.replace(month=3, day=day))

    assert verify() == []


@needs_guests
def test_what_is_for_sale_is_what_the_catalog_promises() -> None:
    demo.load(now=NOON)

    plans = {
        plan.code: (plan.checkout_unit_amount_minor, dict(plan.templates.values_list("definition__code", "amount")))
        for plan in Plan.objects.all()
    }
    products = {
        product.code: (
            product.unit_amount_minor,
            sorted(product.templates.values_list("definition__code", "amount", "grant_kind", "duration_days")),
        )
        for product in Product.objects.all()
    }
    assert plans == {
        "free": (0, {"projects.max": 3, "annuity.calculations.monthly": 20}),
        "pro": (1900, {"projects.max": 25, "annuity.calculations.monthly": 1000}),
        "unlimited": (9900, {"projects.max": None, "annuity.calculations.monthly": None}),
    }
    assert products == {
        "extra_projects_pack_2m": (
            900,
            [
                ("annuity.calculations.monthly", 100, "timeboxed_addon", 60),
                ("projects.max", 5, "timeboxed_addon", 60),
            ],
        ),
        "calculation_credits_100": (500, [("annuity.calculations.monthly", 100, "one_off_topup", None)]),
    }


def test_without_the_guests_there_is_still_a_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    Definition.objects.filter(code__in=[demo.PROJECTS, demo.CALCULATIONS]).update(is_active=False)
    for app in apps.get_app_configs():
        monkeypatch.delattr(type(app), "load_demo", raising=False)

    demo.load(now=NOON)

    assert Plan.objects.filter(grants_nothing=True).count() == 3
    assert PlanAssignment.objects.get(billable_entity=entity_of("acme")).plan.code == "free"


def test_a_default_plan_that_somebody_chose_stays() -> None:
    PlanFactory(code="house", is_default=True)

    demo.load(now=NOON)

    assert Plan.objects.get(is_default=True).code == "house"


def test_what_an_operator_changed_stays() -> None:
    demo.load(now=NOON)
    Plan.objects.filter(code="pro").update(name="Professional")
    ApiToken.objects.update(revoked_at=NOON)

    assert demo.load(now=NOON) == []
    assert Plan.objects.get(code="pro").name == "Professional"
