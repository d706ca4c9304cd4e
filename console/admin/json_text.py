"""JSON as authors write and read it: what is wrong is told by line and column, and nothing that was said is lost."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django import forms


def written(content: object) -> str:
    """JSON as an author reads it."""
    return json.dumps(content, indent=2, ensure_ascii=False)


def read_json(text: str) -> Any:
    """
    What an author typed.

    :raises ValidationError: it is no JSON, by line and column; or it says one thing twice, of which one would be lost.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise forms.ValidationError(f"This is no JSON ({place}): {error.msg}.") from error
    except RecursionError as error:
        raise forms.ValidationError("This is nested too deeply.") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise forms.ValidationError(f"The key “{twin}” stands twice in one object.")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise forms.ValidationError(f"{word} is no number in JSON.")
