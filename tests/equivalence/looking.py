"""What the database says of one limit of a subject, in the words of the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.types import EnforcementMode, HoldStatus
from billing.entitlements.limitations import Limitation
from billing.models import Allocation, BillableEntity, Consumption, Definition, Hold
from tests.equivalence.beside import Beside, Seen

Payment = tuple[datetime, datetime, int, int]


@dataclass(frozen=True, kw_only=True)
class Booked:
    """A use as it stands: what was booked, what was taken back, and what each grant paid net, in the order it was taken."""

    amount: int
    overage: int
    occurred_at: datetime
    window_start: datetime
    net: int
    net_overage: int
    paid: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """
    All uses; every payment of overage (instant, window, grant, units) in the order it happened, and what stands of them;
    what can still be captured of each hold, and until when it counts.
    """

    uses: list[Booked]
    settled: list[Payment]
    standing: dict[tuple[datetime, int], int]
    holds: list[tuple[int, bool, datetime]]


def seen_in(view: Limitation) -> Seen:
    return Seen(
        granted=view.granted_amount,
        consumed=view.consumed_amount,
        held=view.held_amount,
        effective=view.effective_amount,
        hard_limit=view.hard_limit_amount,
        unlimited=view.unlimited,
        over_limit=view.over_limit,
        lock_state=view.lock_state,
        enforcement=EnforcementMode(view.enforcement_mode),
        next_change_at=view.next_change_at,
        window_start=view.window_start_at,
        window_end=view.window_end_at,
        version=view.version,
    )


def numbers_in(details: Mapping[str, Any]) -> tuple[int | None, int, int, str]:
    """Limit, used, remaining and enforcement as a refused caller is told."""
    return details["limit"], details["used"], details["remaining"], details["enforcement"]


def ledger_in(entity: BillableEntity, definition: Definition) -> Ledger:
    """What the tables hold. Three statements."""
    mine = {"subject": entity, "definition": definition}
    booked = list(Consumption.objects.filter(**mine).order_by("pk"))
    allocations = list(Allocation.objects.filter(**mine).order_by("pk"))
    shares: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
    for share in allocations:
        shares[share.consumption_id].append((share.grant_id, share.amount))
    paid: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for each in booked:
        alone = [] if each.grant_id is None else [(each.grant_id, each.amount)]
        paid[each.reverses_id or each.pk] += alone + shares[each.pk]
    settled = [
        (s.occurred_at, s.window_start_at, s.grant_id, s.amount) for s in allocations if s.consumption_id is None
    ]
    return Ledger(
        uses=[_booked(each, booked, paid[each.pk]) for each in booked if each.reverses_id is None],
        settled=[payment for payment in settled if payment[-1] > 0],
        standing=_net((window, grant, units) for _, window, grant, units in settled),
        holds=[_hold(each) for each in Hold.objects.filter(**mine).order_by("pk")],
    )


def _booked(use: Consumption, booked: list[Consumption], shares: list[tuple[int, int]]) -> Booked:
    back = [each for each in booked if each.reverses_id == use.pk]
    return Booked(
        amount=use.amount,
        overage=use.overage_amount,
        occurred_at=use.occurred_at,
        window_start=use.window_start_at,
        net=use.amount + sum(each.amount for each in back),
        net_overage=use.overage_amount + sum(each.overage_amount for each in back),
        paid=_by_grant(shares),
    )


def _hold(row: Hold) -> tuple[int, bool, datetime]:
    is_open = row.status == HoldStatus.OPEN
    return (row.amount - row.captured_amount if is_open else 0, is_open, row.expires_at)


def ledger_of(beside: Beside) -> Ledger:
    """What the reference holds."""
    settled = [(p.occurred_at, p.window_start, p.grant_id, p.amount) for p in beside.payments if p.use_id is None]
    return Ledger(
        uses=[
            Booked(
                amount=use.amount,
                overage=use.overage,
                occurred_at=use.occurred_at,
                window_start=use.window_start,
                net=beside.net(use),
                net_overage=beside.net_overage(use),
                paid=_by_grant((p.grant_id, p.amount) for p in beside.payments if p.use_id == use.id),
            )
            for use in beside.uses
        ],
        settled=[payment for payment in settled if payment[-1] > 0],
        standing=_net((window, grant, units) for _, window, grant, units in settled),
        holds=[(0 if hold.closed else hold.rest, not hold.closed, hold.expires_at) for hold in beside.holds],
    )


def _by_grant(shares: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    total: dict[int, int] = {}
    for grant_id, units in shares:
        total[grant_id] = total.get(grant_id, 0) + units
    return tuple((grant_id, units) for grant_id, units in total.items() if units)


def _net(payments: Iterable[tuple[datetime, int, int]]) -> dict[tuple[datetime, int], int]:
    total: dict[tuple[datetime, int], int] = {}
    for window, grant_id, units in payments:
        total[window, grant_id] = total.get((window, grant_id), 0) + units
    return {key: units for key, units in total.items() if units}
