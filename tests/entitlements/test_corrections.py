"""What an operator corrects: given once, taken at most as far as there is something, and done once per key."""

from __future__ import annotations

from typing import Any

import pytest

from billing.engine.types import EnforcementMode, GrantKind
from billing.entitlements.corrections import REASON, Correction, correct
from billing.entitlements.manual import ByHand
from billing.errors import IdempotencyConflict, LimitNotConfigured
from billing.models import BillableEntity, BillingEvent, Consumption, Definition, Grant, Operation
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.limits import PULSE
from tests.gadgets.services import charge, press

ANNA = ByHand(actor="anna", reason="Counted twice.")


def corrected(entity: BillableEntity, definition: Definition, amount: Any, *, key: str = "k1") -> Correction:
    return correct(entity, definition.code, amount=amount, by=ANNA, now=NOON, operation_key=key)


def test_units_are_given_once_as_a_correction() -> None:
    entity, stock = BillableEntityFactory(), CreditsFactory()

    made = corrected(entity, stock, 7)

    grant = Grant.objects.get()
    assert (made.amount, made.grant_id, made.consumption_id) == (7, grant.pk, None)
    assert (grant.kind, grant.replenish, grant.expires_at) == (GrantKind.CORRECTION, "once", None)
    assert (grant.source_id, grant.metadata_json) == ("anna", {"reason": "Counted twice."})
    assert numbers(entity, stock) == Numbers(7, 0, 7)


def test_units_are_taken_as_a_use_with_a_reason_of_its_own() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)

    made = corrected(grant.subject, grant.definition, -4)

    use = Consumption.objects.get()
    assert (made.amount, made.consumption_id) == (-4, use.pk)
    assert (use.reason_code, use.amount, use.overage_amount) == (REASON, 4, 0)
    assert use.metadata_json == {"actor": "anna", "reason": "Counted twice.", "asked": 4}
    assert numbers(grant.subject, grant.definition) == Numbers(10, 4, 6)


def test_no_more_is_taken_than_is_left() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "first", amount=7)

    made = corrected(grant.subject, grant.definition, -50)

    assert (made.asked, made.amount) == (-50, -3)
    assert numbers(grant.subject, grant.definition) == Numbers(10, 10, 0)


def test_what_is_set_aside_is_not_taken() -> None:
    from billing.limits import hold
    from tests.gadgets.limits import CHARGE

    grant = GrantFactory(definition=CreditsFactory(), amount=10)
    hold(grant.subject, CHARGE, amount=8, now=NOON)

    made = corrected(grant.subject, grant.definition, -10)

    assert made.amount == -2
    assert numbers(grant.subject, grant.definition) == Numbers(10, 2, 0, held=8)


def test_units_are_taken_in_the_order_they_burn() -> None:
    entity, presses = BillableEntityFactory(), PressesFactory()
    plan = GrantFactory(subject=entity, definition=presses, amount=5, of_plan=True)
    paid = GrantFactory(subject=entity, definition=presses, amount=5)

    corrected(entity, presses, -7)

    shares = {row.grant_id: row.amount for row in _allocations(entity)}
    assert shares == {plan.pk: 5, paid.pk: 2}


def test_nothing_left_is_said_and_leaves_no_trace() -> None:
    grant = GrantFactory(amount=3)
    press(grant.subject, "first", amount=3)
    before = _rows()

    with pytest.raises(Invalid, match="Nothing is left"):
        corrected(grant.subject, grant.definition, -1)

    assert _rows() == before


def test_somebody_who_owes_units_is_not_made_to_owe_more() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=3)
    charge(grant.subject, 5)

    with pytest.raises(Invalid, match="Nothing is left"):
        corrected(grant.subject, definition, -1)

    assert numbers(grant.subject, definition).overage == 2


def test_units_that_are_given_pay_what_was_owed() -> None:
    definition = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=definition, amount=3)
    charge(grant.subject, 5)

    corrected(grant.subject, definition, 10)

    assert numbers(grant.subject, definition) == Numbers(13, 5, 8)


