"""Plans, products and definitions as JSON says them: camelCase names, and problems told under these names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import Model

from billing.catalog.entries import PlanEntry, ProductEntry
from billing.catalog.fields import DEFINITION_FIELDS, PLAN_FIELDS, PRODUCT_FIELDS, Fields, Reader
from billing.catalog.problems import CatalogInvalid, PathError, Problems, at_key, listed
from billing.models import Definition, Plan, Product

Published = TypeVar("Published")

ENTITLEMENTS = "entitlements"


class Wire:
    """The names of one kind of row on the wire. ``extra`` are keys that are no field of the row."""

    def __init__(self, fields: Mapping[str, Reader], *, extra: tuple[str, ...] = ()) -> None:
        self.names = {field: camel(field) for field in fields}
        self.extra = extra
        self._fields = {name: field for field, name in self.names.items()}
        self._word = re.compile(rf"\b({'|'.join(sorted(fields, key=len, reverse=True))})\b")

    @property
    def known(self) -> list[str]:
        """Every key there may be, in the order in which documents have them."""
        return [*self._fields, *self.extra]

    def read(self, item: Mapping[str, Any], problems: Problems) -> Fields:
        """The fields that are given, under the names of the row; unknown keys are noted."""
        for key in item:
            if key not in self._fields and key not in self.extra:
                said = f"unknown field; known are {listed(self.known)}"
                problems.add(at_key("", key).lstrip("."), said)
        return {self._fields[key]: value for key, value in item.items() if key in self._fields}

    def publish(self, item: Mapping[str, Any], publish: Callable[[Fields], Published]) -> Published:
        """
        Publish what ``item`` says, its fields under the names of the row, in a transaction that a refusal rolls back.

        :raises CatalogInvalid: in the words of the wire, with the keys nobody knows beside what publishing refused.
        """
        problems = Problems()
        fields = self.read(item, problems)
        try:
            published = publish(fields)
        except CatalogInvalid as refused:
            raise CatalogInvalid([*problems.errors, *map(self.error, refused.errors)]) from None
        problems.raise_if_any()
        return published

    def say(self, row: Model) -> dict[str, Any]:
        """What the row says, every field, in a fixed order."""
        return {name: in_order(getattr(row, field)) for field, name in self.names.items()}

    def error(self, error: PathError) -> PathError:
        """The same problem in the words of the wire."""
        head = re.match(r"[^.\[]*", error.path)
        field = head.group() if head else ""
        path = self.names.get(field, field) + error.path[len(field) :]
        return PathError(path, self._word.sub(lambda found: self.names[found.group()], error.message))


def camel(name: str) -> str:
    """``unit_amount_minor`` as ``unitAmountMinor``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def in_order(value: Any) -> Any:
    """Free JSON with its keys sorted, so that the same content is always the same text."""
    if isinstance(value, Mapping):
        return {key: in_order(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [in_order(element) for element in value]
    return value


DEFINITION = Wire(DEFINITION_FIELDS)
PLAN = Wire(PLAN_FIELDS, extra=(ENTITLEMENTS,))
PRODUCT = Wire(PRODUCT_FIELDS, extra=(ENTITLEMENTS,))


def definition_item(row: Definition) -> dict[str, Any]:
    """A definition as a document has it."""
    return DEFINITION.say(row)


def plan_item(plan: Plan, entries: Iterable[PlanEntry]) -> dict[str, Any]:
    """A plan as a document has it. One that never said what it grants does not say it here either."""
    said = [_entry_item(entry) for entry in entries]
    if not said and not plan.grants_nothing:
        return PLAN.say(plan)
    return PLAN.say(plan) | {ENTITLEMENTS: said}


def product_item(product: Product, entries: Iterable[ProductEntry]) -> dict[str, Any]:
    """A product as a document has it."""
    return PRODUCT.say(product) | {ENTITLEMENTS: [_entry_item(entry) for entry in entries]}


def _entry_item(entry: PlanEntry | ProductEntry) -> dict[str, Any]:
    return {key: in_order(value) for key, value in entry.as_json().items()}
