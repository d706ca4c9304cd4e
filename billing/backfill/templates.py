"""
Steps 1 and 2: what JSON says that plans and products grant becomes typed templates.

A plan or product that has templates already is left alone: typed rows are the truth, and the JSON beside them is history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Generic, TypeVar

from billing.backfill.refusals import Refusal, refusals_of, refuse_if_any
from billing.backfill.sources import Said, Sources, stored, too_long
from billing.catalog import revisions
from billing.catalog.authoring import parse_plan_entries, parse_product_entries
from billing.catalog.changes import tell_after_commit
from billing.catalog.definitions import known_definitions
from billing.catalog.entries import PlanEntry, ProductEntry
from billing.catalog.problems import CatalogInvalid
from billing.catalog.revisions import Author
from billing.catalog.rows import moved_on
from billing.catalog.templates import replace_plan_templates, replace_product_templates
from billing.models import Plan, PlanTemplate, Product, ProductTemplate
from mozaiks.kit.db import requires_transaction

Entry = TypeVar("Entry", PlanEntry, ProductEntry)

PLANS = "Step 1 (plan templates)"
PRODUCTS = "Step 2 (product templates)"
#: Who stands in the history of the catalog.
AUTHOR = Author(reason="Backfill: templates from what was stored as JSON.")


class Origin(StrEnum):
    """Where it stands what a plan or product grants."""

    STORED = "stored JSON"
    SOURCE = "source file"
    DEFAULTS = "defaults file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Authored:
    """A plan or product whose templates are written: ``codes`` of what it grants, none where it grants nothing."""

    what: str
    code: str
    origin: Origin
    codes: tuple[str, ...]


@dataclass(slots=True)
class Step:
    """What a step found and wrote. ``kept`` had templates before; ``silent`` are inactive plans that say nothing."""

    authored: list[Authored] = field(default_factory=list)
    kept: int = 0
    silent: list[str] = field(default_factory=list)


@requires_transaction
def write_plan_templates(sources: Sources, *, now: datetime) -> Step:
    """
    Step 1. An active plan must say what it grants, be it ``[]``.

    :raises BackfillRefused: naming every plan and the rule it breaks; nothing was written.
    """
    step, refusals = Step(), list(sources.refusals)
    plans = list(Plan.objects.select_for_update().order_by("code"))
    written = set(PlanTemplate.objects.values_list("plan_id", flat=True).distinct())
    refusals += _unknown("plan", sources.plans, plans) + _unknown("plan", sources.defaults, plans)
    parse = partial(parse_plan_entries, definitions=known_definitions(), strict=True)
    found: list[tuple[Plan, list[PlanEntry]]] = []
    for plan in plans:
        if plan.pk in written or plan.grants_nothing:
            step.kept += 1
            continue
        row = f'plan "{plan.code}" (id {plan.pk})'
        reading: _Reading[PlanEntry] = _Reading(row, parse, refusals)
        entries = reading.of(_places(plan, sources.plans, sources.defaults))
        if reading.origin is not None:
            refusals += too_long(row, plan.code)
            found.append((plan, entries))
            step.authored.append(_authored("plan", plan.code, reading.origin, entries))
        elif reading.refused:
            continue
        elif plan.is_active:
            refusals.append(Refusal(row, "is active and ends without a template; [] would say that it grants nothing"))
        else:
            step.silent.append(plan.code)
    refuse_if_any(PLANS, refusals)
    for plan, entries in found:
        before = revisions.before_change(plan)
        replace_plan_templates(plan, entries)
        plan.grants_nothing = not entries
        plan.updated_at = moved_on(plan.updated_at, now=now)
        plan.save(update_fields=["grants_nothing", "updated_at"])
        revisions.record(plan, before, by=AUTHOR, now=now)
    if found:
        tell_after_commit()
    return step


@requires_transaction
def write_product_templates(sources: Sources, *, now: datetime) -> Step:
    """
    Step 2, of products that grant something (:func:`is_granting`); others need no templates.

    :raises BackfillRefused: naming every product and the rule it breaks; nothing was written.
    """
    step, refusals = Step(), list[Refusal]()
    products = list(Product.objects.select_for_update().order_by("code"))
    written = set(ProductTemplate.objects.values_list("product_id", flat=True).distinct())
    refusals += _unknown("product", sources.products, products)
    parse = partial(parse_product_entries, definitions=known_definitions())
    found: list[tuple[Product, list[ProductEntry]]] = []
    for product in products:
        if product.pk in written:
            step.kept += 1
            continue
        if not is_granting(product, sources):
            continue
        row = f'product "{product.code}" (id {product.pk})'
        reading: _Reading[ProductEntry] = _Reading(row, parse, refusals)
        entries = reading.of(_places(product, sources.products))
        refusals += too_long(row, product.code)
        if entries and reading.origin is not None:
            found.append((product, entries))
            step.authored.append(_authored("product", product.code, reading.origin, entries))
        elif not reading.refused:
            refusals.append(Refusal(row, "grants something and ends without a template"))
    refuse_if_any(PRODUCTS, refusals)
    for product, entries in found:
        before = revisions.before_change(product)
        replace_product_templates(product, entries)
        product.updated_at = moved_on(product.updated_at, now=now)
        product.save(update_fields=["updated_at"])
        revisions.record(product, before, by=AUTHOR, now=now)
    if found:
        tell_after_commit()
    return step


def is_granting(product: Product, sources: Sources) -> bool:
    """
    Whether a product without templates grants something: the source has entitlements for it, or its stored JSON has.

    Only an empty array (or nothing at all) says that it does not; anything else is read, and refused where it is wrong.
    """
    said = (stored(product), sources.products.get(product.code))
    return any(each is not None and each.raw != [] for each in said)


class _Reading(Generic[Entry]):
    """Reads one row's entries from wherever they stand. ``origin`` stays None where nobody says anything that is right."""

    def __init__(self, row: str, parse: Callable[[object], list[Entry]], refusals: list[Refusal]) -> None:
        self.row = row
        self.origin: Origin | None = None
        self.refused = False
        self._parse: Callable[[object], list[Entry]] = parse
        self._refusals = refusals

    def of(self, places: Mapping[Origin, Said]) -> list[Entry]:
        """The entries. Two places that both speak must say the same."""
        read: dict[Origin, list[Entry]] = {}
        for origin, said in places.items():
            try:
                read[origin] = self._parse(said.raw)
            except CatalogInvalid as refused:
                self._refuse(refusals_of(f"{self.row}, {said.place}", refused))
            else:
                self._refuse([long for entry in read[origin] for long in too_long(self.row, entry.code)])
        if not places or self.refused:
            return []
        self.origin, *others = places
        for other in others:
            if _content(read[other]) != _content(read[self.origin]):
                both = f"{places[self.origin].place} and {places[other].place}"
                self._refuse([Refusal(self.row, f"{both} give one template different content")])
        return read[self.origin]

    def _refuse(self, refusals: list[Refusal]) -> None:
        self.refused |= bool(refusals)
        self._refusals += refusals


def _places(
    owner: Plan | Product, source: Mapping[str, Said], defaults: Mapping[str, Said] | None = None
) -> dict[Origin, Said]:
    """Who speaks for the row; the defaults only where nobody else does."""
    places = {}
    if (own := stored(owner)) is not None:
        places[Origin.STORED] = own
    if owner.code in source:
        places[Origin.SOURCE] = source[owner.code]
    if not places and defaults and owner.code in defaults:
        places[Origin.DEFAULTS] = defaults[owner.code]
    return places


def _content(entries: Sequence[PlanEntry] | Sequence[ProductEntry]) -> list[str]:
    return sorted(repr(entry) for entry in entries)


def _authored(what: str, code: str, origin: Origin, entries: Sequence[PlanEntry] | Sequence[ProductEntry]) -> Authored:
    return Authored(what=what, code=code, origin=origin, codes=tuple(sorted(entry.code for entry in entries)))


def _unknown(what: str, said: Mapping[str, Said], rows: Sequence[Plan] | Sequence[Product]) -> list[Refusal]:
    known = {row.code for row in rows}
    return [
        Refusal(f"{said[code].place} ({code})", f"there is no {what} with this code")
        for code in sorted(set(said) - known)
    ]
