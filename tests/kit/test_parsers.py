"""JSON that no door could answer is refused before any door sees it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from mozaiks.kit.errors import TooLarge
from mozaiks.kit.parsers import MOST_BYTES, StrictJSONParser


def parse(text: str | bytes) -> Any:
    return StrictJSONParser().parse(BytesIO(text.encode() if isinstance(text, str) else text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ('"ü"', "ü"),
    ],
)
def test_json_arrives_as_it_was_meant(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "too large"),
        ("[" * 100_000, "nested too deeply"),
        ('["\\ud800"]', "half a surrogate pair"),
        ('{"\\uDC00": 1}', "half a surrogate pair"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(body: str | bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        parse(body)


def test_a_body_beyond_the_bound_is_not_read_to_its_end() -> None:
    stream = BytesIO(b" " * (MOST_BYTES + 1000))

    with pytest.raises(TooLarge):
        StrictJSONParser().parse(stream)

    assert stream.tell() == MOST_BYTES + 1


def test_a_body_at_the_bound_is_read() -> None:
    assert parse(b" " * (MOST_BYTES - 1) + b"1") == 1


@pytest.mark.django_db
def test_every_door_reads_this_way(api: APIClient) -> None:
    response = api.post("/api/billing/limitations/check", "{" * 10, content_type="application/json")

    assert response.status_code == 401  # who is not signed in is not read at all
