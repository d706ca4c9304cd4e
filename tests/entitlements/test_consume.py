"""One commit: the guest's row, the debit and the balance are there together or not at all."""

import pytest
from django.db import connection

from billing.entitlements.enforcement import Use
from billing.entitlements.manual import ByHand, grant_manually
from billing.errors import LimitExceeded, LimitNotConfigured, UndeclaredCapability
from billing.limits import consume_entitlement, execute_with_entitlement_consumption
from billing.models import Balance, Consumption, Definition, Operation
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, pressed, traces, used
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.gadgets.limits import CHARGE, PRESS, PRINT
from tests.gadgets.models import Press
from tests.gadgets.services import charge, press


def test_an_action_within_its_limit_is_done_and_booked() -> None:
    grant = GrantFactory(amount=10)

    execution = press(grant.subject, "first", amount=3)

    assert execution.result == Press.objects.get()
    assert numbers(grant.subject, grant.definition) == Numbers(10, 3, 7)
    consumption = Consumption.objects.get()
    assert (consumption.amount, consumption.overage_amount, consumption.grant_id) == (3, 0, grant.pk)
    assert (consumption.reason_code, consumption.operation_key) == ("gadget.press", "first")
    assert consumption.dedupe_key == f"c1:{grant.subject_id}:{grant.definition_id}:gadget.press:first"


def test_the_answer_says_what_was_decided_and_booked() -> None:
    grant = GrantFactory(amount=10)

    execution = press(grant.subject, "first", amount=3)

    (decision,) = execution.decisions
    (booking,) = execution.bookings
    assert (decision.allowed, decision.fits, decision.code, decision.reason) == (True, True, "OK", "within_limit")
    assert (decision.limit, decision.used, decision.remaining) == (10, 0, 10)
    assert (booking.amount, booking.overage, booking.limitation) == (3, 0, grant.definition.code)
    assert booking.version == balance_of(grant.subject, grant.definition).version
    assert booking.consumption_id == Consumption.objects.get().pk
    assert (execution.answer, execution.status_code) == ({"press": Press.objects.get().pk}, 201)


def test_the_last_unit_can_be_used() -> None:
    grant = GrantFactory(amount=2)

    press(grant.subject, "first")
    press(grant.subject, "second")

    assert numbers(grant.subject, grant.definition) == Numbers(2, 2, 0)


def test_an_action_over_its_limit_leaves_no_trace() -> None:
    grant = GrantFactory(amount=1)
    press(grant.subject, "first")
    before, row = traces(grant.subject), balance_of(grant.subject, grant.definition)

    with pytest.raises(LimitExceeded) as refused:
        press(grant.subject, "second")

    assert refused.value.details["remaining"] == 0
    assert pressed(grant.subject) == ["first"]
    assert traces(grant.subject) == before
    assert balance_of(grant.subject, grant.definition).version == row.version


def test_a_request_that_does_not_fit_takes_nothing() -> None:
    grant = GrantFactory(amount=10)

    with pytest.raises(LimitExceeded):
        press(grant.subject, "too much", amount=11)

    press(grant.subject, "all of it", amount=10)
    assert pressed(grant.subject) == ["all of it"]


def test_a_refusal_tells_the_numbers_and_when_to_come_back() -> None:
    grant = GrantFactory(amount=10)
    press(grant.subject, "first", amount=8)

    with pytest.raises(LimitExceeded) as refused:
        press(grant.subject, "second", amount=3)

    assert refused.value.code == "BILLING_LIMIT_EXCEEDED"
    assert refused.value.details | {"unlock": []} == {
        "limitationCode": grant.definition.code,
        "billableEntityId": grant.subject_id,
        "reason": "quota_exhausted",
        "requestedAmount": 3,
        "limit": 10,
        "used": 8,
        "remaining": 2,
        "interval": "month",
        "enforcement": "hard_deny",
        "windowEndAt": "2026-03-01T00:00:00.000Z",
        "retryAfterSeconds": 7 * 24 * 3600 + 12 * 3600,
        "unlock": [],
    }
    assert refused.value.headers == {"Retry-After": "648000"}


def test_no_grant_is_a_limit_of_zero() -> None:
    entity, definition = BillableEntityFactory(), PressesFactory()

    with pytest.raises(LimitExceeded) as refused:
        press(entity, "first")

    assert refused.value.details["limit"] == 0
    assert not Balance.objects.filter(subject=entity, definition=definition, version__gt=0).exists()


def test_an_unlimited_grant_refuses_nothing() -> None:
    grant = GrantFactory(amount=None)

    press(grant.subject, "first", amount=10**15)

    assert numbers(grant.subject, grant.definition) == Numbers(None, 10**15, None)
    row = balance_of(grant.subject, grant.definition)
    assert (row.is_unlimited, row.hard_limit_amount, row.over_limit) == (True, None, False)


def test_an_action_that_raises_leaves_no_row_no_debit_and_no_key() -> None:
    grant = GrantFactory(amount=10)
    before = numbers(grant.subject, grant.definition)

    def press_and_stumble() -> None:
        Press.objects.create(entity=grant.subject, key="first", created_at=NOON)
        raise RuntimeError("stumbled")

    with pytest.raises(RuntimeError, match="stumbled"):
        execute_with_entitlement_consumption(
            grant.subject, PRESS, action=press_and_stumble, now=NOON, operation_key="first"
        )

    assert set(traces(grant.subject).values()) == {0}
    assert numbers(grant.subject, grant.definition) == before
    press(grant.subject, "first")
    assert pressed(grant.subject) == ["first"]


