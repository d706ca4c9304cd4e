"""Capacities: counted by the guest, under the lock, in the transaction of the change."""

from datetime import timedelta

import pytest

from billing.entitlements import capabilities
from billing.errors import CapacityLocked, LimitNotConfigured
from billing.models import BillableEntity, Consumption, Grant, ResourceSnapshot
from tests import NOON
from tests.entitlements.looking import balance_of, traces
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import PlacesFactory
from tests.gadgets.limits import PLACES
from tests.gadgets.models import Place
from tests.gadgets.services import leave_places, take_place


@pytest.fixture
def grant(db: None) -> Grant:
    return GrantFactory(definition=PlacesFactory(), amount=3)


def counted(entity: BillableEntity) -> tuple[int, int | None]:
    """What the balance says: held, and still free."""
    row = balance_of(entity, PlacesFactory())
    return row.consumed_amount, row.effective_amount


def test_a_place_is_taken_and_counted_and_no_ledger_row_is_written(grant: Grant) -> None:
    take_place(grant.subject, "desk")

    assert counted(grant.subject) == (1, 2)
    assert not Consumption.objects.exists()


def test_exactly_as_many_as_there_are(grant: Grant) -> None:
    take_place(grant.subject, "desk", number=3)

    with pytest.raises(CapacityLocked):
        take_place(grant.subject, "sofa")

    assert traces(grant.subject)["places"] == 3


def test_leaving_makes_room(grant: Grant) -> None:
    take_place(grant.subject, "desk", number=3)

    leave_places(grant.subject, "desk")

    assert counted(grant.subject) == (0, 3)
    take_place(grant.subject, "sofa", number=3)


def test_a_change_of_nothing_or_less_is_never_refused(grant: Grant) -> None:
    take_place(grant.subject, "desk", number=3)
    Place.objects.create(entity=grant.subject, name="smuggled", created_at=NOON)

    take_place(grant.subject, "none", number=0)

    assert counted(grant.subject) == (4, -1)


def test_places_taken_behind_the_engines_back_are_seen_at_the_next_change(grant: Grant) -> None:
    Place.objects.create(entity=grant.subject, name="smuggled", created_at=NOON)

    take_place(grant.subject, "desk")

    assert counted(grant.subject) == (2, 1)


def test_every_change_of_the_count_raises_the_version(grant: Grant) -> None:
    before = balance_of(grant.subject, grant.definition).version

    take_place(grant.subject, "desk")
    leave_places(grant.subject, "desk")

    assert balance_of(grant.subject, grant.definition).version == before + 2


def test_over_its_limit_it_locks_until_enough_is_gone() -> None:
    definition = PlacesFactory()
    grant = GrantFactory(definition=definition, amount=3, expires_at=NOON + timedelta(days=1))
    GrantFactory(subject=grant.subject, definition=definition, amount=1)
    take_place(grant.subject, "desk", number=2)
    take_place(grant.subject, "sofa", number=2)

    leave_places(grant.subject, "desk", now=NOON + timedelta(days=1))
    assert balance_of(grant.subject, definition).lock_state == "places_locked"
    leave_places(grant.subject, "sofa", now=NOON + timedelta(days=1))

    row = balance_of(grant.subject, definition)
    assert (row.lock_state, row.over_limit) == ("none", False)
    assert (row.granted_amount, row.consumed_amount) == (1, 0)


def test_without_a_counter_the_snapshot_counts(monkeypatch: pytest.MonkeyPatch, grant: Grant) -> None:
    monkeypatch.delitem(capabilities._counters, PLACES)
    ResourceSnapshot.objects.create(
        subject=grant.subject, resource_code=PLACES, resource_count=3, snapshot_at=NOON, source="event_driven"
    )

    with pytest.raises(CapacityLocked):
        take_place(grant.subject, "desk")


def test_without_counter_and_snapshot_a_capacity_is_not_configured(
    monkeypatch: pytest.MonkeyPatch, grant: Grant
) -> None:
    monkeypatch.delitem(capabilities._counters, PLACES)

    with pytest.raises(LimitNotConfigured):
        take_place(grant.subject, "desk")

    assert traces(grant.subject)["places"] == 0


def test_no_grant_is_no_place() -> None:
    PlacesFactory()

    with pytest.raises(CapacityLocked) as refused:
        take_place(BillableEntityFactory(), "desk")

    assert (refused.value.details["cap"], refused.value.details["requiredReduction"]) == (0, 1)


def test_an_action_that_raises_changes_no_count(grant: Grant) -> None:
    def stumble(made: list[Place]) -> None:
        raise RuntimeError("stumbled")

    with pytest.raises(RuntimeError):
        take_place(grant.subject, "desk", encode=stumble)

    assert counted(grant.subject) == (0, 3)
    assert traces(grant.subject)["places"] == 0
