"""Every state of a limit is said in words on the page of its workspace: nobody has to see colours or run scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from billing.engine.types import EnforcementMode
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.limits import hold
from billing.models import BillableEntity, Definition
from tests import NOON
from tests.factories import GrantFactory, ProductTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import PRESS
from tests.gadgets.services import press, take_place
from tests.pages.reader import Reader


@pytest.mark.parametrize(
    ("used", "state", "left"), [(0, "room left", 10), (7, "room left", 3), (8, "nearly full", 2), (10, "full", 0)]
)
def test_how_full_it_is(acme: BillableEntity, viewer: Reader, used: int, state: str, left: int) -> None:
    GrantFactory(subject=acme)
    if used:
        press(acme, "many", amount=used)

    said = viewer.limit("Presses")

    assert f"Presses {state} " in said
    assert f"Granted 10 Used {used} Held 0 Left {left} {used} of 10 used, {left} left." in said
    assert "Resets in 7 days, 2026-03-01 00:00 UTC." in said


def test_what_is_held_is_told_apart(acme: BillableEntity, viewer: Reader) -> None:
    GrantFactory(subject=acme)
    hold(acme, PRESS, amount=4, now=NOON, operation_key="h")

    assert "Used 0 Held 4 Left 6 0 of 10 used, 4 held, 6 left." in viewer.limit("Presses")


def test_over_its_limit(acme: BillableEntity, viewer: Reader) -> None:
    PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    GrantFactory(subject=acme)
    press(acme, "much", amount=14)

    assert "over its limit by 4" in viewer.limit("Presses")
    assert "advisory: excess is let through" in viewer.limit("Presses")


def test_more_is_there_than_is_granted_any_more(acme: BillableEntity, viewer: Reader) -> None:
    yesterday = NOON - timedelta(days=1)
    places = PlacesFactory(name="Places")
    for ends in (NOON, None):
        GrantFactory(
            subject=acme, definition=places, amount=2, effective_at=yesterday, recorded_at=yesterday, expires_at=ends
        )
    take_place(acme, "desk", number=3, now=yesterday)

    said = viewer.limit("Places")

    assert "over its limit by 1 locked: places locked" in said
    assert "3 of 2 used, 0 left." in said


def test_expired(acme: BillableEntity, viewer: Reader) -> None:
    began = NOON - timedelta(days=9)
    GrantFactory(subject=acme, effective_at=began, recorded_at=began, expires_at=NOON)

    assert "Presses expired" in viewer.limit("Presses")


def test_unlimited(acme: BillableEntity, viewer: Reader) -> None:
    GrantFactory(subject=acme, amount=None)
    press(acme, "many", amount=70)

    said = viewer.limit("Presses")

    assert "Presses unlimited" in said
    assert "Granted unlimited Used 70 Held 0 Left unlimited 70 used, no limit." in said


def test_advisory(acme: BillableEntity, viewer: Reader, settings: Settings) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    GrantFactory(subject=acme, amount=1)
    press(acme, "many", amount=3)

    assert "advisory: nothing is refused" in viewer.limit("Presses")
    assert "Limits are advisory here" in viewer.text()


def test_a_rolling_limit_says_when_uses_stop_counting(acme: BillableEntity, viewer: Reader) -> None:
    GrantFactory(subject=acme, definition=PulsesFactory(name="Pulses"))
    press(acme, "one", capability="gadgets.pulse")

    assert "Earlier uses begin to stop counting in 1 day, 2026-02-22 12:00 UTC." in viewer.limit("Pulses")


def test_nothing_granted_stands_apart(acme: BillableEntity, viewer: Reader) -> None:
    PressesFactory()

    assert "nothing granted" in viewer.limit("Presses")
    assert "of which nothing was granted" in viewer.text()


def test_a_full_limit_says_what_would_make_room(acme: BillableEntity, viewer: Reader) -> None:
    grant = GrantFactory(subject=acme)
    template = ProductTemplateFactory(definition=grant.definition, product__name="Ten more", product__code="ten")
    press(acme, "all", amount=10)

    said = viewer.get().content.decode()

    assert "What would make room: Ten more: 20 in all, 5.00 EUR See the add-on" in viewer.limit("Presses")
    assert f'href="/w/acme/billing#product-{template.product.code}"' in said
    assert f'id="product-{template.product.code}"' in said


def test_access_that_has_run_out(acme: BillableEntity, viewer: Reader, settings: Settings) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"
    began, access = NOON - timedelta(days=9), Definition.objects.get(code=WORKSPACE_ACCESS)
    GrantFactory(subject=acme, definition=access, amount=1, effective_at=began, recorded_at=began, expires_at=NOON)

    assert "expired locked: workspace expired" in viewer.limit("Workspace access")
    assert "The access of this workspace has run out" in viewer.text()
