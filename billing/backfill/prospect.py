"""What steps 3 and 4 have before them: how many grants and balances, by what, and who is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count

from billing.backfill import candidates, pending
from billing.backfill.dialects import Dialect, dialect
from billing.entitlements.resolvers import definition_by_id
from billing.models import Plan, PlanTemplate, Product, Purchase
from billing.models.catalog import EffectivePolicy
from billing.models.purchases import PurchaseStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """How many grants one plan or product gives of one definition."""

    what: str
    code: str
    definition: str
    grants: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """``sources`` wait; ``balances`` are rows that are not there yet; ``notes`` say in sentences what is left out."""

    sources: int
    planned: tuple[Planned, ...]
    balances: int
    notes: tuple[str, ...]

    @property
    def grants(self) -> int:
        return sum(each.grants for each in self.planned)


def look_ahead() -> Prospect:
    """Count what waits, set-based. Writes nothing."""
    offers, words = pending.read_offers(), dialect()
    of_plans = candidates.of_assignments(words, where=pending.ASSIGNMENTS)
    of_products = candidates.of_purchases(words, where=pending.PURCHASES)
    plans, products = dict(Plan.objects.values_list("pk", "code")), dict(Product.objects.values_list("pk", "code"))
    return Prospect(
        sources=pending.assignments().filter(plan_id__in=offers.by_plan).count() + pending.purchases().count(),
        planned=(*_planned(words, "plan", plans, of_plans), *_planned(words, "product", products, of_products)),
        balances=_missing_balances(words, f"{of_plans} UNION ALL {of_products}"),
        notes=tuple(_notes(set(offers.by_plan))),
    )


def _planned(words: Dialect, what: str, codes: dict[int, str], select: str) -> list[Planned]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.owner_id, c.definition_id, COUNT(*) FROM ({select}) c"
            f" WHERE {_new(words)} GROUP BY c.owner_id, c.definition_id"
        )
        found = cursor.fetchall()
    planned = [
        Planned(what=what, code=codes[owner_id], definition=definition_by_id(definition_id).code, grants=number)
        for owner_id, definition_id, number in found
    ]
    return sorted(planned, key=lambda each: (each.code, each.definition))


def _missing_balances(words: Dialect, select: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM (SELECT DISTINCT c.subject_id, c.definition_id FROM ({select}) c WHERE {_new(words)}) n"
            " WHERE NOT EXISTS (SELECT 1 FROM billing_entitlement_balances b WHERE b.subject_type = 'billable_entity'"
            " AND b.subject_id = n.subject_id AND b.entitlement_definition_id = n.definition_id)"
        )
        return int(cursor.fetchone()[0])


def _new(words: Dialect) -> str:
    """A candidate whose source has no grant yet, and that is no grant of fixed duration which was made before."""
    return (
        "NOT EXISTS (SELECT 1 FROM billing_entitlement_grants g"
        f" WHERE g.source_type = c.source_type AND g.source_id = {words.text('c.source_id')})"
        " AND (c.is_fixed = 0 OR NOT EXISTS (SELECT 1 FROM billing_entitlement_grants k"
        f" WHERE k.dedupe_key = {candidates.key_of(words, 'c')}))"
    )


def _notes(speaking: set[int]) -> Iterator[str]:
    silent = pending.assignments().exclude(plan_id__in=speaking).values_list("plan__code")
    for code, number in silent.annotate(number=Count("pk")).order_by("plan__code"):
        yield f'Plan "{code}" never said what it grants: {number} assignments go on waiting.'
    others = Purchase.objects.exclude(status=PurchaseStatus.CONFIRMED).filter(projected_at__isnull=True)
    for status, number in others.values_list("status").annotate(number=Count("pk")).order_by("status"):
        yield f"{number} purchases are {status.replace('_', ' ')}: only confirmed ones are granted."
    without = Purchase.objects.filter(status=PurchaseStatus.CONFIRMED, projected_at__isnull=True, product__isnull=True)
    if number := without.count():
        yield f"{number} purchases name no product: they are left as they are."
    paid = PlanTemplate.objects.filter(effective_policy=EffectivePolicy.ON_PERIOD_PAID).values("plan").distinct()
    if number := paid.count():
        yield f"{number} plans grant something when a period is paid: that comes with the next paid invoice."
