"""
What stored JSON, the source file and the defaults say that plans and products grant, as raw entries by code.

A file has the shape of the catalog document (``{"plans": [{"code", "entitlements"}], "products": […]}``) or names rows by
their codes (``{"plans": {"pro": […]}}``). Other keys of an old dump are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from billing.backfill.refusals import Refusal
from billing.catalog.problems import shown
from billing.models import Plan, Product

ENTITLEMENTS = "entitlements"
#: The longest identifier that is taken over: longer ones would not stand in keys as they are.
LONGEST_IDENTIFIER = 64


@dataclass(frozen=True, slots=True)
class Said:
    """Raw entries, and the place where they stand."""

    raw: Any
    place: str


@dataclass(slots=True)
class Sources:
    """What files say, by code; ``refusals`` is what is wrong with the files themselves."""

    plans: dict[str, Said] = field(default_factory=dict)
    products: dict[str, Said] = field(default_factory=dict)
    defaults: dict[str, Said] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


def read_sources(source: object = None, defaults: object = None) -> Sources:
    """What the two files say; None is a file that was not given."""
    found = Sources()
    if source is not None:
        for section, into in (("plans", found.plans), ("products", found.products)):
            _read_section("source", source, section, into, found.refusals)
    if defaults is not None:
        given = defaults if isinstance(defaults, dict) and "plans" in defaults else {"plans": defaults}
        _read_section("defaults", given, "plans", found.defaults, found.refusals)
    return found


def stored(owner: Plan | Product) -> Said | None:
    """What the row's own JSON says it grants; None where it says nothing."""
    metadata = owner.metadata_json
    if not isinstance(metadata, dict) or metadata.get(ENTITLEMENTS) is None:
        return None
    return Said(metadata[ENTITLEMENTS], f"metadata_json.{ENTITLEMENTS}")


def too_long(row: str, code: str) -> list[Refusal]:
    """The refusal of an identifier that is too long to be taken over."""
    if len(code) <= LONGEST_IDENTIFIER:
        return []
    rule = f"the identifier {shown(code)} has {len(code)} characters; at most {LONGEST_IDENTIFIER} are taken over"
    return [Refusal(row, rule)]


def _read_section(file: str, document: object, section: str, into: dict[str, Said], refusals: list[Refusal]) -> None:
    if not isinstance(document, dict):
        refusals.append(Refusal(f"{file} file", f"must be an object, not {shown(document)}"))
        return
    for place, code, item in _items(document.get(section), f"{file} file, {section}", refusals):
        raw = item.get(ENTITLEMENTS) if isinstance(item, dict) else item
        if raw is None:
            continue
        known = into.setdefault(code, Said(raw, place))
        if _text(known.raw) != _text(raw):
            refusals.append(Refusal(f"{place} ({code})", f"says something else than {known.place}"))


def _items(raw: object, place: str, refusals: list[Refusal]) -> Iterator[tuple[str, str, Any]]:
    """Place, code and content of each row that a section names."""
    if raw is None:
        return
    if isinstance(raw, Mapping):
        for code, item in raw.items():
            yield f"{place}.{code}", code, item
    elif isinstance(raw, list):
        for index, item in enumerate(raw):
            if isinstance(item, dict) and isinstance(item.get("code"), str):
                yield f"{place}[{index}]", item["code"], item
            else:
                refusals.append(Refusal(f"{place}[{index}]", f"must be an object with a code, not {shown(item)}"))
    else:
        refusals.append(Refusal(place, f"must be an array or an object by code, not {shown(raw)}"))


def _text(raw: object) -> str:
    return json.dumps(raw, sort_keys=True)
