"""How many units can be taken back from a grant (section 2 of the entitlement specification)."""

from __future__ import annotations

from billing.engine.types import EntitlementType, GrantFacts, Replenish, Rule


def renews(rule: Rule, grant: GrantFacts) -> bool:
    """Whether the grant gives its amount in each window, so that what it paid in one says nothing of the next."""
    return rule.type is EntitlementType.METERED_QUOTA and grant.replenish is Replenish.PER_WINDOW


def units_to_take(rule: Rule, grant: GrantFacts, target: int | None, *, left: int) -> int:
    """
    The units that a take of ``target`` (None: everything) lowers the grant by.

    ``left`` is what the lot has not paid yet: it bounds what is taken of a once or lifetime lot. A lot that renews, or that
    only allows a level, is lowered by the target itself. Nothing is ever taken twice; an unlimited grant has no units to take.
    """
    if grant.amount is None:
        return 0
    rest = max(0, grant.amount - grant.taken)
    if rule.is_consumable and not renews(rule, grant):
        rest = min(rest, max(0, left))
    return rest if target is None else min(target, rest)


def share_of(granted: int, *, part: int, whole: int) -> int:
    """``floor(granted × part / whole)``: the units of a grant that stand for a part of what was paid for it."""
    return granted * part // whole
