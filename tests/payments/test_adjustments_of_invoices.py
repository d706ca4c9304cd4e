"""What is refunded of a plan's invoice is taken back from what that period's payment granted, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from billing.models import BillableEntity, Grant, GrantAdjustment, Plan, Purchase
from billing.models.purchases import PurchaseStatus
from billing.payments.connectors.facts import DisputeState
from tests.entitlements.looking import Numbers, numbers
from tests.entitlements.proof import assert_no_difference
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.services import charge
from tests.payments.support import disputed, refunded, tell
from tests.subscriptions.reporting import P1, P2, credits_of, pay, report, reported, sold_plan

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
#: What is paid for a period of the plan, in minor units.
PAID = 900


@pytest.fixture
def plan(db: None) -> Iterator[Plan]:
    """A hundred credits for every paid period, and presses while it is current."""
    made = sold_plan("pro", grants={PressesFactory(): 10})
    credits_of(made, 100)
    yield made
    assert_no_difference()


@pytest.fixture
def subscriber(plan: Plan) -> BillableEntity:
    entity: BillableEntity = BillableEntityFactory()
    report(entity, reported(plan), now=P1)
    return entity


def paid_for(entity: BillableEntity, plan: Plan) -> Purchase:
    return pay(entity, plan, P1, P2, now=P1, provider_payment_id="pi_1")


def test_a_refund_takes_from_what_the_paid_period_granted(subscriber: BillableEntity, plan: Plan) -> None:
    purchase = paid_for(subscriber, plan)
    charge(subscriber, 80, now=P1 + HOUR)

    tell(refunded(PAID // 3), now=P1 + HOUR)

    assert numbers(subscriber, CreditsFactory()) == Numbers(80, 80, 0)
    assert numbers(subscriber, PressesFactory()).granted == 10
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.PARTIALLY_REFUNDED


def test_a_refund_of_it_all_ends_what_the_period_granted_and_leaves_the_plan(
    subscriber: BillableEntity, plan: Plan
) -> None:
    purchase = paid_for(subscriber, plan)

    tell(refunded(PAID), now=P1 + HOUR)

    ended = Grant.objects.get(metadata_json__purchase=purchase.pk)
    assert ended.endings.exists()
    assert numbers(subscriber, CreditsFactory()) == Numbers(0, 0, 0)
    assert numbers(subscriber, PressesFactory()).granted == 10


def test_while_the_invoice_is_disputed_its_credits_are_frozen(subscriber: BillableEntity, plan: Plan) -> None:
    paid_for(subscriber, plan)

    tell(disputed(DisputeState.OPENED, PAID), now=P1 + HOUR)
    assert numbers(subscriber, CreditsFactory()) == Numbers(0, 0, 0)

    tell(disputed(DisputeState.WON, PAID), now=P1 + 2 * HOUR)
    assert numbers(subscriber, CreditsFactory()) == Numbers(100, 0, 100)


def test_grants_of_other_purchases_and_plans_are_left_alone(subscriber: BillableEntity, plan: Plan) -> None:
    purchase = paid_for(subscriber, plan)
    other = GrantFactory(
        subject=subscriber, definition=CreditsFactory(), of_plan=True, metadata={"purchase": purchase.pk + 1}
    )
    GrantFactory(subject=subscriber, definition=CreditsFactory(), amount=5, metadata={"purchase": purchase.pk})

    tell(refunded(PAID), now=P1 + HOUR)

    adjusted = set(GrantAdjustment.objects.values_list("grant_id", flat=True))
    assert other.pk not in adjusted
    assert len(adjusted) == 1
