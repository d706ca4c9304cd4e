"""Exactly once: a key that was used before is answered, whatever has become of the limit."""

from datetime import timedelta

import pytest

from billing.errors import IdempotencyConflict, LimitExceeded
from billing.models import Definition, Operation
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers, pressed, traces, used
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory
from tests.gadgets.services import charge, leave_places, press, take_place


def test_the_same_key_gets_the_first_answer_and_nothing_runs() -> None:
    grant = GrantFactory()
    first = press(grant.subject, "same")

    again = press(grant.subject, "same")

    assert (again.answer, again.status_code, again.replayed) == (first.answer, 201, True)
    assert again.result is None
    assert pressed(grant.subject) == ["same"]
    assert numbers(grant.subject, grant.definition) == Numbers(10, 1, 9)


def test_a_replay_is_given_even_when_nothing_is_left() -> None:
    grant = GrantFactory(amount=1)
    first = press(grant.subject, "last")

    again = press(grant.subject, "last")

    assert again.answer == first.answer
    with pytest.raises(LimitExceeded):
        press(grant.subject, "another")


def test_a_replay_does_not_touch_the_balance() -> None:
    grant = GrantFactory()
    press(grant.subject, "same")
    before = balance_of(grant.subject, grant.definition)

    press(grant.subject, "same", now=NOON + timedelta(days=1))

    after = balance_of(grant.subject, grant.definition)
    assert (after.version, after.last_event_at) == (before.version, before.last_event_at)


def test_a_replay_is_given_in_a_later_window_too() -> None:
    grant = GrantFactory()
    first = press(grant.subject, "same")

    again = press(grant.subject, "same", now=NOON + timedelta(days=40))

    assert again.answer == first.answer
    assert used(grant.subject) == 1


def test_the_same_key_with_other_content_is_a_conflict() -> None:
    grant = GrantFactory()
    press(grant.subject, "same", fingerprint="red")

    with pytest.raises(IdempotencyConflict) as refused:
        press(grant.subject, "same", fingerprint="green")

    assert refused.value.details["key"] == "same"
    assert pressed(grant.subject) == ["same"]


def test_the_same_key_for_another_amount_is_a_conflict() -> None:
    grant = GrantFactory()
    press(grant.subject, "same", amount=1)

    with pytest.raises(IdempotencyConflict):
        press(grant.subject, "same", amount=2)


def test_the_same_key_for_another_capability_is_a_conflict() -> None:
    entity = BillableEntityFactory()
    GrantFactory(subject=entity)
    GrantFactory(subject=entity, definition=CreditsFactory())
    press(entity, "same")

    with pytest.raises(IdempotencyConflict):
        charge(entity, 1, key="same")


def test_a_refusal_stores_nothing_under_its_key() -> None:
    grant = GrantFactory(amount=1)
    with pytest.raises(LimitExceeded):
        press(grant.subject, "early", amount=2)
    GrantFactory(subject=grant.subject, amount=5)

    execution = press(grant.subject, "early", amount=2)

    assert not execution.replayed
    assert used(grant.subject) == 2


def test_keys_compare_byte_for_byte() -> None:
    grant = GrantFactory()

    for key in ("abc", "ABC", "àbc"):
        press(grant.subject, key)

    assert pressed(grant.subject) == ["abc", "ABC", "àbc"]
    assert used(grant.subject) == 3


def test_two_subjects_may_use_one_key() -> None:
    mine, theirs = GrantFactory(), GrantFactory()

    press(mine.subject, "same")
    press(theirs.subject, "same")

    assert (used(mine.subject), used(theirs.subject)) == (1, 1)


def test_an_answer_of_none_is_replayed_as_none() -> None:
    grant = GrantFactory(definition=CreditsFactory())
    charge(grant.subject, 3, key="quiet")

    again = charge(grant.subject, 3, key="quiet")

    assert (again.replayed, again.answer) == (True, None)
    assert used(grant.subject) == 3


def test_an_answer_keeps_every_sign() -> None:
    grant = GrantFactory()
    answer = {"text": '“naïve” \U0001f600 \\ " \u2028', "numbers": [0, -1, 2**53], "nothing": None, "yes": True}
    press(grant.subject, "same", encode=lambda made: answer)

    assert press(grant.subject, "same", encode=lambda made: answer).answer == answer


def test_a_place_that_was_taken_is_answered_even_when_all_are_taken() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=1)
    first = take_place(grant.subject, "desk", operation_key="same")

    again = take_place(grant.subject, "desk", operation_key="same")

    assert (again.answer, again.replayed) == (first.answer, True)
    assert traces(grant.subject)["places"] == 1


def test_leaving_twice_under_one_key_leaves_once() -> None:
    grant = GrantFactory(definition=PlacesFactory(), amount=3)
    take_place(grant.subject, "desk", number=2)
    leave_places(grant.subject, "desk", operation_key="same")
    take_place(grant.subject, "desk")

    again = leave_places(grant.subject, "desk", operation_key="same")

    assert (again.replayed, again.answer) == (True, 2)
    assert traces(grant.subject)["places"] == 1


def test_a_replay_is_given_after_the_definition_was_renamed() -> None:
    grant = GrantFactory()
    first = press(grant.subject, "same")
    Definition.objects.filter(pk=grant.definition_id).update(name="Pushes", updated_at=NOON + timedelta(minutes=1))

    again = press(grant.subject, "same")

    assert again.answer == first.answer
    assert Operation.objects.count() == 1
