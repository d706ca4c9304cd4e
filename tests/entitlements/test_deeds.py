"""What an operator does by hand is done once, and says who did it and why."""

from __future__ import annotations

import pytest

from billing.entitlements.deeds import once, recompute_by_hand, reverse_by_hand
from billing.entitlements.manual import ByHand
from billing.errors import IdempotencyConflict
from billing.models import Balance, BillingEvent, Consumption, Operation
from mozaiks.kit.errors import Invalid, NotFound
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.services import press

ANNA = ByHand(actor="anna", reason="It failed.")


def test_a_deed_is_done_once_and_answers_the_same() -> None:
    entity, done = BillableEntityFactory(), []

    def work() -> dict[str, int]:
        done.append("x")
        return {"rows": len(done)}

    first = once(entity, "test", operation_key="k1", content={"a": 1}, work=work, now=NOON)
    second = once(entity, "test", operation_key="k1", content={"a": 1}, work=work, now=NOON)

    assert (first.answer, first.replayed) == ({"rows": 1}, False)
    assert (second.answer, second.replayed) == ({"rows": 1}, True)


def test_a_key_stands_for_one_deed() -> None:
    entity = BillableEntityFactory()
    once(entity, "test", operation_key="k1", content={"a": 1}, work=dict, now=NOON)

    with pytest.raises(IdempotencyConflict):
        once(entity, "test", operation_key="k1", content={"a": 2}, work=dict, now=NOON)
    with pytest.raises(IdempotencyConflict):
        once(entity, "other", operation_key="k1", content={"a": 1}, work=dict, now=NOON)


def test_a_deed_that_fails_leaves_its_key_free() -> None:
    entity = BillableEntityFactory()

    def fail() -> None:
        BillingEvent.objects.create(
            event_type="operator", event_name="x", status="processed", received_at=NOON, occurred_at=NOON
        )
        raise Invalid("no")

    with pytest.raises(Invalid):
        once(entity, "test", operation_key="k1", content={}, work=fail, now=NOON)

    assert not Operation.objects.exists()
    assert not BillingEvent.objects.exists()


def test_a_use_is_taken_back_by_hand_once_with_a_reason() -> None:
    grant = GrantFactory(amount=10)
    use = press(grant.subject, "first", amount=4).bookings[0].consumption_id
    assert use is not None

    for _ in range(2):
        reverse_by_hand(grant.subject, use, amount=3, by=ANNA, now=NOON, operation_key="k1")

    assert numbers(grant.subject, grant.definition) == Numbers(10, 1, 9)
    event = BillingEvent.objects.get()
    assert (event.event_name, event.actor, event.reason) == ("use.reversed", "anna", "It failed.")
    assert (event.payload_json["consumption"], event.payload_json["amount"]) == (use, 3)


def test_a_use_of_somebody_else_is_not_taken_back() -> None:
    grant = GrantFactory(amount=10)
    use = press(grant.subject, "first").bookings[0].consumption_id
    assert use is not None

    with pytest.raises(NotFound):
        reverse_by_hand(BillableEntityFactory(), use, by=ANNA, now=NOON, operation_key="k1")

    assert Consumption.objects.count() == 1
    assert not BillingEvent.objects.exists()


def test_balances_are_rebuilt_by_hand_once_with_a_reason() -> None:
    grant = GrantFactory(amount=10)
    Balance.objects.update(consumed_amount=99)

    first = recompute_by_hand(grant.subject, by=ANNA, now=NOON, operation_key="k1")
    second = recompute_by_hand(grant.subject, by=ANNA, now=NOON, operation_key="k1")

    assert numbers(grant.subject, grant.definition) == Numbers(10, 0, 10)
    assert (first.answer, first.replayed, second.replayed) == ({"rows": 1}, False, True)
    assert BillingEvent.objects.get().event_name == "balances.recomputed"


@pytest.mark.parametrize("by", [ByHand(actor="anna", reason=""), ByHand(actor=" ", reason="Why not.")])
def test_deeds_need_a_name_and_a_reason(by: ByHand) -> None:
    grant = GrantFactory(amount=10)
    use = press(grant.subject, "first").bookings[0].consumption_id
    assert use is not None

    with pytest.raises(Invalid):
        reverse_by_hand(grant.subject, use, by=by, now=NOON, operation_key="k1")
    with pytest.raises(Invalid):
        recompute_by_hand(grant.subject, by=by, now=NOON, operation_key="k1")

    assert Consumption.objects.count() == 1
