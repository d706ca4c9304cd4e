"""Keys: one fact, one name; two facts, two names; never longer than the column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import keys
from tests.engine.making import INSTANT, NOON

LARGEST_ID = 2**63 - 1
identifiers = st.integers(1, LARGEST_ID)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
#: Texts that look like each other, like separators, and like what the module makes of long ones.
tricky = st.text("a:1", min_size=1, max_size=4) | st.sampled_from(
    [keys.short("x" * 200), "x" * 200, "sha256-", "auto-1"]
)


def test_the_keys_of_grants_are_spelled_as_the_contract_says() -> None:
    start = datetime(2026, 2, 1, 10, 15, 0, 7000, tzinfo=UTC)

    assert keys.assignment_grant_key(5, 7, start) == "g1:assignment:5:7:20260201T101500007Z"
    assert keys.assignment_grant_key(5, 7, start, revision=3) == "g1:assignment:5:7:20260201T101500007Z:r3"
    assert keys.fixed_grant_key(5, 7) == "g1:fixed:5:7"
    assert keys.purchase_grant_key(5, 7) == "g1:purchase:5:7"
    assert keys.event_grant_key("stripe", "evt_1", 7, 9) == "g1:event:stripe:evt_1:7:9"
    assert keys.manual_grant_key("gift-1", 7, 9) == "g1:manual:gift-1:7:9"


def test_the_keys_of_uses_and_reversals_are_spelled_as_the_contract_says() -> None:
    assert keys.consumption_key(9, 7, "annuity.calculate", "req-1") == "c1:9:7:annuity.calculate:req-1"
    assert keys.reversal_key(12, "req-1") == "r1:12:req-1"


def test_a_period_is_its_start_in_utc_to_the_millisecond() -> None:
    tokyo = timezone(timedelta(hours=9))

    assert keys.period(datetime(2026, 2, 1, 8, 0, 0, 999999, tzinfo=tokyo)) == "20260131T230000999Z"
    assert keys.period(NOON) != keys.period(NOON + INSTANT)


def test_a_long_part_is_hashed_and_a_short_one_stays_readable() -> None:
    assert keys.short("req-1") == "req-1"
    assert keys.short("x" * 191) == keys.short("x" * 191)
    assert keys.short("x" * 191) != keys.short("x" * 190)
    assert len(keys.short("x" * 191)) <= 64


def test_a_short_part_that_spells_a_hash_does_not_stand_for_the_long_one() -> None:
    long = "x" * 191

    assert keys.reversal_key(1, keys.short(long)) != keys.reversal_key(1, long)


def test_a_separator_in_a_part_does_not_move_the_parts() -> None:
    assert keys.consumption_key(1, 2, "a", "b:c") != keys.consumption_key(1, 2, "a:b", "c")
    assert keys.event_grant_key("a", "b:c", 1, 2) != keys.event_grant_key("a:b", "c", 1, 2)


def test_keys_differ_in_case_and_accents() -> None:
    assert len({keys.reversal_key(1, key) for key in ("abc", "ABC", "àbc")}) == 3


def test_two_requests_without_a_key_are_two_uses() -> None:
    assert keys.random_key() != keys.random_key()


@pytest.mark.parametrize(
    "key",
    [
        keys.assignment_grant_key(LARGEST_ID, LARGEST_ID, NOON, revision=LARGEST_ID),
        keys.fixed_grant_key(LARGEST_ID, LARGEST_ID),
        keys.purchase_grant_key(LARGEST_ID, LARGEST_ID),
        keys.anonymous_grant_key(subject=LARGEST_ID, amount=LARGEST_ID, note="x" * 500),
        keys.ending_key(LARGEST_ID),
        pytest.param(keys.random_key(), id="random"),  # a name of its own: every worker collects the same tests
    ],
)
def test_the_largest_numbers_fit_into_a_key(key: str) -> None:
    assert len(key) <= keys.MAX_KEY


@given(text=texts, word=texts)
def test_no_text_makes_a_key_too_long(text: str, word: str) -> None:
    made = [
        keys.consumption_key(LARGEST_ID, LARGEST_ID, word, text),
        keys.reversal_key(LARGEST_ID, text),
        keys.hold_key(LARGEST_ID, LARGEST_ID, text),
        keys.manual_grant_key(text, LARGEST_ID, LARGEST_ID),
        keys.event_grant_key(word, text, LARGEST_ID, LARGEST_ID),
    ]

    assert max(len(key) for key in made) <= keys.MAX_KEY


@given(
    one=st.tuples(identifiers, identifiers, tricky, tricky), other=st.tuples(identifiers, identifiers, tricky, tricky)
)
def test_two_uses_have_one_key_only_if_they_are_one(one: tuple, other: tuple) -> None:
    assert (keys.consumption_key(*one) == keys.consumption_key(*other)) == (one == other)


@given(parts=st.lists(tricky, min_size=4, max_size=4))
def test_texts_never_run_together(parts: list[str]) -> None:
    one, other, third, fourth = parts

    assert (keys.consumption_key(1, 2, one, other) == keys.consumption_key(1, 2, third, fourth)) == (
        (one, other) == (third, fourth)
    )
    assert (keys.event_grant_key(one, other, 1, 2) == keys.event_grant_key(third, fourth, 1, 2)) == (
        (one, other) == (third, fourth)
    )


@given(one=st.tuples(tricky, identifiers, identifiers), other=st.tuples(tricky, identifiers, identifiers))
def test_two_manual_grants_have_one_key_only_if_they_are_one(one: tuple, other: tuple) -> None:
    assert (keys.manual_grant_key(*one) == keys.manual_grant_key(*other)) == (one == other)


def test_keys_of_different_facts_never_meet() -> None:
    made = [
        keys.assignment_grant_key(1, 2, NOON),
        keys.fixed_grant_key(1, 2),
        keys.purchase_grant_key(1, 2),
        keys.manual_grant_key("k", 1, 2),
        keys.event_grant_key("p", "k", 1, 2),
        keys.consumption_key(1, 2, "r", "k"),
        keys.reversal_key(1, "k"),
        keys.hold_key(1, 2, "k"),
        keys.ending_key(1),
    ]

    assert len(set(made)) == len(made)


def test_a_fingerprint_is_of_the_content_and_not_of_its_order() -> None:
    one = keys.fingerprint({"amount": 5, "at": NOON, "note": None})
    other = keys.fingerprint({"note": None, "at": NOON, "amount": 5})

    assert one == other
    assert one != keys.fingerprint({"amount": 6, "at": NOON, "note": None})
    assert len(one) == 64


def test_a_grant_without_a_source_is_named_by_its_inputs() -> None:
    assert keys.anonymous_grant_key(subject=1, amount=5) == keys.anonymous_grant_key(amount=5, subject=1)
    assert keys.anonymous_grant_key(subject=1, amount=5) != keys.anonymous_grant_key(subject=1, amount=6)
