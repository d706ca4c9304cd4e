"""Who is refused, who is warned: the definition, the grants and the switch of the installation."""

import pytest
from pytest_django import Settings

from billing.engine.types import (
    AdjustmentKind,
    AdjustmentReason,
    EnforcementMode,
    EnforcementOverride,
    SourceType,
)
from billing.entitlements.balances import recompute
from billing.entitlements.manual import ByHand, end_grant
from billing.errors import CapacityLocked, LimitExceeded, LimitExceededPayable, StateNotGranted
from billing.models import Consumption, Definition, GrantAdjustment
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, pressed
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import AccessFactory, PlacesFactory, PressesFactory
from tests.gadgets.limits import ENTER
from tests.gadgets.services import press, take_place


@pytest.fixture
def advisory(settings: Settings) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False


@pytest.fixture
def soft(db: None) -> Definition:
    return PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)


def test_a_soft_limit_lets_through_and_records_overage(soft: Definition) -> None:
    grant = GrantFactory(definition=soft, amount=10)

    execution = press(grant.subject, "much", amount=14)

    (decision,) = execution.decisions
    assert (decision.allowed, decision.fits, decision.code) == (True, False, "BILLING_LIMIT_EXCEEDED")
    assert numbers(grant.subject, soft) == Numbers(10, 14, -4, overage=4)
    assert balance_of(grant.subject, soft).over_limit
    assert not balance_of(grant.subject, soft).lock_state.startswith("places")


def test_overage_of_a_month_is_not_carried_into_the_next(soft: Definition) -> None:
    grant = GrantFactory(definition=soft, of_plan=True, amount=10)
    press(grant.subject, "much", amount=14)

    press(grant.subject, "march", amount=1, now=NOON.replace(month=3))

    assert numbers(grant.subject, soft) == Numbers(10, 1, 9)


def test_a_soft_limit_without_any_grant_is_all_overage(soft: Definition) -> None:
    entity = BillableEntityFactory()

    press(entity, "much", amount=3)

    assert numbers(entity, soft) == Numbers(0, 3, -3, overage=3)


def test_what_has_already_happened_is_never_refused() -> None:
    grant = GrantFactory(amount=10)

    press(grant.subject, "happened", amount=25, already_happened=True)

    assert numbers(grant.subject, grant.definition) == Numbers(10, 25, -15, overage=15)
    assert Consumption.objects.get().advisory


@pytest.mark.usefixtures("advisory")
def test_in_advisory_mode_everything_goes_and_is_shown() -> None:
    grant = GrantFactory(amount=1)

    press(grant.subject, "much", amount=5)

    assert pressed(grant.subject) == ["much"]
    assert Consumption.objects.get().advisory
    assert numbers(grant.subject, grant.definition) == Numbers(1, 5, -4, overage=4)


@pytest.mark.usefixtures("advisory")
def test_in_advisory_mode_capacities_and_states_let_through() -> None:
    places = GrantFactory(definition=PlacesFactory(), amount=1)
    AccessFactory()

    take_place(places.subject, "desk", number=3)
    press(places.subject, "in", capability=ENTER)

    assert balance_of(places.subject, places.definition).consumed_amount == 3
    assert balance_of(places.subject, places.definition).over_limit


@pytest.mark.usefixtures("advisory")
def test_a_use_that_fits_is_not_marked_in_advisory_mode() -> None:
    grant = GrantFactory(amount=1)

    press(grant.subject, "fits")

    assert not Consumption.objects.get().advisory


def test_a_grant_may_soften_a_hard_limit_while_it_is_open() -> None:
    grant = GrantFactory(amount=1, override=EnforcementOverride.SOFT_WARN, expires_at=NOON.replace(day=22))

    press(grant.subject, "much", amount=5)

    with pytest.raises(LimitExceeded):
        press(grant.subject, "later", now=NOON.replace(day=22))


def test_the_strictest_override_wins(soft: Definition) -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, definition=soft, amount=1, override=EnforcementOverride.SOFT_WARN)
    GrantFactory(subject=entity, definition=soft, amount=1, override=EnforcementOverride.HARD_DENY)

    with pytest.raises(LimitExceeded):
        press(entity, "much", amount=3)


def test_on_the_platform_a_refusal_asks_for_payment(settings: Settings) -> None:
    settings.MOZAIKS_MODE = "platform"
    grant = GrantFactory(amount=1)

    with pytest.raises(LimitExceededPayable) as refused:
        press(grant.subject, "much", amount=2)

    assert refused.value.headers == {}


def test_a_state_is_granted_or_it_is_not() -> None:
    entity, access = BillableEntityFactory(), AccessFactory()
    with pytest.raises(StateNotGranted) as refused:
        press(entity, "knock", capability=ENTER)
    assert refused.value.details["limitationCode"] == access.code

    GrantFactory(subject=entity, definition=access, amount=1)

    press(entity, "knock", capability=ENTER)
    row = balance_of(entity, access)
    assert (row.granted_amount, row.lock_state) == (1, "none")
    assert not Consumption.objects.exists()


def test_a_state_that_ends_locks() -> None:
    grant = GrantFactory(definition=AccessFactory(), amount=1, expires_at=NOON.replace(day=22))

    with pytest.raises(StateNotGranted):
        press(grant.subject, "knock", capability=ENTER, now=NOON.replace(day=22))

    GrantFactory(
        subject=grant.subject,
        definition=grant.definition,
        amount=1,
        effective_at=NOON.replace(day=23),
        recorded_at=NOON.replace(day=23),
    )
    assert balance_of(grant.subject, grant.definition).lock_state == "none"


def test_a_capacity_refuses_with_how_many_must_go() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=5)
    take_place(grant.subject, "desk", number=4)

    with pytest.raises(CapacityLocked) as refused:
        take_place(grant.subject, "sofa", number=3)

    details = refused.value.details
    assert (details["used"], details["cap"], details["overBy"], details["requiredReduction"]) == (4, 5, 0, 2)
    assert details["lockState"] == "none"


def test_a_state_that_was_granted_before_is_locked_when_another_grant_ends_as_it_begins() -> None:
    before = GrantFactory(definition=AccessFactory(), amount=1, expires_at=NOON.replace(day=22))
    again = NOON.replace(day=23)
    after = GrantFactory(
        subject=before.subject, definition=before.definition, amount=1, effective_at=again, recorded_at=again
    )

    end_grant(after, by=ByHand(actor="ada", reason="a mistake"), now=again)

    assert balance_of(before.subject, before.definition).lock_state == "access_expired"
    assert_no_difference([before.subject_id])


def test_a_state_whose_only_grant_ended_as_it_began_was_never_granted() -> None:
    grant = GrantFactory(definition=AccessFactory(), amount=1)
    GrantAdjustment.objects.create(
        subject=grant.subject,
        definition=grant.definition,
        grant=grant,
        kind=AdjustmentKind.FREEZE,
        reason=AdjustmentReason.DISPUTED,
        source_type=SourceType.BILLING_PURCHASE,
        occurred_at=NOON,
        dedupe_key="a1:freeze",
        created_at=NOON,
    )
    recompute(grant.subject, now=NOON)

    end_grant(grant, by=ByHand(actor="ada", reason="a mistake"), now=NOON)

    assert balance_of(grant.subject, grant.definition).lock_state == "none"
    assert_no_difference([grant.subject_id])
