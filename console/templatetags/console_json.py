"""Filters of the console's own templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template

from billing.catalog.exchange import Difference

register = template.Library()

NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One value inside a difference. ``changed``: it was something else before, which is told too."""

    name: str
    before: str
    after: str
    changed: bool


@register.filter
def parts(difference: Difference) -> list[Part]:
    """What of a field differs: an entitlement is told value by value, and of two only what is not the same."""
    old, new = _values(difference.before), _values(difference.after)
    return [
        Part(name=name, before=_said(old.get(name)), after=_said(new.get(name)), changed=bool(old))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ] or [Part(name="", before=_said(difference.before), after=_said(difference.after), changed=bool(old))]


def _values(value: Any) -> dict[str, Any]:
    """The single values in ``value`` by name; what is no object is one value without a name. Nothing has none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return {"": value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            found |= {key or name: one for key, one in _values(inner).items()}
        else:
            found[name] = "unlimited" if inner is None else inner
    return found


def _said(value: object) -> str:
    if value is None:
        return NOTHING
    return (value or "empty") if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
