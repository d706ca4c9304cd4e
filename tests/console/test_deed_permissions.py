"""Who may do what to a customer, by role: every deed, looked at and tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from billing.models import (
    Balance,
    BillableEntity,
    BillingEvent,
    Consumption,
    Decision,
    Grant,
    GrantEnding,
    Operation,
    PlanAssignment,
)
from console.roles import ConsoleRole, create_roles
from tests import NOON
from tests.console.support import address, customer, signed_in, staff
from tests.factories import GrantFactory, PlanTemplateFactory, UserFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.services import press

pytestmark = pytest.mark.django_db

SUPERUSER, NOBODY, STRANGER = "superuser", "nobody", "stranger"
LOOKING = (ConsoleRole.SUPPORT, ConsoleRole.CATALOG_EDITOR, ConsoleRole.BILLING_OPERATOR, SUPERUSER)
OPERATING = (ConsoleRole.BILLING_OPERATOR, SUPERUSER)
EVERYBODY = (*LOOKING, NOBODY, STRANGER)

#: What is written to a customer, and who may; the others only look.
DEEDS = ("grant-units", "correct", "recompute", "set-plan", "cancel-plan-change", "end", "take-back")
VIEWS = ("change", "simulate-plan", "explain", "explain-use", "explain-balance", "explain-refusal")


@dataclass(frozen=True, kw_only=True)
class World:
    """A customer with something of everything."""

    entity: BillableEntity
    grant: Grant
    use: Consumption
    refusal: Decision

    def url(self, name: str) -> str:
        rows: dict[str, Any] = {"end": self.grant, "take-back": self.use, "explain-use": self.use}
        rows |= {"explain-balance": Balance.objects.running().get(subject=self.entity), "explain-refusal": self.refusal}
        row = rows.get(name, self.entity)
        path = "explain" if name.startswith("explain") else name
        found = f"{address(type(row), 'change', row.pk).removesuffix('change/')}{path}/"
        return f"{found}?code={self.grant.definition.code}" if name == "explain" else found

    def form(self) -> dict[str, Any]:
        """What fits every deed."""
        return {
            "limitation": self.grant.definition_id,
            "amount": "1",
            "kind": "promo",
            "plan": PlanTemplateFactory().plan.pk,
            "when": "now",
            "reason": "Because.",
            "operation_key": "console-test",
            "_confirmed": "yes",
        }


@pytest.fixture
def world() -> World:
    entity, presses = customer(), PressesFactory()
    grant = GrantFactory(subject=entity, definition=presses, amount=10)
    press(entity, "first", amount=2)
    refusal = Decision.objects.create(
        subject=entity,
        definition=presses,
        capability="gadgets.press",
        code="BILLING_LIMIT_EXCEEDED",
        reason="quota_exhausted",
        requested=1,
        limit=10,
        used=10,
        occurred_at=NOON,
    )
    return World(entity=entity, grant=grant, use=Consumption.objects.get(), refusal=refusal)


def browser_of(role: str) -> Client:
    """Somebody with that role alone."""
    if role == STRANGER:
        return signed_in(UserFactory(username="stranger"))
    if role == SUPERUSER:
        return signed_in(UserFactory(username="super", is_staff=True, is_superuser=True))
    user = staff(username=role)
    if role != NOBODY:
        create_roles()
        user.groups.add(Group.objects.get(name=role))
    return signed_in(user)


def written() -> dict[str, int]:
    kinds = (Grant, GrantEnding, Consumption, PlanAssignment, BillingEvent, Operation)
    return {model.__name__: model._default_manager.count() for model in kinds}


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_is_done_by_those_who_may_and_by_nobody_else(world: World, name: str, role: str) -> None:
    browser, form = browser_of(role), world.form()
    before = written()

    shown, preview, done = (
        browser.get(world.url(name)),
        browser.post(world.url(name), {key: form[key] for key in form if key != "_confirmed"}),
        browser.post(world.url(name), form),
    )

    if role in OPERATING:
        assert (shown.status_code, preview.status_code, done.status_code) == (200, 200, 302)
        assert name == "cancel-plan-change" or BillingEvent.objects.filter(event_type="operator").exists()
    else:
        refused = 302 if role == STRANGER else 403
        assert (shown.status_code, preview.status_code, done.status_code) == (refused, refused, refused)
        assert role != STRANGER or done["Location"].startswith("/admin/login/")
        assert written() == before


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", VIEWS)
def test_who_has_a_role_may_look(world: World, name: str, role: str) -> None:
    answer = browser_of(role).get(world.url(name))

    assert answer.status_code == (200 if role in LOOKING else 302 if role == STRANGER else 403)


@pytest.mark.parametrize("role", LOOKING)
def test_buttons_are_there_for_those_who_may_press_them(world: World, role: str) -> None:
    page = browser_of(role).get(world.url("change")).content.decode()

    offered = [
        name for name in ("grant-units", "/correct/", "recompute", "set-plan", "/end/", "take-back") if name in page
    ]
    assert bool(offered) == (role in OPERATING)
    assert "simulate-plan" in page
    assert "explain/?code=" in page


@pytest.mark.parametrize("role", LOOKING)
def test_who_may_look_simulates_and_nothing_is_written(world: World, role: str) -> None:
    browser, form = browser_of(role), world.form()
    before = written()

    answer = browser.post(world.url("simulate-plan"), form)

    assert answer.status_code == 200
    assert written() == before


def test_nobody_writes_to_the_page_of_a_customer(world: World) -> None:
    assert browser_of(SUPERUSER).post(world.url("change"), {"status": "inactive"}).status_code == 403


@pytest.mark.parametrize("permission", ["billing.grant_entitlements", "billing.correct_balances", "billing.set_plan"])
def test_a_deed_needs_the_permission_to_look_at_the_row_too(world: World, permission: str) -> None:
    blind = signed_in(staff(permission))

    for name in (*DEEDS, *VIEWS):
        assert blind.get(world.url(name)).status_code == 403


@pytest.mark.parametrize(
    ("permission", "opened"),
    [
        ("billing.grant_entitlements", {"grant-units", "end"}),
        ("billing.correct_balances", {"correct", "recompute", "take-back"}),
        ("billing.set_plan", {"set-plan", "cancel-plan-change"}),
    ],
)
def test_each_permission_opens_its_own_deeds(world: World, permission: str, opened: set[str]) -> None:
    views = ("billableentity", "grant", "consumption")
    browser = signed_in(staff(permission, *(f"billing.view_{name}" for name in views)))

    assert {name for name in DEEDS if browser.get(world.url(name)).status_code == 200} == opened
