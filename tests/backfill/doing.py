"""Runs the backfill as the command does, and takes pictures of what it wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from billing.backfill.chunks import CHUNK
from billing.backfill.run import Prepared, Progress, prepare, project, rehearse
from billing.backfill.sources import read_sources
from billing.models import Balance, Grant, OpenLot
from tests import NOON

PROJECTIONS = (
    "billing_entitlement_open_lots",
    "billing_entitlement_balances",
    "billing_entitlement_grants",
)
#: Of a balance: numbers that name rows, and how often it was written.
LEFT_OUT = {"id", "grant_id", "head_grant_id", "version"}


def backfill(
    source: object = None, defaults: object = None, *, now: datetime = NOON, chunk: int = CHUNK
) -> tuple[Prepared, Progress]:
    progress = Progress()
    prepared = prepare(read_sources(source, defaults), now=now)
    project(progress, now=now, chunk=chunk)
    return prepared, progress


def dry_run(source: object = None, defaults: object = None, *, now: datetime = NOON) -> Prepared:
    return rehearse(read_sources(source, defaults), now=now)


def picture() -> dict[str, list[Any]]:
    """Every grant, balance and lot, with grants named by their keys."""
    keys = dict(Grant.objects.values_list("pk", "dedupe_key"))
    heads = {
        (row["subject_id"], row["definition_id"]): keys.get(row["head_grant_id"] or 0)
        for row in Balance.objects.values()
    }
    return {
        "grants": _rows(Grant.objects.order_by("dedupe_key").values()),
        "balances": [
            {**row, "head": heads[row["subject_id"], row["definition_id"]]}
            for row in _rows(Balance.objects.order_by("subject_id", "definition_id", "window_start_at").values())
        ],
        "lots": sorted(
            ({**row, "grant": keys[lot["grant_id"]]} for lot in OpenLot.objects.values() for row in _rows([lot])),
            key=lambda row: row["grant"],
        ),
    }


def forget_everything() -> None:
    """As before the backfill, with the templates it wrote."""
    with connection.cursor() as cursor:
        for table in PROJECTIONS:
            cursor.execute(f"DELETE FROM {table}")
        for table in ("billing_plan_assignments", "billing_purchases"):
            cursor.execute(f"UPDATE {table} SET projected_at = NULL")


def counts() -> tuple[int, ...]:
    return Grant.objects.count(), Balance.objects.count(), OpenLot.objects.count()


def _rows(rows: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in LEFT_OUT} for row in rows]
