"""
The statements that write what subjects without any fact or balance are given: grants, open lots, balances.

Each is one INSERT … SELECT for a whole chunk of subjects. What they write is what ``entitlements`` would write one subject at a
time (``engine.lots``, ``engine.standing``, ``entitlements.rows``); tests compare the two row by row, and the verifier agrees.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from billing.backfill.candidates import among, fingerprint_of, key_of
from billing.backfill.dialects import Dialect
from billing.engine.lots import BURN_CLASSES
from billing.engine.types import (
    LIFETIME_END,
    AggregationMode,
    EntitlementType,
    GrantKind,
    LockState,
    Pool,
    Replenish,
    SourceType,
)
from billing.engine.windows import window_at
from billing.entitlements.resolvers import DefinitionInfo
from mozaiks.kit.db import db_time

#: Later than every instant there is.
_NEVER = "'9999-12-31 23:59:59.999999'"
_SUBJECT = "'billable_entity'"

#: Where a subject leaves a trace in the engine.
TRACES = (
    "billing_entitlement_grants",
    "billing_entitlement_balances",
    "billing_entitlement_consumptions",
    "billing_entitlement_holds",
)
_GRANT_COLUMNS = (
    "subject_type, subject_id, entitlement_definition_id, amount, kind, replenish, enforcement_override, effective_at,"
    " expires_at, source_type, source_id, template_id, operation_key, provider, provider_event_id, dedupe_key,"
    " fingerprint, metadata_json, created_at"
)
_LOT_COLUMNS = (
    "grant_id, window_start_at, subject_type, subject_id, entitlement_definition_id, granted, remaining, pool,"
    " burn_class, effective_at, expires_sort"
)
_BALANCE_COLUMNS = (
    "subject_type, subject_id, entitlement_definition_id, window_start_at, window_end_at, granted_amount,"
    " consumed_amount, held_amount, effective_amount, hard_limit_amount, is_unlimited, overage_amount, over_limit,"
    " lock_state, enforcement_override, next_change_at, last_event_at, closed_at, last_recomputed_at, version,"
    " head_grant_id, head_remaining, head_pool, plan_granted, plan_used, bonus_granted, bonus_used, attempts,"
    " metadata_json, created_at, updated_at"
)


def select_known(subject_ids: Iterable[int]) -> str:
    """Those of the subjects of whom the engine knows something already: a fact, or a balance."""
    traces = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} x WHERE x.subject_type = {_SUBJECT} AND x.subject_id = e.id)"
        for table in TRACES
    )
    return f"SELECT e.id FROM billable_entities e WHERE {among('e.id', subject_ids)} AND ({traces})"


def mark(table: str, ids: Iterable[int], *, at: datetime) -> str:
    """Note that the sources' templates were turned into grants."""
    return f"UPDATE {table} SET projected_at = '{db_time(at)}' WHERE {among('id', ids)}"


def insert_grants(words: Dialect, candidates: str, *, at: datetime) -> str:
    """Record the candidates, in the order in which the live path would: by subject, then by template."""
    return f"""
INSERT INTO billing_entitlement_grants ({_GRANT_COLUMNS})
SELECT {_SUBJECT}, c.subject_id, c.definition_id, c.amount, c.kind, c.replenish, NULL, c.effective_at, c.expires_at,
  c.source_type, {words.text("c.source_id")}, c.template_id, '', c.provider, '', {key_of(words, "c")},
  {fingerprint_of(words, "c")}, '{{}}', '{db_time(at)}'
FROM ({candidates}) c ORDER BY c.subject_id, c.source_id, c.template_id"""


