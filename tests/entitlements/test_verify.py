"""Balances are derived: rebuilt from the facts they are the same, and any difference is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F

from billing.engine.types import EnforcementMode, GrantKind
from billing.entitlements.balances import recompute, verify
from billing.entitlements.holds import hold
from billing.entitlements.reversals import reverse
from billing.models import Balance, BillableEntity, OpenLot
from tests import NOON
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import CHARGE, PULSE
from tests.gadgets.services import charge, press, take_place

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def busy(db: None) -> BillableEntity:
    """A subject with a past: lots that ended, overage, reversals, a hold, a closed window, a rolling day."""
    entity = BillableEntityFactory()
    presses = PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=5, expires_at=NOON + timedelta(days=2))
    use = press(entity, "first", amount=17).bookings[0].consumption_id
    assert use is not None
    reverse(entity, use, amount=1, now=NOON)
    GrantFactory(subject=entity, definition=presses, amount=20, recorded_at=NOON + timedelta(days=1))
    press(entity, "march", amount=12, now=MARCH)
    press(entity, "late", amount=2, now=MARCH, occurred_at=NOON + timedelta(days=1))
    for days in (1, 2, 3):
        GrantFactory(
            subject=entity, definition=CreditsFactory(), amount=10, expires_at=NOON + timedelta(days=30 + days)
        )
    charge(entity, 14, now=MARCH)
    hold(entity, CHARGE, amount=3, now=MARCH)
    GrantFactory(subject=entity, definition=PlacesFactory(), amount=3)
    take_place(entity, "desk", number=2)
    GrantFactory(subject=entity, definition=PulsesFactory(), of_plan=True, amount=10)
    press(entity, "pulse", amount=3, capability=PULSE, now=MARCH)
    return entity


def projections(entity: BillableEntity) -> list[dict[str, object]]:
    """Running balances and open lots without what is not derived: ids, versions and bookkeeping times."""
    left_out = {"id", "version", "created_at", "updated_at", "last_recomputed_at", "metadata_json", "head_remaining"}
    rows = Balance.objects.running().filter(subject=entity).order_by("definition_id").values()
    lots = OpenLot.objects.filter(subject=entity).order_by("grant_id").values()
    return [{name: value for name, value in row.items() if name not in left_out} for row in [*rows, *lots]]


def test_a_busy_subject_is_what_its_facts_say(busy: BillableEntity) -> None:
    assert verify([busy.pk]) == []


def test_projections_wiped_and_rebuilt_are_the_same(busy: BillableEntity) -> None:
    recompute(busy, now=MARCH)
    before = projections(busy)
    Balance.objects.running().filter(subject=busy).update(
        consumed_amount=0, effective_amount=0, granted_amount=0, plan_used=0, head_grant_id=None, overage_amount=0
    )
    OpenLot.objects.filter(subject=busy).delete()

    recompute(busy, now=MARCH)

    assert projections(busy) == before


def test_rebuilding_what_is_right_changes_nothing_but_the_version(busy: BillableEntity) -> None:
    recompute(busy, now=MARCH)
    before = projections(busy)

    recompute(busy, now=MARCH)

    assert projections(busy) == before


def test_a_use_after_the_rows_were_lost_goes_on_from_the_facts(busy: BillableEntity) -> None:
    Balance.objects.filter(subject=busy).delete()
    OpenLot.objects.filter(subject=busy).delete()

    charge(busy, 1, now=MARCH)
    press(busy, "again", now=MARCH)

    row = Balance.objects.running().get(subject=busy, definition=CreditsFactory())
    assert (row.granted_amount, row.consumed_amount, row.held_amount, row.effective_amount) == (30, 15, 3, 12)
    recompute(busy, now=MARCH)  # what was not used again is rebuilt


def corrupt(statement: str) -> Callable[[BillableEntity], None]:
    def run(entity: BillableEntity) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [entity.pk])
            assert cursor.rowcount > 0

    return run


_RUNNING = "WHERE subject_id = %s AND closed_at IS NULL"
DAMAGE = {
    "a unit too many is free": f"UPDATE billing_entitlement_balances SET effective_amount = effective_amount + 1 {_RUNNING}",
    "a use is not counted": f"UPDATE billing_entitlement_balances SET consumed_amount = consumed_amount - 1 {_RUNNING}",
    "a boundary was forgotten": (
        f"UPDATE billing_entitlement_balances SET next_change_at = NULL {_RUNNING} AND next_change_at IS NOT NULL"
    ),
    "a pool forgot what it paid": f"UPDATE billing_entitlement_balances SET plan_used = 0 {_RUNNING} AND plan_used > 0",
    "a lot is lost": "DELETE FROM billing_entitlement_open_lots WHERE subject_id = %s",
    "a lot has more than it had": (
        "UPDATE billing_entitlement_open_lots SET remaining = remaining + 1 WHERE subject_id = %s AND remaining > 0"
    ),
    "a closed window lost its overage": (
        "UPDATE billing_entitlement_balances SET overage_amount = overage_amount + 1"
        " WHERE subject_id = %s AND closed_at IS NOT NULL"
    ),
    "a use was doubled": (
        "UPDATE billing_entitlement_consumptions SET amount = amount + 1"
        " WHERE subject_id = %s AND amount > 0 AND grant_id IS NOT NULL"
    ),
    "a share was lost": "DELETE FROM billing_entitlement_allocations WHERE subject_id = %s AND kind = 'share'",
    "a grant was lost": "DELETE FROM billing_entitlement_grants WHERE subject_id = %s",
    "a hold was lost": "DELETE FROM billing_entitlement_holds WHERE subject_id = %s",
}


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=[name.replace(" ", "-") for name in DAMAGE])
def test_damage_is_found(busy: BillableEntity, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT whole")
    corrupt(statement)(busy)

    found = verify([busy.pk])

    assert found
    assert {difference.subject_id for difference in found} == {busy.pk}
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK TO SAVEPOINT whole")


def test_a_version_that_falls_is_found(busy: BillableEntity) -> None:
    closed = Balance.objects.filter(subject=busy, closed_at__isnull=False)
    closed.update(version=F("version") + 1000)

    found = verify([busy.pk])
    closed.update(version=F("version") - 1000)

    assert [difference.what for difference in found] == ["version"]


def test_all_subjects_are_verified_with_progress(busy: BillableEntity) -> None:
    press(GrantFactory().subject, "other")
    told: list[int] = []

    assert verify(tell=told.append) == []

    assert told[-1] == 2


def test_a_balance_that_is_gone_is_found_and_rebuilt(busy: BillableEntity) -> None:
    before = projections(busy)
    Balance.objects.filter(subject=busy).delete()
    OpenLot.objects.filter(subject=busy).delete()

    missing = verify()
    recompute(busy, now=MARCH)

    assert {difference.what for difference in missing} == {"running balance"}
    assert len(missing) == 4
    assert verify() == []
    assert len(projections(busy)) == len(before)
