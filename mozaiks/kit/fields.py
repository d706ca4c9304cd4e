"""Fields that take JSON as strictly as it was meant, and a fast way from an object to the JSON its serializer describes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mozaiks.kit.times import utc_z

Convert = Callable[[Any], Any]


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant, read-only: ``2026-02-21T12:34:56.000Z``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: datetime) -> str:
        return utc_z(value)


class TextField(serializers.CharField):
    """Text, and nothing that merely could be written as text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WholeNumberField(serializers.IntegerField):
    """A JSON integer; text, fractions and booleans are none."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


def presenter(kind: type[serializers.Serializer[Any]]) -> Callable[[Any], dict[str, Any]]:
    """
    A function that gives what ``kind(obj).data`` gives, in a fraction of the time.

    For serializers that read attributes and nothing else: instants, lists and nested serializers are converted, everything else
    goes out as it is. The serializer stays the one place that says what is on the wire.
    """
    parts = [(name, attrgetter(field.source or name), _convert(field)) for name, field in kind().fields.items()]

    def present(value: Any) -> dict[str, Any]:
        return {name: get(value) if convert is None else convert(get(value)) for name, get, convert in parts}

    return present


def _convert(field: serializers.Field[Any, Any, Any, Any]) -> Convert | None:
    if isinstance(field, serializers.ListSerializer):
        child: serializers.Serializer[Any] = field.child  # type: ignore[assignment]
        each = presenter(type(child))
        return lambda values: [each(value) for value in values]
    if isinstance(field, serializers.Serializer):
        return _unless_none(presenter(type(field)))
    if isinstance(field, serializers.ListField):
        return list
    if isinstance(field, InstantField):
        return _unless_none(utc_z)
    return None


def _unless_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
