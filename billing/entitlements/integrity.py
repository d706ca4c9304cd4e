"""Rules the facts themselves keep, asked of the database set-based: shares, reversals, lots, holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Something that should be equal and is not."""

    subject_id: int
    definition_id: int
    what: str
    expected: Any
    actual: Any


_SUBJECTS = "subject_type = 'billable_entity' AND {0}subject_id IN ({1})"

#: Each brings subject, definition, what should be, and what is; no row is no difference.
_RULES = {
    "shares + overage = amount": """
SELECT c.subject_id, c.entitlement_definition_id, c.amount, c.overage_amount + COALESCE(s.paid, 0)
FROM billing_entitlement_consumptions c
LEFT JOIN (
  SELECT consumption_id, SUM(amount) AS paid FROM billing_entitlement_allocations
  WHERE {plain} AND kind = 'share' GROUP BY consumption_id
) s ON s.consumption_id = c.id
WHERE c.{c} AND c.amount <> c.overage_amount + COALESCE(s.paid, 0)
  + CASE WHEN c.grant_id IS NULL THEN 0 ELSE c.amount END""",
    "reversals <= original": """
SELECT c.subject_id, c.entitlement_definition_id, c.amount, -SUM(r.amount)
FROM billing_entitlement_consumptions c JOIN billing_entitlement_consumptions r ON r.reverses_id = c.id
WHERE c.{c} GROUP BY c.id, c.subject_id, c.entitlement_definition_id, c.amount HAVING -SUM(r.amount) > c.amount""",
    "a once lot pays at most what it has": """
SELECT g.subject_id, g.entitlement_definition_id, g.amount - COALESCE(MAX(a.taken), 0), SUM(x.amount)
FROM billing_entitlement_grants g
JOIN (
  SELECT grant_id, amount FROM billing_entitlement_consumptions WHERE {plain} AND grant_id IS NOT NULL
  UNION ALL SELECT grant_id, amount FROM billing_entitlement_allocations WHERE {plain}
) x ON x.grant_id = g.id
LEFT JOIN (
  SELECT grant_id, SUM(amount) AS taken FROM billing_entitlement_grant_adjustments WHERE {plain} AND kind = 'take'
  GROUP BY grant_id
) a ON a.grant_id = g.id
WHERE g.{g} AND g.replenish = 'once' AND g.amount IS NOT NULL
GROUP BY g.id, g.subject_id, g.entitlement_definition_id, g.amount
HAVING SUM(x.amount) > g.amount - COALESCE(MAX(a.taken), 0) OR SUM(x.amount) < 0""",
    "a per-window lot pays at most its amount in a window": """
SELECT g.subject_id, g.entitlement_definition_id, g.amount, SUM(x.amount)
FROM billing_entitlement_grants g
JOIN (
  SELECT grant_id, window_start_at, amount FROM billing_entitlement_consumptions WHERE {plain} AND grant_id IS NOT NULL
  UNION ALL SELECT grant_id, window_start_at, amount FROM billing_entitlement_allocations WHERE {plain}
) x ON x.grant_id = g.id
JOIN billing_entitlement_definitions d ON d.id = g.entitlement_definition_id
WHERE g.{g} AND g.replenish = 'per_window' AND g.amount IS NOT NULL
  AND (d.window_anchor IS NULL OR d.window_anchor <> 'rolling')
GROUP BY g.id, g.subject_id, g.entitlement_definition_id, g.amount, x.window_start_at
HAVING SUM(x.amount) > g.amount OR SUM(x.amount) < 0""",
    "a hold's captures are its own": """
SELECT h.subject_id, h.entitlement_definition_id, h.captured_amount, COALESCE(SUM(e.amount), 0)
FROM billing_entitlement_holds h
LEFT JOIN billing_entitlement_hold_events e ON e.hold_id = h.id AND e.kind = 'captured'
WHERE h.{h} GROUP BY h.id, h.subject_id, h.entitlement_definition_id, h.captured_amount, h.status, h.amount
HAVING COALESCE(SUM(e.amount), 0) <> h.captured_amount
  OR (h.status = 'open' AND h.captured_amount >= h.amount)""",
}


def broken_rules(subject_ids: list[int]) -> list[Difference]:
    """Every fact of these subjects that breaks a rule. One statement per rule."""
    marks = ", ".join(str(int(subject_id)) for subject_id in subject_ids)
    names = {alias: _SUBJECTS.format(f"{alias}.", marks) for alias in ("c", "g", "h")}
    plain = _SUBJECTS.format("", marks)
    found: list[Difference] = []
    with connection.cursor() as cursor:
        for what, rule in _RULES.items():
            cursor.execute(rule.format(plain=plain, **names))
            found += [
                Difference(subject_id=subject, definition_id=definition, what=what, expected=expected, actual=actual)
                for subject, definition, expected, actual in cursor.fetchall()
            ]
    return found