def insert_lots(words: Dialect, infos: Iterable[DefinitionInfo], subject_ids: Iterable[int], *, at: datetime) -> str:
    """
    Open the lots of the subjects' grants that are active at ``at``. The first to burn is the head: its rest is in the balance.
    """
    end = f"COALESCE(g.expires_at, {words.instant(_quoted(LIFETIME_END))})"
    capped = f"CASE g.replenish WHEN '{Replenish.PER_WINDOW}' THEN {words.least(end, 'd.window_end')} ELSE {end} END"
    return f"""
INSERT INTO billing_entitlement_open_lots ({_LOT_COLUMNS})
WITH d AS ({_definitions(words, infos, at=at)}),
l AS (
  SELECT g.id, g.subject_id, d.id AS definition_id, d.window_start, g.amount, {_pool()} AS pool,
    {_burn_class()} AS burn_class, g.effective_at,
    CASE WHEN g.amount IS NULL THEN {words.early(capped)} ELSE {capped} END AS expires_sort
  FROM billing_entitlement_grants g JOIN d ON d.id = g.entitlement_definition_id
  WHERE g.subject_type = {_SUBJECT} AND {among("g.subject_id", subject_ids)} AND d.consumable = 1 AND {_active(words, at)}
)
SELECT l.id, l.window_start, {_SUBJECT}, l.subject_id, l.definition_id, l.amount,
  CASE WHEN ROW_NUMBER() OVER (
    PARTITION BY l.subject_id, l.definition_id ORDER BY l.expires_sort, l.burn_class, l.effective_at, l.id
  ) = 1 THEN NULL ELSE COALESCE(l.amount, 0) END,
  l.pool, l.burn_class, l.effective_at, l.expires_sort
FROM l"""


def insert_balances(
    words: Dialect, infos: Iterable[DefinitionInfo], subject_ids: Iterable[int], *, at: datetime
) -> str:
    """Write the balances of the subjects' grants as they stand at ``at``; their open lots are there already."""
    now = f"'{db_time(at)}'"
    never = words.instant(_NEVER)
    changes = [f"COALESCE({each}, {never})" for each in ("s.next_start", "s.next_end", "d.boundary")]
    return f"""
INSERT INTO billing_entitlement_balances ({_BALANCE_COLUMNS})
WITH d AS ({_definitions(words, infos, at=at)}),
s AS (
  SELECT g.subject_id, d.id AS definition_id, {_sums(words, at)}
  FROM billing_entitlement_grants g JOIN d ON d.id = g.entitlement_definition_id
  WHERE g.subject_type = {_SUBJECT} AND {among("g.subject_id", subject_ids)} GROUP BY g.subject_id, d.id
),
f AS (
  SELECT s.*, CASE
      WHEN d.kind = '{EntitlementType.STATE}' THEN CASE WHEN s.open_lots > 0 THEN 1 ELSE 0 END
      WHEN s.unlimited > 0 THEN NULL WHEN d.takes_largest = 1 THEN s.largest ELSE s.total END AS granted,
    CASE WHEN s.unlimited > 0 AND d.kind <> '{EntitlementType.STATE}' THEN 1 ELSE 0 END AS is_unlimited,
    CASE WHEN d.lock_name IS NOT NULL AND s.begun > 0 AND s.open_lots = 0 THEN d.lock_name
      ELSE '{LockState.NONE}' END AS lock_state,
    NULLIF({words.least(*changes)}, {never}) AS next_change, d.window_start, d.window_end, d.limited
  FROM s JOIN d ON d.id = s.definition_id
)
SELECT {_SUBJECT}, f.subject_id, f.definition_id, f.window_start, f.window_end, f.granted, 0, 0, f.granted,
  CASE WHEN f.limited = 1 THEN f.granted END, f.is_unlimited, 0, 0, f.lock_state, NULL, f.next_change, {now}, NULL, {now}, 1,
  h.grant_id, CASE WHEN h.grant_id IS NULL THEN NULL ELSE COALESCE(h.granted, 0) END, h.pool,
  CASE WHEN f.base_unlimited > 0 THEN NULL ELSE f.base_total END, 0,
  CASE WHEN f.bonus_unlimited > 0 THEN NULL ELSE f.bonus_total END, 0, 0, '{{}}', {now}, {now}
FROM f LEFT JOIN billing_entitlement_open_lots h ON h.subject_type = {_SUBJECT} AND h.subject_id = f.subject_id
  AND h.entitlement_definition_id = f.definition_id AND h.remaining IS NULL
ORDER BY f.subject_id, f.definition_id"""


