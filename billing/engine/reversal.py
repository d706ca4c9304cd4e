"""
A use taken back: which of its units free overage, and to which lots the rest returns.

Order (section 5 of the entitlement specification): first from the use's overage -- what is unpaid in its window, then back
to the lots of that window's settlements, last one first --, then from its shares, last-taken first. The spreading of a
debit over lots is ``burndown.allocate``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.engine.types import Share


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeBack:
    """
    What a reversal gives back, in units (all positive).

    ``overage`` units of the use's overage go: ``unpaid`` of them lower the window's unpaid overage, the rest return to the
    lots that had settled it (``settled``). ``shares`` return to the lots that paid.
    """

    overage: int
    unpaid: int
    settled: tuple[Share, ...]
    shares: tuple[Share, ...]

    @property
    def returned(self) -> tuple[Share, ...]:
        """Everything that returns to lots."""
        return self.settled + self.shares


def take_back(
    amount: int,
    *,
    overage: int,
    unpaid: int,
    settlements: Sequence[Share],
    shares: Sequence[Share],
) -> TakeBack:
    """
    Spread a reversal of ``amount`` units.

    ``overage`` is what is left of the use's own overage and ``shares`` what is left of its shares in the order they were
    taken; ``unpaid`` and ``settlements`` are of its window, in the order they happened.
    """
    of_overage = min(amount, overage)
    of_unpaid = min(of_overage, unpaid)
    return TakeBack(
        overage=of_overage,
        unpaid=of_unpaid,
        settled=_last_first(of_overage - of_unpaid, settlements),
        shares=_last_first(amount - of_overage, shares),
    )


def _last_first(amount: int, shares: Sequence[Share]) -> tuple[Share, ...]:
    """
    Take ``amount`` units out of ``shares``, last one first; negative entries (given back before) lower the ones before them.
    """
    left = net_shares(shares)
    taken: list[Share] = []
    for share in reversed(left):
        units = min(amount, share.amount)
        if units > 0:
            taken.append(Share(grant_id=share.grant_id, amount=units))
            amount -= units
    return merged(taken)


def net_shares(shares: Sequence[Share]) -> list[Share]:
    """The shares that still stand: each negative one cancels the latest positive ones of the same grant."""
    standing: list[Share] = []
    for share in shares:
        if share.amount >= 0:
            standing.append(share)
            continue
        owed = -share.amount
        for index in range(len(standing) - 1, -1, -1):
            entry = standing[index]
            if entry.grant_id == share.grant_id and owed > 0:
                units = min(owed, entry.amount)
                standing[index] = Share(grant_id=entry.grant_id, amount=entry.amount - units)
                owed -= units
    return [share for share in standing if share.amount > 0]


def merged(shares: Sequence[Share]) -> tuple[Share, ...]:
    """One share per grant, in the order of first appearance."""
    sums: dict[int, int] = {}
    for share in shares:
        sums[share.grant_id] = sums.get(share.grant_id, 0) + share.amount
    return tuple(Share(grant_id=grant_id, amount=amount) for grant_id, amount in sums.items() if amount)
