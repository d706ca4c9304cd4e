"""
Every grant that assignments and purchases give by their templates, as a SELECT: what the live path would record.

The columns are those the live path writes, keys and fingerprints included (``entitlements.grants``, ``engine.keys``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from billing.backfill.dialects import Dialect
from billing.engine.types import Replenish, SourceType
from billing.entitlements.grants import REPLENISH
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind


def of_assignments(words: Dialect, *, where: str) -> str:
    """Candidates of the assignments ``a`` that keep ``where``; what a paid period gives is left to its payment."""
    expires_at = (
        f"CASE t.duration_policy WHEN '{DurationPolicy.PERIOD_WINDOW}' THEN a.period_end_at"
        f" WHEN '{DurationPolicy.FIXED_DURATION}' THEN {words.plus_days('a.period_start_at', 't.duration_days')} END"
    )
    kinds = _case("t.grant_kind", {kind: kind.grant_kind for kind in PlanGrantKind})
    return f"""
SELECT a.id AS source_id, a.billable_entity_id AS subject_id, t.entitlement_definition_id AS definition_id,
  t.id AS template_id, t.amount AS amount, {kinds} AS kind, '{Replenish.PER_WINDOW}' AS replenish,
  a.period_start_at AS effective_at, {expires_at} AS expires_at, '{SourceType.PLAN_ASSIGNMENT}' AS source_type,
  '' AS provider, a.plan_id AS owner_id,
  CASE t.duration_policy WHEN '{DurationPolicy.FIXED_DURATION}' THEN 1 ELSE 0 END AS is_fixed
FROM billing_plan_assignments a JOIN billing_plan_entitlement_templates t ON t.plan_id = a.plan_id
WHERE t.effective_policy = '{EffectivePolicy.ON_ASSIGNMENT_CURRENT}' AND {where}"""


def of_purchases(words: Dialect, *, where: str) -> str:
    """Candidates of the purchases ``p`` that keep ``where``; quantity multiplies."""
    kinds = {kind: kind.grant_kind for kind in ProductGrantKind}
    replenish = _case("t.grant_kind", {kind: REPLENISH[granted] for kind, granted in kinds.items()})
    expires_at = (
        f"CASE WHEN t.duration_days IS NULL THEN NULL ELSE {words.plus_days('p.purchased_at', 't.duration_days')} END"
    )
    return f"""
SELECT p.id AS source_id, p.billable_entity_id AS subject_id, t.entitlement_definition_id AS definition_id,
  t.id AS template_id, t.amount * p.quantity AS amount, {_case("t.grant_kind", kinds)} AS kind, {replenish} AS replenish,
  p.purchased_at AS effective_at, {expires_at} AS expires_at, '{SourceType.BILLING_PURCHASE}' AS source_type,
  p.provider AS provider, p.product_id AS owner_id, 0 AS is_fixed
FROM billing_purchases p JOIN billing_product_entitlement_templates t ON t.billing_product_id = p.product_id
WHERE {where}"""


def key_of(words: Dialect, candidate: str) -> str:
    """The dedupe key of a candidate, as ``engine.keys`` builds it."""
    c = candidate
    assignment = words.joined(
        "'g1:assignment:'", f"{c}.source_id", "':'", f"{c}.template_id", "':'", words.period(f"{c}.effective_at")
    )
    fixed = words.joined("'g1:fixed:'", f"{c}.subject_id", "':'", f"{c}.template_id")
    purchase = words.joined("'g1:purchase:'", f"{c}.source_id", "':'", f"{c}.template_id")
    return (
        f"CASE WHEN {c}.source_type = '{SourceType.BILLING_PURCHASE}' THEN {purchase}"
        f" WHEN {c}.is_fixed = 1 THEN {fixed} ELSE {assignment} END"
    )


def fingerprint_of(words: Dialect, candidate: str) -> str:
    """The fingerprint of a candidate, as ``NewGrant.fingerprint`` computes it: SHA-256 of its canonical JSON."""
    c = candidate
    quoted = words.joined("""'"'""", words.period(f"{c}.expires_at"), """'"'""")
    content = words.joined(
        """'{"period":["'""",
        words.period(f"{c}.effective_at"),
        """'",'""",
        f"CASE WHEN {c}.expires_at IS NULL THEN 'null' ELSE {quoted} END",
        """'],"source":["'""",
        f"{c}.source_type",
        """'","'""",
        f"{c}.source_id",
        """'"],"subject":'""",
        f"{c}.subject_id",
        """',"template":'""",
        f"{c}.template_id",
        """'}'""",
    )
    return words.sha256(content)


def among(column: str, ids: Iterable[int]) -> str:
    """A condition on whole numbers, written out: lists of ids are longer than SQLite takes parameters."""
    return f"{column} IN ({', '.join(str(int(each)) for each in ids) or 'NULL'})"


def _case(column: str, values: Mapping[Any, StrEnum]) -> str:
    whens = " ".join(f"WHEN '{key.value}' THEN '{value.value}'" for key, value in values.items())
    return f"CASE {column} {whens} END"
