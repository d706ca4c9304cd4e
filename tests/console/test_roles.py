"""Who may do what: every page and deed of authoring for everybody who may knock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from billing.catalog.publishing import publish_plan
from billing.models import CatalogRevision, Definition, Grant, Plan, Product, Rollout
from console.roles import ConsoleRole, create_roles
from mozaiks.workspaces.models import User
from tests import NOON
from tests.console.support import address, customer, signed_in
from tests.console.test_catalog_forms import definition_form, plan_form, product_form
from tests.factories import DefinitionFactory, PlanFactory, ProductFactory, UserFactory

pytestmark = pytest.mark.django_db

EVERYBODY = ("anonymous", "staff", "support", "billing-operator", "catalog-editor", "superuser")
LOOKING = frozenset(("support", "billing-operator", "catalog-editor", "superuser"))
AUTHORS = frozenset(("catalog-editor", "superuser"))
OPERATORS = frozenset(("billing-operator", "superuser"))


def person(who: str) -> User:
    if who == "superuser":
        boss: User = UserFactory(username=who, is_staff=True, is_superuser=True)
        return boss
    somebody: User = UserFactory(username=who, is_staff=True)
    if who != "staff":
        somebody.groups.add(Group.objects.get(name=who))
    return somebody


def browser(who: str) -> Client:
    create_roles()
    return Client() if who == "anonymous" else signed_in(person(who))


@dataclass(frozen=True)
class Deed:
    """One request, and who may make it. ``done`` is the status of an answer to those who may."""

    name: str
    who: frozenset[str]
    knock: Callable[[Client], Any]
    done: int = 200


def changed_plan() -> Plan:
    plan = PlanFactory(code="gold", name="Old", checkout_unit_amount_minor=0)
    return publish_plan({"code": plan.code, "name": "Gold"}, [], now=NOON)


def rollout() -> Rollout:
    return Rollout.objects.create(plan=changed_plan(), revision=2, status="ready", created_at=NOON, updated_at=NOON)


def base(row: Any) -> str:
    return address(type(row), "change", row.pk).removesuffix("change/")


DEEDS = [
    Deed("look at plans", LOOKING, lambda client: client.get(address(Plan, "changelist"))),
    Deed("look at a plan", LOOKING, lambda client: client.get(address(Plan, "change", PlanFactory().pk))),
    Deed("look at a product", LOOKING, lambda client: client.get(address(Product, "change", ProductFactory().pk))),
    Deed(
        "look at a definition",
        LOOKING,
        lambda client: client.get(address(Definition, "change", DefinitionFactory().pk)),
    ),
    Deed("read a history", LOOKING, lambda client: client.get(f"{base(changed_plan())}history/")),
    Deed("read a revision", LOOKING, lambda client: client.get(f"{base(changed_plan())}history/1/")),
    Deed("read all revisions", LOOKING, lambda client: client.get(address(CatalogRevision, "changelist"))),
    Deed("look at a rollout", LOOKING, lambda client: client.get(address(Rollout, "change", rollout().pk))),
    Deed("open a new plan", AUTHORS, lambda client: client.get(address(Plan, "add"))),
    Deed("add a plan", AUTHORS, lambda client: client.post(address(Plan, "add"), plan_form([])), done=302),
    Deed(
        "change a plan",
        AUTHORS,
        lambda client: client.post(address(Plan, "change", changed_plan().pk), plan_form("[]", name="New")),
        done=302,
    ),
    Deed("add a product", AUTHORS, lambda client: client.post(address(Product, "add"), product_form([])), done=302),
    Deed(
        "add a definition",
        AUTHORS,
        lambda client: client.post(address(Definition, "add"), definition_form()),
        done=302,
    ),
    Deed(
        "delete a definition",
        AUTHORS,
        lambda client: client.post(address(Definition, "delete", DefinitionFactory().pk), {"post": "yes"}),
        done=302,
    ),
    Deed("preview", AUTHORS, lambda client: client.post("/admin/billing/plan/entitlements/", {"text": "[]"})),
    Deed("preview of products", AUTHORS, lambda client: client.post("/admin/billing/product/entitlements/", {})),
    Deed(
        "go back",
        AUTHORS,
        lambda client: client.post(f"{base(changed_plan())}history/1/", {"reason": "A mistake."}),
        done=302,
    ),
    Deed("open applying", AUTHORS, lambda client: client.get(f"{base(changed_plan())}roll-out/")),
    Deed("begin to apply", AUTHORS, lambda client: client.post(f"{base(changed_plan())}roll-out/"), done=302),
    Deed(
        "apply",
        AUTHORS,
        lambda client: client.post(address(Rollout, "change", rollout().pk), {"do": "confirm", "reason": "So."}),
        done=302,
    ),
    Deed(
        "stop applying",
        AUTHORS,
        lambda client: client.post(address(Rollout, "change", rollout().pk), {"do": "drop"}),
        done=302,
    ),
    Deed("look at a customer", LOOKING, lambda client: client.get(address(type(customer()), "change", customer().pk))),
    Deed("open granting", OPERATORS, lambda client: client.get(f"{base(customer())}grant-units/")),
    Deed("open correcting", OPERATORS, lambda client: client.get(f"{base(customer())}correct/")),
    Deed("open setting a plan", OPERATORS, lambda client: client.get(f"{base(customer())}set-plan/")),
]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_a_deed_is_for_those_whose_work_it_is(deed: Deed, who: str) -> None:
    answer = deed.knock(browser(who))

    if who == "anonymous":
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/?next=")
    else:
        assert answer.status_code == (deed.done if who in deed.who else 403)


@pytest.mark.parametrize("who", [who for who in EVERYBODY if who not in AUTHORS])
def test_who_may_not_author_leaves_no_trace(who: str) -> None:
    client = browser(who)
    plan = changed_plan()
    waiting = Rollout.objects.create(plan=plan, revision=2, status="ready", created_at=NOON, updated_at=NOON)
    before = CatalogRevision.objects.count()

    client.post(address(Plan, "change", plan.pk), plan_form("[]", name="New"))
    client.post(f"{base(plan)}history/1/", {"reason": "A mistake."})
    client.post(f"{base(plan)}roll-out/")
    client.post(address(Rollout, "change", waiting.pk), {"do": "confirm", "reason": "So."})

    plan.refresh_from_db()
    waiting.refresh_from_db()
    assert (plan.name, waiting.status, Rollout.objects.count()) == ("Gold", "ready", 1)
    assert CatalogRevision.objects.count() == before
    assert not Grant.objects.exists()


@pytest.mark.parametrize("who", ["support", "billing-operator"])
def test_who_may_only_look_is_offered_nothing_to_press(who: str) -> None:
    client = browser(who)
    waiting = rollout()

    plan = client.get(address(Plan, "change", waiting.plan_id)).content.decode()
    revision = client.get(f"{base(waiting.plan)}history/1/").content.decode()
    page = client.get(address(Rollout, "change", waiting.pk)).content.decode()
    definition = client.get(address(Definition, "change", DefinitionFactory().pk)).content.decode()

    assert "roll-out" not in plan
    assert "data-insert" not in plan
    assert 'name="reason"' not in plan + revision + page
    assert "Reason for this change" not in plan + definition


def test_making_the_roles_again_mends_them_and_keeps_their_people() -> None:
    create_roles()
    support = Group.objects.get(name=ConsoleRole.SUPPORT)
    alice = UserFactory()
    alice.groups.add(support)
    wanted = set(support.permissions.values_list("codename", flat=True))
    support.permissions.clear()

    out = StringIO()
    call_command("create_roles", stdout=out)

    assert set(support.permissions.values_list("codename", flat=True)) == wanted
    assert list(alice.groups.all()) == [support]
    assert Group.objects.count() == 3
    assert f"support: {len(wanted)} permissions" in out.getvalue()


def test_everybody_with_a_role_sees_every_table_and_support_does_nothing_else() -> None:
    create_roles()
    tables = {f"view_{model._meta.model_name}" for model in admin.site._registry}

    for role in ConsoleRole:
        held = set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))
        assert tables <= held
        assert role is not ConsoleRole.SUPPORT or held == tables