def test_an_answer_that_cannot_be_stored_undoes_everything() -> None:
    grant = GrantFactory()

    with pytest.raises(TypeError):
        press(grant.subject, "first", encode=lambda made: {"press": made})

    assert set(traces(grant.subject).values()) == {0}


def test_two_requests_without_keys_are_two_uses() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10)

    charge(grant.subject, 4)
    charge(grant.subject, 4)

    assert used(grant.subject) == 8
    assert Operation.objects.count() == 0


def test_the_action_runs_inside_the_transaction_of_the_debit() -> None:
    grant = GrantFactory()
    seen: list[bool] = []

    execute_with_entitlement_consumption(
        grant.subject, PRESS, action=lambda: seen.append(connection.in_atomic_block), now=NOON
    )

    assert seen == [True]


def test_every_use_raises_the_version_by_one() -> None:
    grant = GrantFactory()
    first = balance_of(grant.subject, grant.definition).version

    versions = [press(grant.subject, key).bookings[0].version for key in "abc"]

    assert versions == [first + 1, first + 2, first + 3]


def test_several_limitations_are_used_together() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, amount=5)
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=5)

    execution = press(entity, "first", capability=PRINT, amount=2)

    assert [booking.amount for booking in execution.bookings] == [2, 2]
    assert numbers(entity, PressesFactory()) == numbers(entity, CreditsFactory()) == Numbers(5, 2, 3)


def test_of_several_limitations_none_is_used_when_one_refuses() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, amount=5)
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=1)

    with pytest.raises(LimitExceeded) as refused:
        press(entity, "first", capability=PRINT, amount=2)

    assert refused.value.details["limitationCode"] == CreditsFactory().code
    assert refused.value.details["reason"] == "credits_exhausted"
    assert numbers(entity, PressesFactory()) == Numbers(5, 0, 5)
    assert set(traces(entity).values()) == {0}


def test_several_uses_with_amounts_of_their_own() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity, amount=5)
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=500)

    consume_entitlement(entity, [Use(capability=PRESS), Use(capability=CHARGE, amount=120)], now=NOON)

    assert numbers(entity, PressesFactory()) == Numbers(5, 1, 4)
    assert numbers(entity, CreditsFactory()) == Numbers(500, 120, 380)


def test_the_same_limitation_twice_in_one_operation_is_a_mistake() -> None:
    grant = GrantFactory()

    with pytest.raises(ValueError, match="each limitation once"):
        consume_entitlement(grant.subject, [Use(capability=PRESS), Use(capability=PRESS)], now=NOON)


def test_somebody_elses_units_stay_untouched() -> None:
    mine, theirs = GrantFactory(amount=10), GrantFactory(amount=10)

    press(mine.subject, "first", amount=10)

    assert numbers(theirs.subject, theirs.definition) == Numbers(10, 0, 10)


def test_an_amount_may_be_asked_under_the_lock() -> None:
    grant = GrantFactory(amount=10)

    press(grant.subject, "first", amount=lambda: 4)

    assert used(grant.subject) == 4


@pytest.mark.parametrize("amount", [0, -1, 1.5, True, "2", 2**63])
def test_an_amount_that_is_no_positive_integer_is_refused(amount: object) -> None:
    grant = GrantFactory()

    with pytest.raises(Invalid) as refused:
        press(grant.subject, "first", amount=amount)  # type: ignore[arg-type]

    assert "amount" in (refused.value.field_errors or {})
    assert set(traces(grant.subject).values()) == {0}


@pytest.mark.parametrize("key", ["", "x" * 192, " padded ", "line\nbreak"])
def test_a_key_that_breaks_the_rule_is_refused(key: str) -> None:
    grant = GrantFactory()

    with pytest.raises(Invalid, match="operationKey must be 1 to 191 printable characters"):
        press(grant.subject, key)

    assert set(traces(grant.subject).values()) == {0}


def test_the_longest_key_fits() -> None:
    grant = GrantFactory()

    press(grant.subject, "x" * 191)

    assert Operation.objects.get().key == "x" * 191
    assert len(Consumption.objects.get().dedupe_key) <= 191


def test_an_undeclared_capability_is_a_mistake_in_the_program() -> None:
    with pytest.raises(UndeclaredCapability, match=r"gadgets\.juggle"):
        press(BillableEntityFactory(), "first", capability="gadgets.juggle")


def test_a_limit_without_definition_is_not_configured() -> None:
    with pytest.raises(LimitNotConfigured) as refused:
        press(BillableEntityFactory(), "first")

    assert refused.value.details["limitationCode"] == "gadgets.presses.monthly"


def test_a_definition_switched_off_lets_nothing_happen() -> None:
    grant = GrantFactory()
    Definition.objects.filter(pk=grant.definition_id).update(is_active=False, updated_at=NOON.replace(second=1))

    with pytest.raises(LimitNotConfigured):
        press(grant.subject, "first")

    assert pressed(grant.subject) == []


def test_every_answer_says_of_which_version_of_the_balance_it_is() -> None:
    entity, presses = BillableEntityFactory(), PressesFactory()
    by = ByHand(actor="olga", reason="welcome")

    given = grant_manually(entity, presses.code, amount=1, by=by, now=NOON, operation_key="welcome")
    used = press(entity, "first")
    with pytest.raises(LimitExceeded) as refused:
        press(entity, "second")

    assert given.versions == {presses.code: 1}
    assert (used.decisions[0].version, used.bookings[0].version) == (1, 2)
    assert refused.value.version == 2
