"""Everything that is wrong with one payload, each rule with the path of the value that breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mozaiks.kit.errors import Invalid

Value = TypeVar("Value")

#: How much of a bad value a message repeats, in characters.
SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True)
class PathError:
    """One broken rule: where, and what would be right."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class RuleBroken(ValueError):
    """A single value breaks the rule that the message states. Whoever knows the path turns it into a problem."""


class CatalogInvalid(Invalid):
    """A plan, product or definition that cannot be published; all its problems together."""

    def __init__(self, errors: list[PathError]) -> None:
        by_path: dict[str, list[str]] = {}
        for error in errors:
            by_path.setdefault(error.path, []).append(error.message)
        rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0]}{rest}", field_errors=by_path)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(str(error) for error in self.errors)


class Problems:
    """Collects what is wrong while the reading goes on, so that all of it is told at once."""

    def __init__(self) -> None:
        self._errors: list[PathError] = []

    def __len__(self) -> int:
        return len(self._errors)

    @property
    def errors(self) -> tuple[PathError, ...]:
        """What was noted so far."""
        return tuple(self._errors)

    def add(self, path: str, message: str) -> None:
        self._errors.append(PathError(path, message))

    def attempt(self, path: str, read: Callable[[], Value], *, otherwise: Value) -> Value:
        """What ``read`` returns; or ``otherwise``, with the rule it broke noted under ``path``."""
        try:
            return read()
        except RuleBroken as broken:
            self.add(path, str(broken))
            return otherwise

    def raise_if_any(self) -> None:
        """:raises CatalogInvalid: with everything that was noted."""
        if self._errors:
            raise CatalogInvalid(self._errors)


def shown(value: object) -> str:
    """A bad value as a message may repeat it: short, and always encodable."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a value of type {type(value).__name__}"
    return _encodable(text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…")


def at_key(path: str, key: object) -> str:
    """The path of a key that somebody made up."""
    return f"{path}.{_encodable(str(key)[:SHOWN_LENGTH])}"


def listed(words: Mapping[str, object] | tuple[str, ...] | list[str]) -> str:
    """Words as a message lists them."""
    return ", ".join(words)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
