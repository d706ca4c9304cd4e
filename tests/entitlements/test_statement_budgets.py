"""
How many statements stand between the first lock and the last balance write: the budgets of section 6, to the letter.

None may grow with the ledger, with the number of grants, or with the number of lots that pay.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from billing.engine.types import EnforcementMode
from billing.entitlements.grants import grant_entitlements_for_purchase
from billing.entitlements.reversals import reverse
from billing.errors import LimitExceeded
from billing.limits import execute_with_entitlement_consumption
from billing.models import Balance, BillableEntity, Consumption, Definition, OpenLot, Product, Purchase
from billing.models.assignments import AssignmentSource
from billing.models.purchases import PurchaseKind
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.entitlements.statements import Recorder, counted, within
from tests.factories import (
    BillableEntityFactory,
    DefinitionFactory,
    GrantFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import PRESS, PULSE
from tests.gadgets.models import Press
from tests.gadgets.services import charge, press, take_place

pytestmark = pytest.mark.django_db(transaction=True)

CONSUME = 3
ROLLING = 4
REPLAY = 2
REFUSAL = 2
FIRST_TOUCH = 7
SEVERAL_LOTS = 3 + 3
CAPACITY = 2 + 1
LATE_USE = 9
REVERSAL = 9
PURCHASE = 9
PLAN_CHANGE = 12
KEY = 2
MISSING_ROW = 2
DUE_ROW = 1
DUE_ROW_THAT_MOVES_UNITS = 3

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def consume(
    entity: BillableEntity, amount: int = 1, *, key: str | None = None, now: datetime = NOON, capability: str = PRESS
) -> list[str]:
    """The statements of one use without those of its action."""
    recorder = Recorder()

    def act() -> None:
        with recorder.acting():
            Press.objects.create(entity=entity, key=key or "", created_at=now)

    with connection.execute_wrapper(recorder), suppress(LimitExceeded):
        execute_with_entitlement_consumption(entity, capability, action=act, amount=amount, operation_key=key, now=now)
    return within(recorder.statements)


def test_a_use_takes_three() -> None:
    grant = GrantFactory(amount=10)

    assert len(consume(grant.subject)) == CONSUME


def test_a_use_of_a_plan_takes_three() -> None:
    grant = GrantFactory(of_plan=True, amount=10)

    assert len(consume(grant.subject)) == CONSUME


def test_a_key_adds_two() -> None:
    grant = GrantFactory(amount=10)

    assert len(consume(grant.subject, key="first")) <= CONSUME + KEY


def test_a_replay_takes_two() -> None:
    grant = GrantFactory(amount=10)
    consume(grant.subject, key="same")

    assert len(consume(grant.subject, key="same")) <= REPLAY


def test_a_refusal_takes_two_with_the_ways_to_unlock() -> None:
    grant = GrantFactory(amount=1)
    PlanTemplateFactory(definition=grant.definition, amount=100)
    ProductTemplateFactory(definition=grant.definition, amount=100)
    consume(grant.subject, amount=2)

    assert len(consume(grant.subject, amount=2)) <= REFUSAL
    assert len(consume(grant.subject, amount=2, key="refused")) <= REFUSAL + KEY


def test_a_rolling_use_takes_four() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    consume(grant.subject, capability=PULSE)

    later = NOON + timedelta(hours=1)
    assert len(consume(grant.subject, capability=PULSE, now=later)) <= ROLLING


def test_a_rolling_use_when_an_older_one_leaves_adds_a_due_row() -> None:
    grant = GrantFactory(definition=PulsesFactory(), of_plan=True, amount=10)
    consume(grant.subject, capability=PULSE)

    later = NOON + timedelta(hours=25)
    assert len(consume(grant.subject, capability=PULSE, now=later)) <= ROLLING + DUE_ROW


@pytest.mark.parametrize("top_ups", [0, 1, 20])
def test_the_first_touch_of_a_window_takes_seven(top_ups: int) -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory.create_batch(top_ups, subject=entity, amount=5)
    consume(entity, 3)

    assert len(consume(entity, 3, now=MARCH)) <= FIRST_TOUCH


@pytest.mark.parametrize("lots", [2, 10, 60])
def test_a_use_paid_by_several_lots_takes_six_whatever_their_number(lots: int) -> None:
    entity = BillableEntityFactory()
    GrantFactory.create_batch(lots, subject=entity, definition=CreditsFactory(), amount=1)

    assert len(counted(lambda: charge(entity, lots))) <= SEVERAL_LOTS


def test_a_use_with_overage_takes_six() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    entity = BillableEntityFactory()
    GrantFactory.create_batch(3, subject=entity, definition=definition, amount=1)

    assert len(counted(lambda: charge(entity, 10))) <= SEVERAL_LOTS
    assert len(counted(lambda: charge(entity, 10))) <= SEVERAL_LOTS


def test_a_change_of_capacity_takes_two_and_its_count() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=10)

    statements = counted(lambda: take_place(grant.subject, "desk"))

    assert len([sql for sql in statements if "INSERT INTO" not in sql]) <= CAPACITY


@pytest.mark.parametrize("grants", [1, 15])
def test_a_late_use_takes_nine(grants: int) -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=4)
    GrantFactory.create_batch(grants, subject=entity, amount=2)
    consume(entity, 3)
    consume(entity, 3, now=MARCH)

    late = counted(lambda: press(entity, "late", amount=3, now=MARCH, occurred_at=NOON))

    assert len([sql for sql in late if "gadgets_" not in sql]) - KEY <= LATE_USE


@pytest.mark.parametrize("templates", [1, 3, 12])
def test_a_purchase_takes_nine_whatever_the_number_of_templates(templates: int) -> None:
    entity, product = BillableEntityFactory(), ProductFactory()
    for _ in range(templates):
        ProductTemplateFactory(product=product, definition=DefinitionFactory())
    buy(entity, product, "first")

    purchase = purchase_of(entity, product, "second")
    again = counted(lambda: run_in_transaction(lambda: grant_entitlements_for_purchase(purchase, now=NOON)))

    assert len(again) <= PURCHASE


@pytest.mark.parametrize("templates", [1, 12])
def test_a_first_purchase_adds_the_missing_rows(templates: int) -> None:
    entity, product = BillableEntityFactory(), ProductFactory()
    for _ in range(templates):
        ProductTemplateFactory(product=product, definition=DefinitionFactory())

    purchase = purchase_of(entity, product, "first")
    first = counted(lambda: run_in_transaction(lambda: grant_entitlements_for_purchase(purchase, now=NOON)))

    assert len(first) <= PURCHASE + MISSING_ROW + DUE_ROW


@pytest.mark.parametrize("templates", [1, 3, 12])
def test_a_plan_change_takes_twelve_whatever_the_number_of_templates(templates: int) -> None:
    entity, plans = BillableEntityFactory(), PlanFactory.create_batch(3)
    for definition in DefinitionFactory.create_batch(templates):
        for plan in plans:
            PlanTemplateFactory(plan=plan, definition=definition)
    for turn, plan in enumerate(plans[:2]):
        assign(entity, plan, source=AssignmentSource.INTERNAL, now=NOON + timedelta(minutes=turn))

    later = NOON + timedelta(hours=1)
    change = counted(lambda: assign(entity, plans[2], source=AssignmentSource.INTERNAL, now=later))

    assert len([sql for sql in change if "billing_plan_assignments" not in sql]) <= PLAN_CHANGE


def test_a_missing_row_adds_two_and_what_a_due_row_adds() -> None:
    grant = GrantFactory(of_plan=True, amount=10)
    Balance.objects.all().delete()
    OpenLot.objects.all().delete()

    assert len(consume(grant.subject)) <= CONSUME + MISSING_ROW + DUE_ROW_THAT_MOVES_UNITS


def test_a_missing_row_without_any_grant_adds_two_and_a_due_row() -> None:
    PressesFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    entity = BillableEntityFactory()

    assert len(consume(entity)) <= CONSUME + MISSING_ROW + DUE_ROW_THAT_MOVES_UNITS


def test_a_lot_that_ends_adds_three() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=10)
    GrantFactory(subject=entity, amount=1, expires_at=NOON + timedelta(days=1))
    consume(entity)

    due = consume(entity, now=NOON + timedelta(days=1))

    assert len(due) <= CONSUME + DUE_ROW_THAT_MOVES_UNITS


def test_a_boundary_that_moves_nothing_adds_one() -> None:
    definition = CreditsFactory()
    grant = GrantFactory(definition=definition, amount=10)
    Balance.objects.update(next_change_at=NOON + timedelta(hours=1))

    due = counted(lambda: charge(grant.subject, 1, now=NOON + timedelta(hours=1)))

    assert len(due) <= CONSUME + DUE_ROW


def test_a_boundary_that_moves_units_adds_three() -> None:
    entity = BillableEntityFactory()
    for days in (1, 1, 5):
        GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, expires_at=NOON + timedelta(days=days))
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=10, effective_at=NOON + timedelta(days=1))

    due = counted(lambda: charge(entity, 1, now=NOON + timedelta(days=1)))

    assert len(due) <= CONSUME + DUE_ROW_THAT_MOVES_UNITS


def test_neither_the_ledger_nor_the_grants_add_any() -> None:
    entity, definition = BillableEntityFactory(), CreditsFactory()
    GrantFactory(subject=entity, definition=definition, amount=1000, expires_at=NOON + timedelta(days=1))
    before = len(counted(lambda: charge(entity, 1)))
    GrantFactory.create_batch(120, subject=entity, definition=definition, amount=1)
    write_history(entity, definition, 500)

    assert len(counted(lambda: charge(entity, 1))) == before == CONSUME


def write_history(entity: BillableEntity, definition: Definition, number: int) -> None:
    """``number`` uses of the past, as somebody else's program left them: of another subject's grant."""
    Consumption.objects.bulk_create(
        Consumption(
            subject_id=entity.pk + 1_000_000,
            definition=definition,
            amount=1,
            occurred_at=NOON,
            window_start_at=NOON,
            reason_code="gadget.charge",
            dedupe_key=f"c1:history:{index}",
            created_at=NOON,
        )
        for index in range(number)
    )


def purchase_of(entity: BillableEntity, product: Product, key: str) -> Purchase:
    return Purchase.objects.create(
        billable_entity=entity,
        provider="mock",
        purchase_kind=PurchaseKind.ONE_OFF,
        amount_minor=500,
        currency="EUR",
        product=product,
        dedupe_key=key,
        purchased_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


def buy(entity: BillableEntity, product: Product, key: str) -> None:
    purchase = purchase_of(entity, product, key)
    run_in_transaction(lambda: grant_entitlements_for_purchase(purchase, now=NOON))


def test_a_reversal_takes_nine_whatever_it_gives_back() -> None:
    entity = BillableEntityFactory()
    GrantFactory.create_batch(10, subject=entity, definition=CreditsFactory(), amount=1)
    use = charge(entity, 10).bookings[0].consumption_id
    assert use is not None

    assert len(counted(lambda: reverse(entity, use, amount=8, now=NOON))) <= REVERSAL


def test_a_reversal_in_a_closed_window_takes_nine() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, of_plan=True, amount=4)
    GrantFactory.create_batch(5, subject=entity, amount=2)
    use = press(entity, "february", amount=12).bookings[0].consumption_id
    assert use is not None
    consume(entity, now=MARCH)

    assert len(counted(lambda: reverse(entity, use, amount=8, now=MARCH))) <= REVERSAL
