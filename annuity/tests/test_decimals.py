"""Numbers are read exactly as written, or refused with the rule they break."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuity.decimals import BadNumber, fixed, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", "12"),
        ("-0.5", "-0.5"),
        ("+3.", "3"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        (" 7 ", "7"),
        ("0.1", "0.1"),
        ("-0", "0"),
        ("0e999999", "0"),
        ("9" * 38, "9" * 38),
        ("0." + "1" * 49, "0." + "1" * 49),
    ],
)
def test_a_number_is_read_exactly(text: str, number: str) -> None:
    assert read_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["NaN", "nan", "-Infinity", "inf", "sNaN", "+INF"])
def test_what_is_not_finite_is_refused_as_such(text: str) -> None:
    with pytest.raises(BadNumber, match="finite"):
        read_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1_000",
        "1,5",
        "\u0661\u0662",
        "\uff11\uff12",
        "0x10",
        "1e",
        "--1",
        "1.2.3",
        "1 2",
        "1\n2",
        "true",
        "NaN123",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadNumber, match="valid number"):
        read_number(text)


@pytest.mark.parametrize("text", ["1e38", "1e999999999", "1" * 39, "1e-51", "0." + "1" * 51, "1." + "0" * 50])
def test_more_digits_than_are_carried_are_refused(text: str) -> None:
    with pytest.raises(BadNumber, match="no more than"):
        read_number(text)


def test_endless_text_is_refused_without_being_converted() -> None:
    with pytest.raises(BadNumber, match="at most 120 characters"):
        read_number("1" * 1_000_000)


@given(st.text(max_size=130))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with suppress(BadNumber):
        assert read_number(text).is_finite()


@given(st.decimals(min_value="-1e20", max_value="1e20", places=10, allow_nan=False))
def test_what_is_written_fixed_is_read_back(number: Decimal) -> None:
    assert read_number(fixed(number, 10)) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [("1.00005", "1.0001"), ("-1.00005", "-1.0001"), ("-0.00001", "0.0000"), ("1e6", "1000000.0000")],
)
def test_fixed_text_has_all_its_places_and_no_negative_zero(number: str, text: str) -> None:
    assert fixed(Decimal(number), 4) == text
