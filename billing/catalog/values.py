"""Single JSON values and the rules they keep. Every reader returns the value or raises :class:`RuleBroken` with the rule."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from billing.catalog.problems import RuleBroken, listed, shown
from billing.engine.types import MAX_AMOUNT

Kind = TypeVar("Kind", bound=StrEnum)
Read = TypeVar("Read")

#: A hundred years. Longer is as good as for ever, and later dates do not exist in every database.
MAX_DAYS = 36_500
#: How deep metadata may nest. MariaDB's own JSON functions stop at 32.
MAX_DEPTH = 20

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
CURRENCY = re.compile(r"[A-Z]{3}")


def is_whole(value: object) -> bool:
    """Whether ``value`` is a whole number as JSON Schema has it: 5 and 5.0 are; true, 5.5 and "5" are not."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def whole(value: object, *, least: int, most: int = MAX_AMOUNT) -> int:
    """A whole number between ``least`` and ``most``."""
    if not is_whole(value):
        raise RuleBroken(f"must be a whole number, not {shown(value)}")
    number = int(value)  # type: ignore[call-overload]
    if number < least:
        raise RuleBroken(f"must be at least {least}, not {shown(value)}")
    if number > most:
        raise RuleBroken(f"must be at most {most}")
    return int(number)


def one_of(value: object, kind: type[Kind]) -> Kind:
    """A member of ``kind``, written as its value."""
    known = [member.value for member in kind]
    if not isinstance(value, str) or value not in known:
        raise RuleBroken(f"must be one of {listed(known)}, not {shown(value)}")
    return kind(value)


def flag(value: object) -> bool:
    """true or false, nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise RuleBroken(f"must be true or false, not {shown(value)}")
    return value


def text(value: object, *, most: int | None = None, least: int = 0) -> str:
    """Text of ``least`` to ``most`` characters that every database can keep."""
    if not isinstance(value, str):
        raise RuleBroken(f"must be text, not {shown(value)}")
    if len(value.strip()) < least:
        raise RuleBroken("must not be empty")
    if most is not None and len(value) > most:
        raise RuleBroken(f"must have at most {most} characters, not {len(value)}")
    _require_encodable(value)
    return value


def code(value: object, *, most: int) -> str:
    """A code: letters, digits, dots, dashes, colons and underscores, beginning with a letter or digit."""
    found = text(value, most=most, least=1)
    if not CODE.fullmatch(found):
        raise RuleBroken(
            f"must be letters, digits, '.', '-', '_' or ':', beginning with a letter or digit, not {shown(found)}"
        )
    return found


def currency(value: object) -> str:
    """An ISO 4217 code in capital letters."""
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise RuleBroken(f"must be three capital letters such as EUR, not {shown(value)}")
    return value


def json_object(value: object) -> dict[str, Any]:
    """An object of plain JSON that can be stored and sent again as it is."""
    if not isinstance(value, dict):
        raise RuleBroken(f"must be an object, not {shown(value)}")
    _require_storable(value, depth=1)
    return dict(value)


def list_of(value: object, read: Callable[[object], Read]) -> list[Read]:
    """A list whose every element ``read`` accepts, none of them twice."""
    if not isinstance(value, list):
        raise RuleBroken(f"must be a list, not {shown(value)}")
    found: list[Read] = []
    for position, element in enumerate(value):
        try:
            found.append(read(element))
        except RuleBroken as broken:
            raise RuleBroken(f"element {position} {broken}") from None
        if found[-1] in found[:-1]:
            raise RuleBroken(f"element {position} is there twice: {shown(element)}")
    return found


def _require_encodable(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RuleBroken("must be valid Unicode: half of a surrogate pair stands alone") from None


def _require_storable(value: object, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RuleBroken(f"must not nest deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise RuleBroken(f"must have text as keys, not {shown(name)}")
            _require_encodable(name)
            _require_storable(inner, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _require_storable(inner, depth=depth + 1)
    else:
        _require_storable_scalar(value)


def _require_storable_scalar(value: object) -> None:
    if isinstance(value, str):
        _require_encodable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise RuleBroken("must not hold NaN or Infinity: JSON has no such numbers")
    elif isinstance(value, int) and abs(value) > MAX_AMOUNT:
        raise RuleBroken(f"must not hold whole numbers beyond {MAX_AMOUNT}")
    elif value is not None and not isinstance(value, str | int | float):
        raise RuleBroken(f"must hold plain JSON, not {shown(value)}")
