"""Step 3 looks at every row before it writes the first: what could not be granted is named with the rule it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Exists, F, OuterRef, QuerySet, Value

from billing.backfill import candidates, pending
from billing.backfill.dialects import Dialect, dialect
from billing.backfill.refusals import MOST_NAMED, Refusal
from billing.engine.types import MAX_AMOUNT, SourceType
from billing.models import BillableEntity, Grant, Plan, Product

ASSIGNMENT, PURCHASE = "assignment {}", "purchase {}"
NAMES = {SourceType.PLAN_ASSIGNMENT: ASSIGNMENT, SourceType.BILLING_PURCHASE: PURCHASE}


def check_waiting() -> list[Refusal]:
    """Everything that is wrong with the assignments and purchases that wait. One statement per rule and table."""
    return [refusal for check in CHECKS for refusal in check()]


def _missing_subjects() -> Iterator[Refusal]:
    gone = ~Exists(BillableEntity.objects.filter(pk=OuterRef("billable_entity_id")))
    rule = "its subject, billable entity {}, does not exist"
    yield from _named(pending.assignments().filter(gone), "billable_entity_id", ASSIGNMENT, rule)
    yield from _named(pending.purchases().filter(gone), "billable_entity_id", PURCHASE, rule)


def _missing_owners() -> Iterator[Refusal]:
    """Without its plan or product a row would be passed over in silence."""
    no_plan = ~Exists(Plan.objects.filter(pk=OuterRef("plan_id")))
    no_product = ~Exists(Product.objects.filter(pk=OuterRef("product_id")))
    yield from _named(pending.assignments().filter(no_plan), "plan_id", ASSIGNMENT, "its plan {} does not exist")
    yield from _named(pending.purchases().filter(no_product), "product_id", PURCHASE, "its product {} does not exist")


def _invalid_windows() -> Iterator[Refusal]:
    """A period that ends when it begins, or before: its grants would expire before they take effect."""
    empty = pending.assignments().filter(period_end_at__lte=F("period_start_at"))
    yield from _named(empty, "period_end_at", ASSIGNMENT, "invalid window: it ends at {}, which is not after its start")


def _amounts_too_large() -> Iterator[Refusal]:
    most = Value(MAX_AMOUNT, output_field=BigIntegerField()) / F("quantity")
    beyond = pending.purchases().filter(quantity__gt=1, product__templates__amount__gt=most).distinct()
    yield from _named(beyond, "quantity", PURCHASE, "{} times what one unit grants is more than an amount can be")


def _keys_of_others() -> Iterator[Refusal]:
    """A key that stands for another grant already would make the insert a silent no-op."""
    if not Grant.objects.exists():
        return
    words = dialect()
    for select in (
        candidates.of_assignments(words, where=pending.ASSIGNMENTS),
        candidates.of_purchases(words, where=pending.PURCHASES),
    ):
        with connection.cursor() as cursor:
            cursor.execute(_taken_keys(words, select))
            found = cursor.fetchall()
        for source_type, source_id, key, grant_id in found[:MOST_NAMED]:
            row = NAMES[SourceType(source_type)].format(source_id)
            yield Refusal(row, f"its key {key} stands for grant {grant_id} already, which has different content")
        if len(found) > MOST_NAMED:
            yield Refusal("and others", f"{len(found) - MOST_NAMED} more keys stand for other grants")


def _taken_keys(words: Dialect, select: str) -> str:
    return f"""
SELECT c.source_type, c.source_id, g.dedupe_key, g.id
FROM ({select}) c JOIN billing_entitlement_grants g ON g.dedupe_key = {candidates.key_of(words, "c")}
WHERE g.subject_id <> c.subject_id OR COALESCE(g.template_id, 0) <> c.template_id
  OR (c.is_fixed = 0 AND (g.source_type <> c.source_type OR g.source_id <> {words.text("c.source_id")}))
ORDER BY c.source_id, g.id"""


CHECKS: tuple[Callable[[], Iterable[Refusal]], ...] = (
    _missing_subjects,
    _missing_owners,
    _invalid_windows,
    _amounts_too_large,
    _keys_of_others,
)


def _named(rows: QuerySet[Any], column: str, name: str, rule: str) -> Iterator[Refusal]:
    """The first of ``rows`` by name, the rest by number."""
    found = list(rows.order_by("pk").values_list("pk", column)[: MOST_NAMED + 1])
    for pk, value in found[:MOST_NAMED]:
        yield Refusal(name.format(pk), rule.format(value))
    if len(found) > MOST_NAMED:
        yield Refusal("and others", f"{rows.count() - MOST_NAMED} more: {rule.format('…')}")
