"""Units set aside: they lower what is free, never decide who pays, and stop counting by themselves."""

from datetime import datetime, timedelta

import pytest

from billing.engine.types import EnforcementMode, HoldStatus
from billing.entitlements.holding import HoldView
from billing.entitlements.holds import Overrun, capture, extend, hold, release
from billing.errors import HoldClosed, IdempotencyConflict, LimitExceeded
from billing.models import BillableEntity, Consumption, Grant, Hold, HoldEvent
from mozaiks.kit.errors import Invalid, NotFound
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, used
from tests.factories import GrantFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory
from tests.gadgets.limits import CHARGE, TAKE_PLACE
from tests.gadgets.services import charge

MINUTE = timedelta(minutes=1)


@pytest.fixture
def grant(db: None) -> Grant:
    return GrantFactory(definition=CreditsFactory(), amount=100)


def held(grant: Grant, amount: int, *, now: datetime = NOON, key: str | None = None) -> HoldView:
    return hold(grant.subject, CHARGE, amount=amount, now=now, operation_key=key)


def at(entity: BillableEntity) -> Numbers:
    return numbers(entity, CreditsFactory())


def test_a_hold_lowers_what_is_free_and_nothing_else(grant: Grant) -> None:
    view = held(grant, 30)

    assert (view.amount, view.rest, view.status, view.expires_at) == (30, 30, HoldStatus.OPEN, NOON + MINUTE)
    assert at(grant.subject) == Numbers(100, 0, 70, held=30)
    assert not Consumption.objects.exists()


def test_held_units_cannot_be_used_by_others(grant: Grant) -> None:
    held(grant, 80)

    with pytest.raises(LimitExceeded) as refused:
        charge(grant.subject, 21)

    assert refused.value.details["remaining"] == 20
    charge(grant.subject, 20)


def test_a_hold_that_does_not_fit_is_refused_and_leaves_nothing(grant: Grant) -> None:
    held(grant, 80)

    with pytest.raises(LimitExceeded):
        held(grant, 21)

    assert Hold.objects.count() == HoldEvent.objects.count() == 1


def test_a_soft_limit_holds_whatever_is_asked() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=10)

    held(grant, 25)

    assert at(grant.subject) == Numbers(10, 0, -15, held=25)


def test_an_expired_hold_stops_counting_by_itself(grant: Grant) -> None:
    held(grant, 80)
    with pytest.raises(LimitExceeded):
        charge(grant.subject, 100, now=NOON + MINUTE - timedelta(milliseconds=1))

    charge(grant.subject, 100, now=NOON + MINUTE)

    assert at(grant.subject) == Numbers(100, 100, 0)


def test_a_capture_debits_and_closes(grant: Grant) -> None:
    view = held(grant, 30)

    captured = capture(grant.subject, view.id, amount=20, now=NOON)

    assert (captured.captured, captured.rest, captured.status) == (20, 0, HoldStatus.CAPTURED)
    assert at(grant.subject) == Numbers(100, 20, 80)
    assert captured.consumption_id == Consumption.objects.get().pk


def test_a_capture_in_parts_keeps_the_rest(grant: Grant) -> None:
    view = held(grant, 30)

    captured = capture(grant.subject, view.id, amount=10, final=False, now=NOON)

    assert (captured.rest, captured.status) == (20, HoldStatus.OPEN)
    assert at(grant.subject) == Numbers(100, 10, 70, held=20)
    capture(grant.subject, view.id, amount=20, final=False, now=NOON)
    assert at(grant.subject) == Numbers(100, 30, 70)
    with pytest.raises(HoldClosed):
        capture(grant.subject, view.id, amount=1, now=NOON)


def test_up_to_its_rest_a_capture_is_never_refused_even_after_the_end(grant: Grant) -> None:
    view = held(grant, 30)
    charge(grant.subject, 100, now=NOON + MINUTE)

    capture(grant.subject, view.id, amount=30, now=NOON + 2 * MINUTE)

    assert at(grant.subject) == Numbers(100, 130, -30, overage=30)


def test_units_that_ended_under_a_hold_are_overage_when_captured() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=50, expires_at=NOON + timedelta(seconds=30))
    view = held(grant, 50)

    capture(grant.subject, view.id, amount=50, now=NOON + timedelta(seconds=40))

    assert at(grant.subject) == Numbers(0, 50, -50, overage=50)


def test_above_the_rest_the_difference_is_taken_where_it_fits(grant: Grant) -> None:
    view = held(grant, 30)

    capture(grant.subject, view.id, amount=100, now=NOON)

    assert at(grant.subject) == Numbers(100, 100, 0)


def test_above_the_rest_what_does_not_fit_is_refused_and_the_hold_stays(grant: Grant) -> None:
    view = held(grant, 30)
    charge(grant.subject, 60)

    with pytest.raises(LimitExceeded):
        capture(grant.subject, view.id, amount=41, now=NOON)

    assert at(grant.subject) == Numbers(100, 60, 10, held=30)
    assert Hold.objects.get().status == HoldStatus.OPEN


def test_reject_refuses_everything_above_the_rest(grant: Grant) -> None:
    view = held(grant, 30)

    with pytest.raises(LimitExceeded) as refused:
        capture(grant.subject, view.id, amount=31, now=NOON, above_rest=Overrun.REJECT)

    assert refused.value.details["reason"] == "hold_exceeded"
    assert at(grant.subject) == Numbers(100, 0, 70, held=30)


