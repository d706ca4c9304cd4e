"""
Steps 3 and 4: grants of sources that wait, with their balances, one chunk of subjects in each transaction.

Subjects that have nothing yet are written set-based. Whoever has a fact or a balance already, or gets a definition whose windows
are the subject's own (anniversary, rolling), is granted by the live path, one subject in a transaction. A source is marked
in the transaction that grants it, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from billing.backfill import candidates, pending, statements
from billing.backfill.dialects import dialect, prepare_connection
from billing.backfill.pending import Offers
from billing.engine.types import SourceType, SubjectType
from billing.entitlements.balances import recompute
from billing.entitlements.grants import Recorded, grant_entitlements_for_purchase
from billing.entitlements.plan_state import grant_entitlements_for_plan_state
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id
from billing.models import Balance, BillableEntity, Grant, OpenLot, PlanAssignment, Purchase
from mozaiks.kit.db import requires_transaction, run_in_transaction

CHUNK = 5_000
SUBJECT = SubjectType.BILLABLE_ENTITY.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """
    What was written. ``sources`` are marked as granted; ``known`` of them had their grants before; ``one_by_one`` are
    subjects of the live path.
    """

    sources: int = 0
    grants: int = 0
    balances: int = 0
    lots: int = 0
    known: int = 0
    one_by_one: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


class Source(NamedTuple):
    """An assignment or a purchase that waits, with its plan or product."""

    id: int
    subject_id: int
    owner_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """The sources of a chunk, locked."""

    assignments: Sequence[Source]
    purchases: Sequence[Source]

    def __len__(self) -> int:
        return len(self.assignments) + len(self.purchases)

    @property
    def subject_ids(self) -> set[int]:
        return {source.subject_id for source in (*self.assignments, *self.purchases)}

    def without(self, subject_ids: set[int]) -> Waiting:
        return Waiting(
            assignments=[source for source in self.assignments if source.subject_id not in subject_ids],
            purchases=[source for source in self.purchases if source.subject_id not in subject_ids],
        )


def project_chunk(subject_ids: Sequence[int], offers: Offers, *, now: datetime) -> Written:
    """Grant what the waiting sources of these subjects give, and bring their balances along, in transactions of its own."""
    written, rest = run_in_transaction(lambda: _project_fresh(subject_ids, offers, now=now))
    for subject_id in rest:
        written += run_in_transaction(partial(_project_one, subject_id, offers, now=now))
    return written


def rebuild_missing_balances(*, now: datetime) -> int:
    """Give every granted (subject, definition) that has no balance the one its facts give; returns how many subjects."""
    of_grant = Balance.objects.filter(
        subject_type=OuterRef("subject_type"),
        subject_id=OuterRef("subject_id"),
        definition_id=OuterRef("definition_id"),
    )
    without = Grant.objects.filter(~Exists(of_grant)).order_by("subject_id").values_list("subject_id", flat=True)
    subject_ids = list(without.distinct())
    for subject_id in subject_ids:
        recompute(BillableEntity.objects.get(pk=subject_id), now=now)
    return len(subject_ids)


def _known(subject_ids: Iterable[int]) -> set[int]:
    """Subjects of whom the engine knows something already."""
    with connection.cursor() as cursor:
        cursor.execute(statements.select_known(subject_ids))
        return {subject_id for (subject_id,) in cursor.fetchall()}


@requires_transaction
def _project_fresh(subject_ids: Sequence[int], offers: Offers, *, now: datetime) -> tuple[Written, list[int]]:
    """Project the subjects that have nothing yet, set-based; returns the others."""
    prepare_connection()
    waiting = _lock(subject_ids, offers)
    rest = _known(waiting.subject_ids) | _with_own_windows(waiting, offers)
    fresh = waiting.without(rest)
    grants, lots, balances = _insert(fresh, offers, now=now)
    _mark(fresh, now=now)
    return Written(sources=len(fresh), grants=grants, lots=lots, balances=balances), sorted(rest)


def _insert(fresh: Waiting, offers: Offers, *, now: datetime) -> tuple[int, int, int]:
    words, grants = dialect(), 0
    if fresh.assignments:
        where = candidates.among("a.id", [source.id for source in fresh.assignments])
        grants += _execute(statements.insert_grants(words, candidates.of_assignments(words, where=where), at=now))
    if fresh.purchases:
        where = candidates.among("p.id", [source.id for source in fresh.purchases])
        grants += _execute(statements.insert_grants(words, candidates.of_purchases(words, where=where), at=now))
    if not grants:
        return 0, 0, 0
    infos = [info for info in map(definition_by_id, sorted(offers.definitions)) if not has_own_windows(info)]
    subject_ids = sorted(fresh.subject_ids)
    lots = _execute(statements.insert_lots(words, infos, subject_ids, at=now))
    return grants, lots, _execute(statements.insert_balances(words, infos, subject_ids, at=now))


@requires_transaction
def _project_one(subject_id: int, offers: Offers, *, now: datetime) -> Written:
    """Grant by the live path what one subject's sources give; what has its grants already is only marked."""
    waiting = _lock([subject_id], offers)
    balances, lots = _projected(subject_id)
    grants = known = 0
    for assignment in PlanAssignment.objects.filter(pk__in=_ids(waiting.assignments)).select_related("plan"):
        if _is_granted(SourceType.PLAN_ASSIGNMENT, assignment.pk):
            known += 1
        else:
            grants += _number(grant_entitlements_for_plan_state(assignment, now=now, paid=False))
    for purchase in Purchase.objects.filter(pk__in=_ids(waiting.purchases)).select_related("product").order_by("pk"):
        if _is_granted(SourceType.BILLING_PURCHASE, purchase.pk):
            known += 1
        else:
            grants += _number(grant_entitlements_for_purchase(purchase, now=now))
    _mark(waiting, now=now)
    balances_now, lots_now = _projected(subject_id)
    return Written(
        sources=len(waiting),
        grants=grants,
        balances=balances_now - balances,
        lots=lots_now - lots,
        known=known,
        one_by_one=1,
    )


