"""What grants were made for, in words a customer reads: the plan, the purchase, the event, the operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from billing.engine.types import SourceType
from billing.models import BillingEvent, Grant, PlanAssignment, Purchase


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """
    What a grant was made for.

    ``id`` is that of the assignment, purchase or event; None where an operator gave it, whose name is nobody else's business.
    """

    type: SourceType
    id: str | None
    title: str


def sources_of(grants: Sequence[Grant]) -> dict[int, Source]:
    """The source of each grant, by the grant's id. At most one statement for each kind of source."""
    titles = {
        SourceType.PLAN_ASSIGNMENT: _plans(_ids(grants, SourceType.PLAN_ASSIGNMENT)),
        SourceType.BILLING_PURCHASE: _purchases(_ids(grants, SourceType.BILLING_PURCHASE)),
        SourceType.BILLING_EVENT: _events(_ids(grants, SourceType.BILLING_EVENT)),
    }
    return {grant.pk: _source(grant, titles) for grant in grants}


def _ids(grants: Iterable[Grant], kind: SourceType) -> set[int]:
    """Source ids are text; those that are no number point to no row."""
    return {int(grant.source_id) for grant in grants if grant.source_type == kind and grant.source_id.isdecimal()}


def _plans(ids: set[int]) -> dict[str, str]:
    found = PlanAssignment.objects.filter(pk__in=ids).values_list("pk", "plan__name") if ids else ()
    return {str(pk): f"Plan “{name}”" for pk, name in found}


def _purchases(ids: set[int]) -> dict[str, str]:
    found = Purchase.objects.filter(pk__in=ids).values_list("pk", "display_name", "product__name") if ids else ()
    return {str(pk): f"Purchase “{name or product or pk}”" for pk, name, product in found}


def _events(ids: set[int]) -> dict[str, str]:
    found = BillingEvent.objects.filter(pk__in=ids).values_list("pk", "event_name") if ids else ()
    return {str(pk): f"Event “{name}”" for pk, name in found}


def _source(grant: Grant, titles: Mapping[SourceType, Mapping[str, str]]) -> Source:
    kind = SourceType(grant.source_type)
    if kind is SourceType.MANUAL_CONSOLE:
        return Source(type=kind, id=None, title="Grant by an operator")
    if kind is SourceType.SYSTEM_WORKER:
        return Source(type=kind, id=grant.source_id or None, title="Grant by the system")
    word = {SourceType.PLAN_ASSIGNMENT: "Plan", SourceType.BILLING_PURCHASE: "Purchase"}.get(kind, "Event")
    title = titles[kind].get(grant.source_id, f"{word} {grant.source_id}".strip())
    return Source(type=kind, id=grant.source_id or None, title=title)
