"""Reads what the SDK writes: ``line_items[0][price]=…`` as lists and objects."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl


def read_form(text: str) -> dict[str, Any]:
    """The nested values of a form or query; numbers in brackets make lists."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        path = [part for part in re.split(r"[\[\]]+", name) if part]
        place = root
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    found = _with_lists(root)
    return found if isinstance(found, dict) else {}


def number(value: Any, default: int = 0) -> int:
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else default


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    read = {key: _with_lists(each) for key, each in value.items()}
    if read and all(key.isdigit() for key in read):
        return [read[key] for key in sorted(read, key=int)]
    return read
