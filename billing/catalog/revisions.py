"""
The history of the catalog: who changed what, when and why, with the whole content each time.

Publishing writes a revision in the transaction that makes the change. The content is what a document says of the row, so that
an earlier revision is restored as a document is applied: through publishing, by today's rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.catalog import wire
from billing.catalog.problems import CatalogInvalid, PathError
from billing.catalog.templates import plan_entries, product_entries
from billing.models import CatalogRevision, Definition, Plan, Product
from billing.models.revisions import CatalogKind, RevisionAction
from mozaiks.kit.db import requires_transaction

Row = Plan | Product | Definition
Content = Mapping[str, Any]

REASON = "reason"


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who changes the catalog, and why. A named one must say why something that was there changes; a program has no name."""

    actor: str = ""
    reason: str = ""


PROGRAM = Author()


def kind_of(row: Row) -> CatalogKind:
    """What the revisions of ``row`` are of."""
    if isinstance(row, Plan):
        return CatalogKind.PLAN
    return CatalogKind.PRODUCT if isinstance(row, Product) else CatalogKind.DEFINITION


def content_of(row: Row) -> Content:
    """All that ``row`` says, with what it grants. One query for the templates of a plan or product."""
    if isinstance(row, Plan):
        return wire.plan_item(row, plan_entries(row))
    if isinstance(row, Product):
        return wire.product_item(row, product_entries(row))
    return wire.definition_item(row)


def number_of(row: Row) -> int:
    """The number of the latest revision; 0 for a row that was never changed since there is a history."""
    found = CatalogRevision.objects.of(kind_of(row), row.code).order_by("-number").values_list("number", flat=True)
    return found.first() or 0


@requires_transaction
def begin(row: Row, *, now: datetime) -> int:
    """The number of the latest revision; where there is none yet, the row as it is becomes the first."""
    return number_of(row) or _write(row, RevisionAction.FOUND, content_of(row), PROGRAM, number=1, at=now)


def before_change(row: Row) -> Content | None:
    """What ``row`` says before it is changed, for :func:`record`; None for a new one."""
    return None if row.pk is None else content_of(row)


@requires_transaction
def record(row: Row, before: Content | None, *, by: Author, now: datetime) -> None:
    """
    Write down what ``row`` says now, if it is something else than ``before``.

    :raises CatalogInvalid: something changed, and a named author did not say why.
    """
    after = content_of(row)
    if before == after:
        return
    if before is not None and by.actor and not by.reason.strip():
        raise CatalogInvalid([PathError(REASON, "is required: say why this changes")])
    last = number_of(row)
    if not last and before is not None:
        last = _write(row, RevisionAction.FOUND, before, PROGRAM, number=1, at=min(row.created_at, now))
    action = RevisionAction.CREATED if before is None else RevisionAction.CHANGED
    _write(row, action, after, by, number=last + 1, at=now)


@requires_transaction
def record_deletion(row: Row, *, by: Author, now: datetime) -> None:
    """Write down that ``row`` is gone, with what it last said."""
    _write(row, RevisionAction.DELETED, content_of(row), by, number=number_of(row) + 1, at=now)


def _write(row: Row, action: RevisionAction, content: Content, by: Author, *, number: int, at: datetime) -> int:
    CatalogRevision.objects.create(
        kind=kind_of(row),
        code=row.code,
        number=number,
        action=action,
        content=dict(content),
        actor=by.actor,
        reason=by.reason.strip(),
        created_at=at,
    )
    return number