def test_a_rolling_quota_is_corrected_too() -> None:
    from billing.limits import consume_entitlement

    grant = GrantFactory(definition=PulsesFactory(), amount=10, of_plan=True)
    consume_entitlement(grant.subject, PULSE, amount=4, now=NOON)

    assert corrected(grant.subject, grant.definition, -9).amount == -6


def test_a_repeat_of_the_key_changes_nothing() -> None:
    grant = GrantFactory(amount=10)

    first = corrected(grant.subject, grant.definition, -3)
    second = corrected(grant.subject, grant.definition, -3)

    assert second == Correction(
        limitation=first.limitation, asked=-3, amount=-3, consumption_id=first.consumption_id, replayed=True
    )
    assert Consumption.objects.count() == Operation.objects.count() == BillingEvent.objects.count() == 1


def test_a_key_stands_for_one_correction() -> None:
    grant = GrantFactory(amount=10)
    corrected(grant.subject, grant.definition, -3)

    with pytest.raises(IdempotencyConflict):
        corrected(grant.subject, grant.definition, 3)

    assert Grant.objects.count() == 1


def test_a_key_of_a_grant_is_no_key_of_a_correction() -> None:
    from billing.entitlements.manual import grant_manually

    entity, stock = BillableEntityFactory(), CreditsFactory()
    grant_manually(entity, stock.code, amount=5, by=ANNA, now=NOON, operation_key="k1")

    with pytest.raises(IdempotencyConflict):
        corrected(entity, stock, 5)

    assert numbers(entity, stock) == Numbers(5, 0, 5)


def test_who_and_why_are_kept() -> None:
    grant = GrantFactory(amount=10)

    corrected(grant.subject, grant.definition, -3)

    event = BillingEvent.objects.get()
    assert (event.event_type, event.event_name, event.actor, event.reason) == (
        "operator",
        "balance.corrected",
        "anna",
        "Counted twice.",
    )
    assert (event.payload_json["amount"], event.payload_json["key"]) == (-3, "k1")


@pytest.mark.parametrize("amount", [0, True, 1.5, "3", 2**63])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    entity, stock = BillableEntityFactory(), CreditsFactory()

    with pytest.raises(Invalid, match="whole number"):
        corrected(entity, stock, amount)

    assert not Operation.objects.exists()


@pytest.mark.parametrize("by", [ByHand(actor="anna", reason=" "), ByHand(actor="", reason="Why not.")])
def test_a_correction_needs_a_name_and_a_reason(by: ByHand) -> None:
    entity, stock = BillableEntityFactory(), CreditsFactory()

    with pytest.raises(Invalid, match="Is required"):
        correct(entity, stock.code, amount=1, by=by, now=NOON, operation_key="k1")

    assert not Grant.objects.exists()


def test_from_a_capacity_nothing_is_taken() -> None:
    entity, places = BillableEntityFactory(), PlacesFactory()

    corrected(entity, places, 2)

    with pytest.raises(Invalid, match="end a grant"):
        corrected(entity, places, -1, key="k2")


def test_a_state_is_corrected_by_one() -> None:
    entity, access = BillableEntityFactory(), AccessFactory()

    with pytest.raises(Invalid, match="corrected with 1"):
        corrected(entity, access, 2)

    assert corrected(entity, access, 1).amount == 1


def test_from_the_unlimited_nothing_is_taken() -> None:
    grant = GrantFactory(amount=None)

    with pytest.raises(Invalid, match="unlimited now"):
        corrected(grant.subject, grant.definition, -1)


def test_what_is_not_defined_is_not_corrected() -> None:
    with pytest.raises(LimitNotConfigured):
        correct(BillableEntityFactory(), "nothing.such", amount=1, by=ANNA, now=NOON, operation_key="k1")


def _allocations(entity: BillableEntity) -> Any:
    from billing.models import Allocation

    return Allocation.objects.filter(subject=entity)


def _rows() -> tuple[int, ...]:
    return tuple(model._default_manager.count() for model in (Grant, Consumption, Operation, BillingEvent))
