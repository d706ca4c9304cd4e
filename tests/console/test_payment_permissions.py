"""Who may do what to a purchase and to an event, by role: every page, looked at and tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from billing.payments import by_hand
from tests.console.support import address, signed_in, staff
from tests.console.test_deed_permissions import EVERYBODY, LOOKING, OPERATING, STRANGER, browser_of
from tests.factories import BillableEntityFactory, ProductFactory
from tests.gadgets.factories import CreditsFactory
from tests.house.rows import insert
from tests.payments.support import Refunding, bought, confirm, paid

pytestmark = pytest.mark.django_db

DEEDS = ("refund", "void", "correct", "attach-product", "looked-at", "replay")


@dataclass(frozen=True, kw_only=True)
class World:
    """A purchase as it should be, one that is flagged, and an event that failed."""

    purchase: Purchase
    flagged: Purchase
    event: BillingEvent

    def url(self, name: str) -> str:
        row: Any = self.purchase
        if name in ("attach-product", "looked-at"):
            row = self.flagged
        elif name in ("replay", "event"):
            row = self.event
        shown = address(type(row), "change", row.pk)
        return shown if name in ("change", "event") else f"{shown.removesuffix('change/')}{name}/"

    def form(self) -> dict[str, Any]:
        """What fits every deed."""
        fits = {"amount": "1", "product": ProductFactory().pk, "reason": "Because.", "operation_key": "console-test"}
        return fits | {"_confirmed": "yes"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = Refunding()
    monkeypatch.setattr(by_hand, "connector_named", lambda name: made)
    purchase = bought((CreditsFactory(), 100))
    flagged = confirm(paid(payment_id="pi_2", price_id="price_lost"), BillableEntityFactory()).purchase
    event = insert(
        BillingEvent,
        event_type="webhook",
        event_name="unknown.event",
        provider="mock",
        status="failed",
        error_text="No.",
    )
    return World(purchase=purchase, flagged=flagged, event=event)


def written() -> tuple[int, ...]:
    return tuple(model._default_manager.count() for model in (PurchaseAdjustment, BillingEvent))


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_is_done_by_those_who_may_and_by_nobody_else(world: World, name: str, role: str) -> None:
    browser, form = browser_of(role), world.form()
    before = written()

    shown, done = browser.get(world.url(name)), browser.post(world.url(name), form)

    if role in OPERATING:
        assert (shown.status_code, done.status_code) == (200, 302)
        assert written() != before
    else:
        refused = 302 if role == STRANGER else 403
        assert (shown.status_code, done.status_code) == (refused, refused)
        assert written() == before


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", ["change", "event"])
def test_who_has_a_role_may_look(world: World, name: str, role: str) -> None:
    answer = browser_of(role).get(world.url(name))

    assert answer.status_code == (200 if role in LOOKING else 302 if role == STRANGER else 403)


@pytest.mark.parametrize("role", LOOKING)
def test_buttons_are_there_for_those_who_may_press_them(world: World, role: str) -> None:
    browser = browser_of(role)

    purchase, event = (
        browser.get(world.url("change")).content.decode(),
        browser.get(world.url("event")).content.decode(),
    )

    assert ("/refund/" in purchase) == ("/void/" in purchase) == ("/replay/" in event) == (role in OPERATING)


@pytest.mark.parametrize(
    ("permission", "opened"),
    [
        ("billing.adjust_purchases", {"refund", "void", "correct", "attach-product", "looked-at"}),
        ("billing.replay_events", {"replay"}),
        ("billing.set_plan", set()),
    ],
)
def test_each_permission_opens_its_own_deeds(world: World, permission: str, opened: set[str]) -> None:
    browser = signed_in(staff(permission, "billing.view_purchase", "billing.view_billingevent"))

    assert {name for name in DEEDS if browser.get(world.url(name)).status_code == 200} == opened


@pytest.mark.parametrize("permission", ["billing.adjust_purchases", "billing.replay_events"])
def test_a_deed_needs_the_permission_to_look_at_the_row_too(world: World, permission: str) -> None:
    blind = signed_in(staff(permission))

    assert {blind.get(world.url(name)).status_code for name in DEEDS} == {403}
