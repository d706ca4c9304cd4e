"""Reads the signed body of a webhook: strict JSON, and an event that our inbox can hold."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from mozaiks.kit.errors import Invalid

LONGEST_ID: Final = 191
LONGEST_NAME: Final = 120


def read_object(body: bytes) -> dict[str, Any]:
    """
    The JSON object a body is.

    :raises Invalid: it is none; numbers no database holds and half characters are none either.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise Invalid("The body is not an object.")
    return value


def text_of(data: dict[str, Any], key: str, *, longest: int) -> str:
    """:raises Invalid: there is no such text, or it is longer than our columns."""
    value = data.get(key)
    if not isinstance(value, str) or not value or len(value) > longest:
        raise Invalid(f"The event has no {key} of at most {longest} characters.")
    return value


def instant_of(data: dict[str, Any], key: str) -> datetime:
    """:raises Invalid: there are no seconds since 1970 that a calendar knows."""
    value = data.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 253_402_300_800:
        return datetime.fromtimestamp(value, tz=UTC)
    raise Invalid(f"The event has no {key} in seconds.")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number
