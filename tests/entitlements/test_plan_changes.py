"""A change of plan changes what there is, never what was used: toggling refills nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.types import GrantKind, Replenish, SourceType
from billing.entitlements.manual import ByHand, end_grant
from billing.errors import LimitExceeded
from billing.models import BillableEntity, Definition, Grant, GrantEnding, Plan
from billing.models.assignments import AssignmentSource
from billing.models.catalog import DurationPolicy, PlanGrantKind
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.services import press, take_place

HOUR = timedelta(hours=1)


def plan_of(amount: int | None, definition: Definition) -> Plan:
    plan: Plan = PlanFactory()
    PlanTemplateFactory(plan=plan, definition=definition, amount=amount)
    return plan


def put_on(entity: BillableEntity, plan: Plan, *, now: datetime = NOON) -> None:
    assign(entity, plan, source=AssignmentSource.INTERNAL, now=now)


@pytest.fixture
def presses(db: None) -> Definition:
    return PressesFactory()


@pytest.fixture
def entity(presses: Definition) -> BillableEntity:
    """On a plan of 100, of which 80 are used."""
    entity = BillableEntityFactory()
    put_on(entity, plan_of(100, presses))
    press(entity, "eighty", amount=80)
    return entity


def test_after_an_upgrade_what_was_used_stays_used(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, plan_of(1000, presses), now=NOON + HOUR)

    assert numbers(entity, presses) == Numbers(1000, 80, 920)


def test_after_a_downgrade_nothing_is_left_and_it_shows(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, plan_of(50, presses), now=NOON + HOUR)

    assert numbers(entity, presses) == Numbers(50, 50, 0)
    row = balance_of(entity, presses)
    assert (row.over_limit, row.plan_used, row.overage_amount) == (True, 80, 0)
    with pytest.raises(LimitExceeded) as refused:
        press(entity, "one more", now=NOON + HOUR)
    assert refused.value.details["remaining"] == 0


def test_up_and_down_again_leaves_nothing_but_what_was_there(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, plan_of(1000, presses), now=NOON + HOUR)
    put_on(entity, plan_of(50, presses), now=NOON + 2 * HOUR)

    assert numbers(entity, presses) == Numbers(50, 50, 0)
    assert balance_of(entity, presses).over_limit


def test_a_top_up_bought_while_over_the_limit_gives_all_it_has(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, plan_of(50, presses), now=NOON + HOUR)

    GrantFactory(subject=entity, definition=presses, amount=40, recorded_at=NOON + 2 * HOUR)

    assert numbers(entity, presses) == Numbers(90, 50, 40)
    assert not balance_of(entity, presses).over_limit
    press(entity, "forty", amount=40, now=NOON + 2 * HOUR)


def test_toggling_plans_ten_times_gives_nothing(entity: BillableEntity, presses: Definition) -> None:
    small, large = plan_of(100, presses), plan_of(1000, presses)

    for toggle in range(10):
        put_on(entity, large if toggle % 2 else small, now=NOON + (toggle + 1) * HOUR)

    assert numbers(entity, presses) == Numbers(1000, 80, 920)
    put_on(entity, small, now=NOON + 20 * HOUR)
    assert numbers(entity, presses) == Numbers(100, 80, 20)


def test_in_the_next_window_the_new_plan_is_full(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, plan_of(50, presses), now=NOON + HOUR)

    press(entity, "march", amount=1, now=datetime(2026, 3, 1, tzinfo=UTC))

    assert numbers(entity, presses) == Numbers(50, 1, 49)


def test_what_was_used_without_limit_stays_used(presses: Definition) -> None:
    entity = BillableEntityFactory()
    put_on(entity, plan_of(None, presses))
    press(entity, "much", amount=700)

    put_on(entity, plan_of(1000, presses), now=NOON + HOUR)

    assert numbers(entity, presses) == Numbers(1000, 700, 300)


def test_a_bonus_that_ends_takes_its_rest_along(presses: Definition) -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=100)
    GrantFactory(subject=entity, bonus_of_plan=True, amount=50, expires_at=NOON + timedelta(days=5))
    press(entity, "much", amount=120)

    press(entity, "later", amount=1, now=NOON + timedelta(days=5))

    assert numbers(entity, presses) == Numbers(100, 71, 29)


def test_the_grants_of_the_plan_before_end_in_the_same_transaction(entity: BillableEntity, presses: Definition) -> None:
    before = Grant.objects.get(subject=entity)

    put_on(entity, plan_of(1000, presses), now=NOON + HOUR)

    ending = GrantEnding.objects.get()
    assert (ending.grant_id, ending.ended_at, ending.reason) == (before.pk, NOON + HOUR, "replaced")
    assert Grant.objects.filter(subject=entity).active_at(NOON + HOUR).get().amount == 1000


def test_bonus_days_of_fixed_duration_are_given_once_and_outlive_the_plan(presses: Definition) -> None:
    entity, plan, other = BillableEntityFactory(), PlanFactory(), PlanFactory()
    PlanTemplateFactory(
        plan=plan,
        definition=presses,
        amount=30,
        grant_kind=PlanGrantKind.PLAN_BONUS,
        duration_policy=DurationPolicy.FIXED_DURATION,
        duration_days=10,
    )

    for turn, chosen in enumerate((plan, other, plan)):
        put_on(entity, chosen, now=NOON + turn * HOUR)

    assert numbers(entity, presses) == Numbers(30, 0, 30)
    assert Grant.objects.get().kind == GrantKind.PROMO


def test_a_limit_only_the_old_plan_knew_is_gone(entity: BillableEntity, presses: Definition) -> None:
    put_on(entity, PlanFactory(), now=NOON + HOUR)

    assert numbers(entity, presses) == Numbers(0, 0, 0)
    row = balance_of(entity, presses)
    assert (row.over_limit, row.plan_used) == (False, 80)


def test_coming_back_to_a_plan_in_the_same_window_gives_what_was_left(
    entity: BillableEntity, presses: Definition
) -> None:
    put_on(entity, PlanFactory(), now=NOON + HOUR)

    put_on(entity, plan_of(100, presses), now=NOON + 2 * HOUR)

    assert numbers(entity, presses) == Numbers(100, 80, 20)


def test_a_smaller_capacity_locks_and_deletes_nothing() -> None:
    entity, places = BillableEntityFactory(), PlacesFactory()
    put_on(entity, plan_of(5, places))
    take_place(entity, "desk", number=4)

    put_on(entity, plan_of(2, places), now=NOON + HOUR)

    row = balance_of(entity, places)
    assert (row.granted_amount, row.consumed_amount, row.effective_amount) == (2, 4, -2)
    assert (row.over_limit, row.lock_state) == (True, "places_locked")


def test_the_same_assignment_grants_once(entity: BillableEntity, presses: Definition) -> None:
    grant = Grant.objects.get(subject=entity)

    again = GrantFactory(
        subject=entity,
        definition=presses,
        amount=999,
        kind=GrantKind.PLAN_BASE,
        replenish=Replenish.PER_WINDOW,
        source_type=SourceType.PLAN_ASSIGNMENT,
        dedupe_key=grant.dedupe_key,
    )

    assert again.pk == grant.pk
    assert numbers(entity, presses) == Numbers(100, 80, 20)


def test_a_change_does_not_touch_what_an_operator_had_ended(entity: BillableEntity, presses: Definition) -> None:
    end_grant(Grant.objects.get(), by=ByHand(actor="olga", reason="a mistake"), now=NOON)
    before = balance_of(entity, presses).version

    put_on(entity, plan_of(10, PlacesFactory()), now=NOON + HOUR)

    assert balance_of(entity, presses).version == before