def _definitions(words: Dialect, infos: Iterable[DefinitionInfo], *, at: datetime) -> str:
    """What the statements need to know of each definition, one row each, with its window at ``at``."""
    return " UNION ALL ".join(_definition(words, info, at=at) for info in infos)


def _definition(words: Dialect, info: DefinitionInfo, *, at: datetime) -> str:
    rule = info.rule
    window = window_at(rule, at)
    start, end = words.instant(_quoted(window.start)), words.instant(_quoted(window.end))
    boundary = end if rule.has_windows else words.instant("NULL")
    named = rule.type is EntitlementType.STATE and rule.lock_state_name
    lock_name = "'{}'".format(str(rule.lock_state_name).replace("'", "''")) if named else "NULL"
    largest = rule.aggregation is AggregationMode.MAX
    limited = rule.type in (EntitlementType.CAPACITY, EntitlementType.METERED_QUOTA)
    return (
        f"SELECT {info.id} AS id, '{rule.type}' AS kind, {int(rule.is_consumable)} AS consumable,"
        f" {int(rule.has_windows)} AS pooled, {int(largest)} AS takes_largest, {int(limited)} AS limited,"
        f" {start} AS window_start, {end} AS window_end, {boundary} AS boundary, {lock_name} AS lock_name"
    )


def _sums(words: Dialect, at: datetime) -> str:
    active = _active(words, at)
    later = f"> {words.instant(_quoted(at))}"
    base, bonus = (f"{_pool()} = '{pool}' AND {active}" for pool in Pool)
    return f"""
    SUM(CASE WHEN {active} THEN 1 ELSE 0 END) AS open_lots,
    SUM(CASE WHEN {active} AND g.amount IS NULL THEN 1 ELSE 0 END) AS unlimited,
    SUM(CASE WHEN {active} THEN COALESCE(g.amount, 0) ELSE 0 END) AS total,
    MAX(CASE WHEN {active} THEN COALESCE(g.amount, 0) ELSE 0 END) AS largest,
    SUM(CASE WHEN {base} THEN COALESCE(g.amount, 0) ELSE 0 END) AS base_total,
    SUM(CASE WHEN {base} AND g.amount IS NULL THEN 1 ELSE 0 END) AS base_unlimited,
    SUM(CASE WHEN {bonus} THEN COALESCE(g.amount, 0) ELSE 0 END) AS bonus_total,
    SUM(CASE WHEN {bonus} AND g.amount IS NULL THEN 1 ELSE 0 END) AS bonus_unlimited,
    SUM(CASE WHEN g.effective_at {later} THEN 0 ELSE 1 END) AS begun,
    MIN(CASE WHEN g.effective_at {later} THEN g.effective_at END) AS next_start,
    MIN(CASE WHEN g.expires_at {later} THEN g.expires_at END) AS next_end"""


def _active(words: Dialect, at: datetime) -> str:
    now = words.instant(_quoted(at))
    return f"g.effective_at <= {now} AND (g.expires_at IS NULL OR g.expires_at > {now})"


def _pool() -> str:
    """``engine.lots.pool_of``, for definitions that do not roll."""
    return (
        f"CASE WHEN d.pooled = 0 THEN NULL WHEN g.kind = '{GrantKind.PLAN_BASE}' THEN '{Pool.BASE}'"
        f" WHEN g.kind = '{GrantKind.PROMO}' AND g.source_type = '{SourceType.PLAN_ASSIGNMENT}' THEN '{Pool.BONUS}' END"
    )


def _burn_class() -> str:
    whens = " ".join(f"WHEN '{kind}' THEN {number}" for kind, number in BURN_CLASSES.items())
    return f"CASE g.kind {whens} END"


def _quoted(instant: datetime) -> str:
    return f"'{db_time(instant)}'"
