"""
The catalog as one document: definitions, plans and products, written out, compared and applied.

What a document does not name stays as it is, rows and fields alike. Everything is written through publishing, so the rules
are those of the console.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Count, Prefetch

from billing.catalog import wire
from billing.catalog.definitions import publish_definition
from billing.catalog.problems import CatalogInvalid, PathError, Problems, at_key, listed, shown
from billing.catalog.publishing import OMITTED, publish_plan, publish_product
from billing.catalog.revisions import PROGRAM, Author
from billing.catalog.templates import BY_CODE, plan_entry, product_entry
from billing.catalog.values import is_whole
from billing.catalog.wire import DEFINITION, ENTITLEMENTS, PLAN, PRODUCT, Wire
from billing.models import Balance, Definition, Plan, PlanAssignment, PlanTemplate, Product, ProductTemplate, Purchase
from mozaiks.kit.db import requires_transaction, run_in_transaction

Document = dict[str, Any]
Item = Mapping[str, Any]
Place = tuple[int, Item]
Publish = Callable[[Mapping[str, Any], Any, datetime, Author], object]

#: The version of the document's shape. Additions keep it.
FORMAT = 1
#: More than anybody has; it bounds the work a document can cause.
MAX_ITEMS = 5_000


class Action(StrEnum):
    """What applying a document does to a row."""

    CREATE = "create"
    CHANGE = "change"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One list of a document: how its rows are named on the wire, and how one is published."""

    key: str
    wire: Wire
    publish: Publish


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field that changes; None is nothing, or unlimited. Entitlements are named each by code and grant kind."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """
    What becomes of one row. ``touched`` are the subjects on the plan now, that bought the product, or that have a balance.

    They keep what they were granted; a change of a definition is theirs at once.
    """

    section: str
    code: str
    action: Action
    differences: tuple[Difference, ...]
    touched: int


def _publish_definition(fields: Mapping[str, Any], _: Any, now: datetime, by: Author) -> object:
    return publish_definition(fields, now=now, by=by)


def _publish_plan(fields: Mapping[str, Any], entitlements: Any, now: datetime, by: Author) -> object:
    return publish_plan(fields, entitlements, now=now, by=by)


def _publish_product(fields: Mapping[str, Any], entitlements: Any, now: datetime, by: Author) -> object:
    return publish_product(fields, entitlements, now=now, by=by)


#: In the order in which they are applied: plans and products name definitions.
SECTIONS = (
    Section(key="definitions", wire=DEFINITION, publish=_publish_definition),
    Section(key="plans", wire=PLAN, publish=_publish_plan),
    Section(key="products", wire=PRODUCT, publish=_publish_product),
)


def export() -> Document:
    """The whole catalog, sorted by code. The same catalog is always the same document. Five queries."""
    plans = Plan.objects.order_by("code").prefetch_related(_templates(PlanTemplate))
    products = Product.objects.order_by("code").prefetch_related(_templates(ProductTemplate))
    return {
        "format": FORMAT,
        "definitions": [wire.definition_item(row) for row in Definition.objects.order_by("code")],
        "plans": [wire.plan_item(plan, map(plan_entry, plan.templates.all())) for plan in plans],
        "products": [wire.product_item(product, map(product_entry, product.templates.all())) for product in products],
    }


def apply(document: object, *, now: datetime, by: Author = PROGRAM) -> list[Change]:
    """
    Make the catalog say what the document says, in one transaction, and tell what changed.

    :raises CatalogInvalid: with every broken rule of the whole document, each with its path; nothing was written.
    """
    return run_in_transaction(lambda: _apply(document, now=now, by=by))


def plan(document: object, *, now: datetime) -> list[Change]:
    """
    What :func:`apply` would change: the same done and rolled back.

    :raises CatalogInvalid: as :func:`apply` does.
    """

    def rehearse() -> list[Change]:
        changes = _apply(document, now=now, by=PROGRAM)
        transaction.set_rollback(True)
        return changes

    return run_in_transaction(rehearse)


def unnamed(document: Item) -> dict[str, list[str]]:
    """Codes by section that are in the catalog and not in the document; applying leaves them as they are."""
    now_there = export()
    return {
        section.key: sorted(_codes(now_there, section) - _codes(document, section))
        for section in SECTIONS
        if _codes(now_there, section) - _codes(document, section)
    }


def _codes(document: Item, section: Section) -> set[str]:
    return {item["code"] for item in document.get(section.key, ())}


def _templates(table: type[PlanTemplate] | type[ProductTemplate]) -> Prefetch[Any]:
    return Prefetch("templates", queryset=table._default_manager.select_related("definition").order_by(*BY_CODE))


@requires_transaction
def _apply(document: object, *, now: datetime, by: Author) -> list[Change]:
    problems = Problems()
    items = _read(document, problems)
    before = export()
    broken = list(problems.errors)
    for section in SECTIONS:
        known = {item["code"]: item for item in before[section.key]}
        for index, item in _default_first(items[section.key]):
            broken += _publish(section, index, item, known.get(item["code"]), now=now, by=by)
    if broken:
        raise CatalogInvalid(broken)
    return _changes(before, export())


def _default_first(items: Iterable[Place]) -> list[Place]:
    """The plan that becomes the default goes first, so that the one before may be switched off after it."""
    return sorted(items, key=lambda place: place[1].get("isDefault") is not True)


def _publish(
    section: Section, index: int, item: Item, known: Item | None, *, now: datetime, by: Author
) -> list[PathError]:
    """Publish one item in a savepoint of its own; returns what is wrong with it. What is there already is left alone."""
    given = {key: value for key, value in item.items() if known is None or key == "code" or _differs(known, key, value)}
    if known is not None and set(given) <= {"code"}:
        return []
    entitlements = given.get(ENTITLEMENTS, OMITTED)
    try:
        section.wire.publish(given, lambda fields: section.publish(fields, entitlements, now, by))
    except CatalogInvalid as refused:
        return [PathError(f"{section.key}[{index}].{error.path}", error.message) for error in refused.errors]
    return []


def _differs(known: Item, key: str, value: object) -> bool:
    """What is there word for word is not published again: templates of a definition that is inactive by now may stay."""
    return key not in known or _text(known[key]) != _text(value)


def _text(value: object) -> str:
    """JSON by which values are told apart: true is not 1, and the order of keys means nothing."""
    return json.dumps(value, sort_keys=True)


def _read(document: object, problems: Problems) -> dict[str, list[Place]]:
    """The items by section, each with its index; those without a code of their own are noted and left out."""
    if not isinstance(document, dict):
        problems.add("$", f"must be an object, not {shown(document)}")
        document = {"format": FORMAT}
    keys = ["format", *(section.key for section in SECTIONS)]
    for key in document:
        if key not in keys and key != "$schema":
            problems.add(at_key("$", key), f"unknown key; known are {listed(keys)}")
    if not is_whole(document.get("format")) or document["format"] != FORMAT:
        problems.add("format", f"must be {FORMAT}, not {shown(document.get('format'))}")
    items = {section.key: _read_section(document.get(section.key, []), section.key, problems) for section in SECTIONS}
    _refuse_two_defaults(items["plans"], problems)
    return items


def _read_section(raw: object, key: str, problems: Problems) -> list[Place]:
    if not isinstance(raw, list):
        problems.add(key, f"must be an array, not {shown(raw)}")
        return []
    if len(raw) > MAX_ITEMS:
        problems.add(key, f"must have at most {MAX_ITEMS} elements, not {len(raw)}")
        return []
    first_at: dict[str, str] = {}
    items: list[Place] = []
    for index, item in enumerate(raw):
        path = f"{key}[{index}]"
        if not isinstance(item, dict):
            problems.add(path, f"must be an object, not {shown(item)}")
        elif not isinstance(item.get("code"), str):
            problems.add(f"{path}.code", "is required, as text")
        elif first_at.setdefault(item["code"], path) != path:
            problems.add(f"{path}.code", f"repeats {shown(item['code'])} of {first_at[item['code']]}")
        else:
            items.append((index, item))
    return items


def _refuse_two_defaults(plans: Iterable[Place], problems: Problems) -> None:
    defaults = [index for index, item in plans if item.get("isDefault") is True]
    for index in defaults[1:]:
        problems.add(f"plans[{index}].isDefault", f"is true for plans[{defaults[0]}] already; one plan is the default")


def _changes(before: Document, after: Document) -> list[Change]:
    changes: list[Change] = []
    for section in SECTIONS:
        known = {item["code"]: item for item in before[section.key]}
        touched = _TOUCHED[section.key]()
        for item in after[section.key]:
            found = differences(known.get(item["code"], {}), item)
            if found:
                changes.append(
                    Change(
                        section=section.key,
                        code=item["code"],
                        action=Action.CHANGE if item["code"] in known else Action.CREATE,
                        differences=found,
                        touched=touched.get(item["code"], 0),
                    )
                )
    return changes


def differences(before: Item, after: Item) -> tuple[Difference, ...]:
    """What one item of a document says differently from another."""
    old, new = _flat(before), _flat(after)
    return tuple(
        Difference(field=field, before=old.get(field), after=new.get(field))
        for field in dict.fromkeys([*old, *new])
        if _text(old.get(field)) != _text(new.get(field))
    )


def _flat(item: Item) -> dict[str, Any]:
    """The fields of an item, with each entitlement a field of its own."""
    flat = {key: value for key, value in item.items() if key != ENTITLEMENTS}
    for entry in item.get(ENTITLEMENTS, ()):
        flat[f"{entry['code']} ({entry['grantKind']})"] = {
            key: value for key, value in entry.items() if key not in ("code", "grantKind", "schemaVersion")
        }
    return flat


def _subscribers() -> dict[str, int]:
    return dict(PlanAssignment.objects.current().values_list("plan__code").annotate(number=Count("pk")))


def _purchasers() -> dict[str, int]:
    rows = Purchase.objects.filter(product__isnull=False).values_list("product__code")
    return dict(rows.annotate(number=Count("billable_entity", distinct=True)))


def _counted() -> dict[str, int]:
    return dict(Balance.objects.running().values_list("definition__code").annotate(number=Count("pk")))


_TOUCHED: Mapping[str, Callable[[], dict[str, int]]] = {
    "definitions": _counted,
    "plans": _subscribers,
    "products": _purchasers,
}
