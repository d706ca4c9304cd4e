"""The fast way from an object to JSON gives what its serializer describes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers

from mozaiks.kit.fields import InstantField, TextField, WholeNumberField, presenter
from tests import NOON


class Part(serializers.Serializer[Any]):
    madeAt = InstantField(source="made_at", allow_null=True)  # noqa: N815 - the name on the wire


class Whole(serializers.Serializer[Any]):
    partCount = serializers.IntegerField(source="part_count")  # noqa: N815 - the name on the wire
    first = Part(allow_null=True)
    parts = Part(many=True)
    words = serializers.ListField(child=serializers.CharField())
    deep = serializers.CharField(source="first.made_at.tzinfo")


def test_the_fast_way_gives_what_the_serializer_gives() -> None:
    part = SimpleNamespace(made_at=NOON)
    whole = SimpleNamespace(part_count=2, first=part, parts=[part, SimpleNamespace(made_at=None)], words=["a", "b"])

    fast = presenter(Whole)(whole)

    assert fast | {"deep": str(fast["deep"])} == Whole(whole).data
    assert fast["parts"] == [{"madeAt": "2026-02-21T12:00:00.000Z"}, {"madeAt": None}]


def test_what_is_not_there_is_null() -> None:
    class Optional(serializers.Serializer[Any]):
        first = Part(allow_null=True)

    assert presenter(Optional)(SimpleNamespace(first=None)) == {"first": None}


@pytest.mark.parametrize("data", [True, 1.0, "1", None, [], {}, 1.5])
def test_a_whole_number_is_a_json_integer_and_nothing_else(data: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        WholeNumberField().run_validation(data)


def test_a_whole_number_keeps_its_bounds() -> None:
    field = WholeNumberField(min_value=1, max_value=2**62)

    assert field.run_validation(2**62) == 2**62
    with pytest.raises(serializers.ValidationError):
        field.run_validation(2**62 + 1)


@pytest.mark.parametrize("data", [1, True, None, [], "", "x" * 6, "\0"])
def test_a_text_is_text(data: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        TextField(max_length=5).run_validation(data)
