"""Definitions kept in the process are renewed when another process changes them."""

from datetime import timedelta

import pytest

from billing.engine.types import EnforcementMode
from billing.entitlements.limitations import resolve_effective_limitations
from billing.errors import LimitExceeded, LimitNotConfigured
from billing.models import Definition, Grant
from tests import NOON
from tests.entitlements.looking import pressed
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.limits import PRESSES
from tests.gadgets.services import press

LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def grant(db: None) -> Grant:
    """One press, and a process that knows the definition."""
    grant = GrantFactory(amount=1)
    press(grant.subject, "first")
    return grant


def changed_elsewhere(grant: Grant, **columns: object) -> None:
    Definition.objects.filter(pk=grant.definition_id).update(updated_at=LATER, **columns)


def test_a_limit_softened_elsewhere_is_soft_at_once(grant: Grant) -> None:
    changed_elsewhere(grant, enforcement_mode=EnforcementMode.SOFT_WARN)

    press(grant.subject, "second")

    assert pressed(grant.subject) == ["first", "second"]


def test_a_limit_hardened_elsewhere_is_hard_at_once(grant: Grant) -> None:
    changed_elsewhere(grant, enforcement_mode=EnforcementMode.SOFT_WARN)
    press(grant.subject, "second")
    Definition.objects.update(updated_at=LATER + timedelta(minutes=1), enforcement_mode=EnforcementMode.HARD_DENY)

    with pytest.raises(LimitExceeded):
        press(grant.subject, "third")


def test_a_limit_switched_off_elsewhere_is_off_at_once(grant: Grant) -> None:
    changed_elsewhere(grant, is_active=False)

    with pytest.raises(LimitNotConfigured):
        press(grant.subject, "second")

    assert pressed(grant.subject) == ["first"]


def test_a_limit_switched_on_again_elsewhere_is_on_at_once(grant: Grant) -> None:
    changed_elsewhere(grant, is_active=False)
    with pytest.raises(LimitNotConfigured):
        press(grant.subject, "second")
    Definition.objects.update(is_active=True, updated_at=LATER + timedelta(minutes=1))

    with pytest.raises(LimitExceeded):
        press(grant.subject, "second")


def test_a_definition_made_elsewhere_is_found() -> None:
    entity = BillableEntityFactory()
    with pytest.raises(LimitNotConfigured):
        press(entity, "early")
    PressesFactory()

    with pytest.raises(LimitExceeded):
        press(entity, "early")


def test_a_refusal_uses_the_name_of_today(grant: Grant) -> None:
    changed_elsewhere(grant, name="Pushes")

    with pytest.raises(LimitExceeded, match="Pushes: the limit is reached"):
        press(grant.subject, "second")


def test_a_lock_follows_the_enforcement_of_today(grant: Grant) -> None:
    changed_elsewhere(grant, enforcement_mode=EnforcementMode.HARD_LOCK_RESOURCE, lock_state_name="presses_locked")
    press(grant.subject, "second", already_happened=True)
    locked = seen_lock(grant)

    changed = LATER + timedelta(minutes=1)
    Definition.objects.update(enforcement_mode=EnforcementMode.SOFT_WARN, updated_at=changed)

    assert (locked, seen_lock(grant)) == ("presses_locked", "none")
    assert_no_difference([grant.subject_id])


def seen_lock(grant: Grant) -> str:
    view = resolve_effective_limitations(grant.subject, now=NOON, codes=[PRESSES])
    return view.limitations[0].lock_state
