"""The templates of a plan or product: read as the entries that say the same, and replaced, keeping the rows that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.catalog.entries import PlanEntry, ProductEntry
from billing.catalog.rows import change
from billing.models import Plan, PlanTemplate, Product, ProductTemplate
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind
from mozaiks.kit.db import requires_transaction

PLAN_COLUMNS = ("amount", "effective_policy", "duration_policy", "duration_days", "metadata_json")
PRODUCT_COLUMNS = ("amount", "duration_days", "metadata_json")
#: The order in which templates are told.
BY_CODE = ("definition__code", "grant_kind")


def plan_entries(plan: Plan) -> list[PlanEntry]:
    """What the plan grants, sorted by code and grant kind. Publishing these entries changes nothing."""
    rows = plan.templates.select_related("definition").order_by(*BY_CODE)
    return [plan_entry(row) for row in rows]


def product_entries(product: Product) -> list[ProductEntry]:
    """What the product grants, sorted by code and grant kind. Publishing these entries changes nothing."""
    rows = product.templates.select_related("definition").order_by(*BY_CODE)
    return [product_entry(row) for row in rows]


def plan_entry(row: PlanTemplate) -> PlanEntry:
    """The entry that says what the template says. Its definition is read where it was not brought along."""
    return PlanEntry(
        definition_id=row.definition_id,
        code=row.definition.code,
        amount=row.amount,
        grant_kind=PlanGrantKind(row.grant_kind),
        effective_policy=EffectivePolicy(row.effective_policy),
        duration_policy=DurationPolicy(row.duration_policy),
        duration_days=row.duration_days,
        metadata_json=row.metadata_json,
    )


def product_entry(row: ProductTemplate) -> ProductEntry:
    """The entry that says what the template says. Its definition is read where it was not brought along."""
    return ProductEntry(
        definition_id=row.definition_id,
        code=row.definition.code,
        amount=row.amount,
        grant_kind=ProductGrantKind(row.grant_kind),
        duration_days=row.duration_days,
        metadata_json=row.metadata_json,
    )


@requires_transaction
def replace_plan_templates(plan: Plan, entries: Sequence[PlanEntry]) -> bool:
    """Make the plan's templates say what ``entries`` say; whether anything was different."""
    return _replace(PlanTemplate, {"plan": plan}, entries, PLAN_COLUMNS)


@requires_transaction
def replace_product_templates(product: Product, entries: Sequence[ProductEntry]) -> bool:
    """Make the product's templates say what ``entries`` say; whether anything was different."""
    return _replace(ProductTemplate, {"product": product}, entries, PRODUCT_COLUMNS)


def _replace(
    table: type[PlanTemplate] | type[ProductTemplate],
    owner: dict[str, Any],
    entries: Sequence[PlanEntry] | Sequence[ProductEntry],
    columns: tuple[str, ...],
) -> bool:
    """A row whose (definition, grant kind) stays keeps its id: keys of grants are made of it."""
    rows = table._default_manager.filter(**owner)
    left = {(row.definition_id, row.grant_kind): row for row in rows}
    different = False
    for entry in entries:
        says = {name: getattr(entry, name) for name in columns}
        row = left.pop((entry.definition_id, entry.grant_kind.value), None)
        if row is None:
            table._default_manager.create(
                definition_id=entry.definition_id, grant_kind=entry.grant_kind, **owner, **says
            )
            different = True
        elif changed := change(row, says):
            row.save(update_fields=changed)
            different = True
    gone = [row.pk for row in left.values()]
    if gone:
        table._default_manager.filter(pk__in=gone).delete()
    return different or bool(gone)
