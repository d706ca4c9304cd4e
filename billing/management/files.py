"""Files of JSON that commands read and write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandError


def written(document: object) -> str:
    """JSON as it is kept in files: indented, in UTF-8, with a line break at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read(name: str) -> Any:
    """
    What the file says.

    :raises CommandError: it cannot be read, is no JSON, or says one thing twice, of which one would be lost.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name} is not valid JSON: {error}.") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