def test_overdraft_records_what_is_above_the_rest(grant: Grant) -> None:
    view = held(grant, 30)
    charge(grant.subject, 70)

    capture(grant.subject, view.id, amount=45, now=NOON, above_rest=Overrun.OVERDRAFT)

    assert at(grant.subject) == Numbers(100, 115, -15, overage=15)


def test_a_release_gives_the_rest_back(grant: Grant) -> None:
    view = held(grant, 30)

    released = release(grant.subject, view.id, now=NOON)

    assert released.status == HoldStatus.RELEASED
    assert at(grant.subject) == Numbers(100, 0, 100)
    with pytest.raises(HoldClosed):
        release(grant.subject, view.id, now=NOON)


def test_a_release_after_the_end_gives_nothing_twice(grant: Grant) -> None:
    view = held(grant, 30)
    charge(grant.subject, 1, now=NOON + 2 * MINUTE)

    release(grant.subject, view.id, now=NOON + 2 * MINUTE)

    assert at(grant.subject) == Numbers(100, 1, 99)


def test_a_hold_pins_no_lot_so_its_release_changes_only_what_is_held() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=100)
    view = held(grant, 30)
    charge(grant.subject, 110)

    release(grant.subject, view.id, now=NOON)

    assert at(grant.subject) == Numbers(100, 110, -10, overage=10)


def test_an_extension_moves_the_end_to_now_and_its_ttl(grant: Grant) -> None:
    view = held(grant, 30)

    extended = extend(grant.subject, view.id, now=NOON + timedelta(seconds=50), ttl=timedelta(seconds=100))

    assert extended.expires_at == NOON + timedelta(seconds=150)
    with pytest.raises(LimitExceeded):
        charge(grant.subject, 100, now=NOON + timedelta(seconds=149))
    assert balance_of(grant.subject, grant.definition).next_change_at == NOON + timedelta(seconds=150)


def test_a_hold_whose_time_is_over_cannot_be_extended(grant: Grant) -> None:
    view = held(grant, 30)

    with pytest.raises(HoldClosed):
        extend(grant.subject, view.id, now=NOON + MINUTE)


def test_the_same_key_holds_once(grant: Grant) -> None:
    first = held(grant, 30, key="same")

    again = held(grant, 30, key="same")

    assert (again.id, again.replayed) == (first.id, True)
    assert at(grant.subject) == Numbers(100, 0, 70, held=30)
    with pytest.raises(IdempotencyConflict):
        held(grant, 31, key="same")


def test_the_same_key_captures_once_even_when_the_hold_is_closed(grant: Grant) -> None:
    view = held(grant, 30)
    first = capture(grant.subject, view.id, amount=30, now=NOON, operation_key="same")

    again = capture(grant.subject, view.id, amount=30, now=NOON + 2 * MINUTE, operation_key="same")

    assert (again.consumption_id, again.replayed) == (first.consumption_id, True)
    assert used(grant.subject) == 30


def test_the_same_key_releases_once(grant: Grant) -> None:
    view = held(grant, 30)
    release(grant.subject, view.id, now=NOON, operation_key="same")

    assert release(grant.subject, view.id, now=NOON, operation_key="same").replayed


def test_somebody_elses_hold_is_not_there(grant: Grant) -> None:
    view = held(grant, 30)
    stranger = GrantFactory(definition=grant.definition)

    with pytest.raises(NotFound):
        capture(stranger.subject, view.id, amount=1, now=NOON)
    with pytest.raises(NotFound):
        release(stranger.subject, view.id, now=NOON)
    with pytest.raises(NotFound):
        extend(stranger.subject, view.id, now=NOON)


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, 2**63])
def test_a_hold_of_no_positive_integer_is_refused(grant: Grant, amount: object) -> None:
    with pytest.raises(Invalid):
        held(grant, amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, 0.5, 24 * 3600 + 1, -5])
def test_a_hold_lasts_a_second_to_a_day(grant: Grant, seconds: float) -> None:
    with pytest.raises(Invalid):
        hold(grant.subject, CHARGE, amount=1, now=NOON, ttl=timedelta(seconds=seconds))


def test_a_capacity_cannot_be_held() -> None:
    grant = GrantFactory(definition=PlacesFactory())

    with pytest.raises(Invalid, match="counts a level"):
        hold(grant.subject, TAKE_PLACE, amount=1, now=NOON)


def test_every_step_is_an_event(grant: Grant) -> None:
    view = held(grant, 30)
    capture(grant.subject, view.id, amount=10, final=False, now=NOON)
    extend(grant.subject, view.id, now=NOON)
    release(grant.subject, view.id, now=NOON)

    steps = HoldEvent.objects.order_by("pk").values_list("kind", "amount")
    assert list(steps) == [("opened", 30), ("captured", 10), ("extended", 0), ("released", 20)]


def test_exactly_six_of_twenty_holds_of_75_fit_into_500() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=500)
    fitted = 0

    for _ in range(20):
        try:
            held(grant, 75)
            fitted += 1
        except LimitExceeded:
            pass

    assert fitted == 6
