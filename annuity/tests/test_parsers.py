"""JSON is read without a binary float in between."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from rest_framework.exceptions import ParseError

from annuity.parsers import ExactJSONParser, NumberText


def parse(text: str | bytes) -> Any:
    return ExactJSONParser().parse(BytesIO(text.encode() if isinstance(text, str) else text))


@pytest.mark.parametrize("number", ["0.1", "12", "1e400", "-0.0", "9007199254740993", "0.30000000000000000001", "NaN"])
def test_a_number_arrives_as_it_was_written(number: str) -> None:
    (arrived,) = parse(f"[{number}]")

    assert isinstance(arrived, NumberText)
    assert arrived == number


def test_everything_else_arrives_as_json_means_it() -> None:
    assert parse('{"a": true, "b": null, "c": "12", "d": {"e": []}}') == {
        "a": True,
        "b": None,
        "c": "12",
        "d": {"e": []},
    }
    assert not isinstance(parse('["12"]')[0], NumberText)


@pytest.mark.parametrize("body", ["", "{", "{]", b"\xff\xfe", "[" * 100_000, "1" * 10_000 + "x"])
def test_what_is_not_json_is_refused(body: str | bytes) -> None:
    with pytest.raises(ParseError, match="not valid JSON"):
        parse(body)


def test_an_integer_of_many_digits_costs_nothing() -> None:
    assert len(parse("1" * 1_000_000)) == 1_000_000