def _projected(subject_id: int) -> tuple[int, int]:
    """How many balances and open lots the subject has."""
    rows = {"subject_type": SUBJECT, "subject_id": subject_id}
    return Balance.objects.filter(**rows).count(), OpenLot.objects.filter(**rows).count()


def _lock(subject_ids: Sequence[int], offers: Offers) -> Waiting:
    """
    Everything that waits between the first and the last subject, locked: assignments before balances, as a change of plan
    locks them. What somebody else did meanwhile waits no more.
    """
    span = (subject_ids[0], subject_ids[-1])
    assignments = pending.assignments().filter(plan_id__in=offers.by_plan, current_key__range=span)
    purchases = pending.purchases().filter(billable_entity_id__gte=span[0], billable_entity_id__lte=span[1])
    columns = ("pk", "billable_entity_id")
    return Waiting(
        assignments=[Source(*row) for row in _locked(assignments).values_list(*columns, "plan_id")],
        purchases=[Source(*row) for row in _locked(purchases).values_list(*columns, "product_id")],
    )


def _locked(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_for_update().order_by("pk")


def _with_own_windows(waiting: Waiting, offers: Offers) -> set[int]:
    own = {definition_id for definition_id in offers.definitions if has_own_windows(definition_by_id(definition_id))}
    if not own:
        return set()
    of_plans = {source.subject_id for source in waiting.assignments if own & offers.by_plan[source.owner_id]}
    nothing = frozenset[int]()
    return of_plans | {
        source.subject_id for source in waiting.purchases if own & offers.by_product.get(source.owner_id, nothing)
    }


def has_own_windows(info: DefinitionInfo) -> bool:
    """Whether the windows of a definition depend on the subject: anniversaries do, and a rolling pool is a rule of its own."""
    return info.needs_anchor or info.rule.is_rolling


def _mark(waiting: Waiting, *, now: datetime) -> None:
    for table, sources in ((PlanAssignment, waiting.assignments), (Purchase, waiting.purchases)):
        if sources:
            _execute(statements.mark(table._meta.db_table, _ids(sources), at=now))


def _is_granted(source_type: SourceType, source_id: int) -> bool:
    return Grant.objects.filter(source_type=source_type, source_id=str(source_id)).exists()


def _ids(sources: Iterable[Source]) -> list[int]:
    return [source.id for source in sources]


def _number(recorded: Recorded) -> int:
    return len(recorded.inserted)


def _execute(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)
