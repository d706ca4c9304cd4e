"""What people see is right at the instant of the question, even when nobody wrote anything since."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.engine.types import GrantKind
from billing.entitlements import capabilities
from billing.entitlements.balances import recompute
from billing.entitlements.holds import hold
from billing.entitlements.limitations import Limitation, alert_level, check, resolve_effective_limitations
from billing.errors import LimitExceeded
from billing.models import Balance, BillableEntity, Definition, OpenLot
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.factories import BillableEntityFactory, DefinitionFactory, GrantFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import ACCESS, CHARGE, CREDITS, PLACES, PRESS, PRESSES, PULSE, PULSES
from tests.gadgets.models import Place
from tests.gadgets.services import charge, press, take_place

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def seen(entity: BillableEntity, code: str, *, now: datetime = NOON) -> Limitation:
    (found,) = resolve_effective_limitations(entity, now=now, codes=[code]).limitations
    return found


def amounts(limitation: Limitation) -> tuple[int | None, int, int | None]:
    return limitation.granted_amount, limitation.consumed_amount, limitation.effective_amount


def test_every_limit_in_use_is_shown_with_zeros_where_nothing_was_granted() -> None:
    PressesFactory(), CreditsFactory(), PlacesFactory(), AccessFactory()
    entity = BillableEntityFactory()

    found = resolve_effective_limitations(entity, now=NOON).limitations

    shown = [limitation for limitation in found if limitation.code.startswith("gadgets.")]
    assert [limitation.code for limitation in shown] == sorted([PRESSES, CREDITS, PLACES, ACCESS])
    assert {amounts(limitation) for limitation in shown} == {(0, 0, 0)}
    assert not Balance.objects.filter(subject=entity).exists()


def test_a_read_writes_nothing_even_when_a_boundary_has_passed() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "first", amount=4)
    before = list(Balance.objects.values())

    assert amounts(seen(grant.subject, PRESSES, now=MARCH)) == (10, 0, 10)

    assert list(Balance.objects.values()) == before


def test_a_lot_that_ended_is_gone_at_once() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=100, expires_at=NOON + timedelta(days=1))
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=50)
    charge(entity, 80)

    assert amounts(seen(entity, CREDITS)) == (150, 80, 70)
    assert amounts(seen(entity, CREDITS, now=NOON + timedelta(days=1))) == (50, 0, 50)


def test_a_hold_that_ended_is_gone_at_once() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100)
    hold(grant.subject, CHARGE, amount=30, now=NOON)

    assert seen(grant.subject, CREDITS).held_amount == 30
    assert seen(grant.subject, CREDITS, now=NOON + timedelta(minutes=1)).held_amount == 0


def test_a_rolling_limit_shows_the_span_before_now() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    press(grant.subject, "first", amount=4, capability=PULSE)
    later = NOON + timedelta(hours=24)

    assert amounts(seen(grant.subject, PULSES, now=later - timedelta(milliseconds=1))) == (10, 4, 6)
    limitation = seen(grant.subject, PULSES, now=later)
    assert amounts(limitation) == (10, 0, 10)
    assert (limitation.window_start_at, limitation.window_end_at) == (NOON, None)


def test_a_capacity_shows_what_the_counter_says() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=3)
    take_place(grant.subject, "desk")
    Place.objects.create(entity=grant.subject, name="smuggled", created_at=NOON)

    assert amounts(seen(grant.subject, PLACES)) == (3, 2, 1)


def test_an_unlimited_limit_has_no_numbers_of_a_limit() -> None:
    grant = GrantFactory(amount=None)
    press(grant.subject, "much", amount=70)

    limitation = seen(grant.subject, PRESSES)

    assert (limitation.unlimited, limitation.hard_limit_amount) == (True, None)
    assert amounts(limitation) == (None, 70, None)


def test_the_next_change_is_the_next_instant_at_which_anything_may_change() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True)
    assert seen(entity, PRESSES).next_change_at == MARCH
    GrantFactory(subject=entity, expires_at=NOON + timedelta(days=2))
    assert seen(entity, PRESSES).next_change_at == NOON + timedelta(days=2)
    GrantFactory(subject=entity, effective_at=NOON + timedelta(days=1))
    assert seen(entity, PRESSES).next_change_at == NOON + timedelta(days=1)

    assert seen(entity, PRESSES, now=NOON + timedelta(days=3)).next_change_at == MARCH


def test_a_read_in_the_past_does_not_take_the_subject_back() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    press(grant.subject, "march", amount=4, now=MARCH)

    assert amounts(seen(grant.subject, PRESSES, now=NOON)) == (10, 4, 6)


def test_a_limit_nobody_uses_is_not_shown_and_cannot_be_asked_for() -> None:
    DefinitionFactory(code="nobody.knows")
    entity = BillableEntityFactory()

    assert "nobody.knows" not in {
        limitation.code for limitation in resolve_effective_limitations(entity, now=NOON).limitations
    }
    with pytest.raises(Invalid, match=r"nobody\.knows"):
        seen(entity, "nobody.knows")


def test_a_capacity_without_counter_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    grant = GrantFactory(definition=PlacesFactory())
    monkeypatch.delitem(capabilities._counters, PLACES)

    with pytest.raises(Invalid):
        seen(grant.subject, PLACES)


def test_a_limit_switched_off_elsewhere_is_not_shown() -> None:
    grant = GrantFactory()
    seen(grant.subject, PRESSES)
    Definition.objects.filter(code=PRESSES).update(is_active=False, updated_at=datetime(2100, 1, 1, tzinfo=UTC))

    with pytest.raises(Invalid):
        seen(grant.subject, PRESSES)


def statements(entity: BillableEntity, *, now: datetime = NOON) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        resolve_effective_limitations(entity, now=now)
    return len([query for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]])


@pytest.fixture
def full(db: None) -> BillableEntity:
    """A subject with a balance of every kind of definition there is, and many grants."""
    entity = BillableEntityFactory()
    for factory in (PressesFactory, CreditsFactory, PlacesFactory, AccessFactory, PulsesFactory):
        GrantFactory.create_batch(5, subject=entity, definition=factory(), amount=1)
    for definition in Definition.objects.exclude(code__startswith="gadgets."):
        GrantFactory(subject=entity, definition=definition, amount=1)
    statements(entity)
    return entity


def test_all_limits_are_read_in_one_statement_and_one_count_per_capacity(full: BillableEntity) -> None:
    capacities = Definition.objects.filter(entitlement_type="capacity").count()

    assert statements(full) <= 1 + capacities


def test_rows_that_are_due_or_missing_add_one_statement(full: BillableEntity) -> None:
    capacities = Definition.objects.filter(entitlement_type="capacity").count()
    Balance.objects.filter(definition__code__in=[CREDITS, ACCESS]).delete()
    OpenLot.objects.filter(definition__code__in=[CREDITS, ACCESS]).delete()

    assert statements(full, now=MARCH) <= 1 + 1 + capacities

    recompute(full, now=MARCH)


def test_a_check_decides_and_consumes_nothing() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "first", amount=4)

    assert check(grant.subject, PRESS, amount=6, now=NOON).fits
    refusal = check(grant.subject, PRESS, amount=7, now=NOON)
    assert (refusal.allowed, refusal.remaining, refusal.code) == (False, 6, "BILLING_LIMIT_EXCEEDED")
    assert amounts(seen(grant.subject, PRESSES)) == (10, 4, 6)


def test_a_check_and_the_use_after_it_agree() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory(subject=entity, kind=GrantKind.TOPUP, amount=5, expires_at=NOON + timedelta(days=1))

    for turn, (amount, now) in enumerate(
        [(12, NOON), (4, NOON), (3, NOON + timedelta(days=1)), (1, NOON + timedelta(days=2)), (10, MARCH)]
    ):
        decision = check(entity, PRESS, amount=amount, now=now)
        try:
            press(entity, f"turn {turn}", amount=amount, now=now)
            used = True
        except LimitExceeded:
            used = False
        assert decision.allowed is used


def test_a_limit_says_which_of_its_thresholds_is_reached() -> None:
    definition = PressesFactory(alert_thresholds=[50, 80, 100])
    entity = GrantFactory(definition=definition, amount=10).subject
    recompute(entity, now=NOON)
    levels = [seen(entity, PRESSES).alert_level]

    for number in range(10):
        press(entity, f"press {number}")
        levels.append(seen(entity, PRESSES).alert_level)

    assert levels == [None, None, None, None, None, 50, 50, 50, 80, 80, 100]
    assert seen(entity, PRESSES).alert_thresholds == (50, 80, 100)


@pytest.mark.parametrize(
    ("used", "granted", "level"), [(5, None, None), (0, 0, None), (1, 0, 100), (799, 1000, None), (800, 1000, 80)]
)
def test_the_level_of_no_limit_of_none_and_just_below(used: int, granted: int | None, level: int | None) -> None:
    assert alert_level((80, 100), used=used, granted=granted) == level
