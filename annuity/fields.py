"""Fields of a question that take JSON as strictly as the arithmetic needs it, and instants as the wire has them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annuity.decimals import MAX_TEXT, BadNumber, read_number
from annuity.parsers import NumberText
from mozaiks.kit.times import utc_z


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "maxLength": MAX_TEXT}]})
class NumberField(serializers.Field[Decimal, Any, str, Any]):
    """A JSON number, or a string that holds one. Booleans are not numbers."""

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str):
            raise serializers.ValidationError("A valid number is required.")
        try:
            return read_number(data)
        except BadNumber as refused:
            raise serializers.ValidationError(str(refused)) from None

    def to_representation(self, value: Any) -> str:
        return str(value)


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": MAX_TEXT}]})
class WholeNumberField(NumberField):
    """The same without a fraction; ``12.0`` is 12."""

    def to_internal_value(self, data: Any) -> Any:
        number = super().to_internal_value(data)
        if number != number.to_integral_value():
            raise serializers.ValidationError("A whole number is required.")
        return int(number)


@extend_schema_field(OpenApiTypes.BOOL)
class StrictBooleanField(serializers.Field[bool, Any, bool, Any]):
    """``true`` or ``false``, not words or numbers that look like them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.")
        return data

    def to_representation(self, value: Any) -> bool:
        return bool(value)


class WordField(serializers.ChoiceField):
    """One of a few words; a number is never one of them."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or isinstance(data, NumberText):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant, read-only: ``2026-02-21T12:34:56.000Z``."""

    def to_representation(self, value: datetime) -> str:
        return utc_z(value)
