"""What the engine and the reference say of one subject, in a form in which the two can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from billing.engine.types import GrantFacts
from tests.engine.driven import Driven
from tests.engine.reference import Reference, Says
from tests.engine.reference_facts import Grant

#: Payments of overage in the order they happened (instant, window, grant, units), and what stands of them.
Settled = tuple[list[tuple[datetime, datetime, int, int]], dict[tuple[datetime, int], int]]
#: Per use: net amount, net overage, and per grant what it paid net, in the order in which it was taken.
Shares = list[tuple[int, int, list[tuple[int, int]]]]


def numbers_of_engine(engine: Driven) -> Says:
    numbers = engine.figures()
    return Says(
        granted=numbers.granted,
        consumed=numbers.consumed,
        held=numbers.held,
        effective=numbers.effective,
        overage=numbers.overage,
        over_limit=numbers.over_limit,
        hard_limit=numbers.hard_limit,
        unlimited=numbers.is_unlimited,
    )


def facts_of(grant: Grant) -> GrantFacts:
    return GrantFacts(
        id=grant.id,
        amount=grant.amount,
        kind=grant.kind,
        replenish=grant.replenish,
        source=grant.source,
        effective_at=grant.effective_at,
        ends_at=grant.expires_at,
    )


def shares_of_engine(engine: Driven) -> Shares:
    return [
        (use.net, use.net_overage, sums((share.grant_id, share.amount) for share in use.shares)) for use in engine.uses
    ]


def shares_of_reference(reference: Reference) -> Shares:
    return [
        (
            reference.net(use),
            reference.net_overage(use),
            sums((p.grant_id, p.amount) for p in reference.payments if p.use_id == use.id),
        )
        for use in reference.uses
    ]


def settled_by_engine(engine: Driven) -> Settled:
    """Overage that was paid: every payment with its instant; and what still stands of them, per window and grant."""
    paid = [(s.at, s.window_start, share.grant_id, share.amount) for s in engine.settlements for share in s.shares]
    return settled(paid)


def settled_by_reference(reference: Reference) -> Settled:
    paid = [(p.occurred_at, p.window_start, p.grant_id, p.amount) for p in reference.payments if p.use_id is None]
    return settled(paid)


def settled(paid: list[tuple[datetime, datetime, int, int]]) -> Settled:
    net: dict[tuple[datetime, int], int] = {}
    for _, start, grant_id, amount in paid:
        net[start, grant_id] = net.get((start, grant_id), 0) + amount
    return [each for each in paid if each[-1] > 0], {key: amount for key, amount in net.items() if amount}


def sums(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    total: dict[int, int] = {}
    for grant_id, amount in parts:
        total[grant_id] = total.get(grant_id, 0) + amount
    return [(grant_id, amount) for grant_id, amount in total.items() if amount]
