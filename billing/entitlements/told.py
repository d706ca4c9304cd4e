"""
One row of the ledger or one refusal, told from its end: who paid, where that came from, what followed. For operators.

Sentences are whole, so that they can be pasted into an answer to the customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Sum

from billing.engine.types import LIFETIME_START, AllocationKind, EntitlementType
from billing.entitlements.explain import explain
from billing.entitlements.explained import Explanation, LotState
from billing.entitlements.origins import Origin, Pointer, amount_of, origins_of
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id
from billing.models import Allocation, Balance, BillableEntity, Consumption, Decision, Grant
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import spoken

#: Grants whose origins one telling has.
MOST_ORIGINS = 20
MOST_REVERSALS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """What happened, sentence by sentence; the grants behind it with their origins; and the rows to look at."""

    title: str
    sentences: tuple[str, ...]
    origins: tuple[Origin, ...] = ()
    pointers: tuple[Pointer, ...] = ()


def tell_limit(entity: BillableEntity, code: str, *, now: datetime) -> tuple[Explanation, Telling]:
    """Why a limit is what it is now, down to what its grants came from. :raises Invalid: no such limit is in use."""
    explanation = explain(entity, code, now=now)
    counting = [lot.grant_id for lot in explanation.lots if lot.state is not LotState.ENDED]
    others = [lot.grant_id for lot in explanation.lots if lot.state is LotState.ENDED]
    telling = Telling(
        title=f"{explanation.limitation.name} at {spoken(now)}",
        sentences=explanation.steps,
        origins=_origins([*counting, *others]),
    )
    return explanation, telling


def tell_balance(row: Balance, *, now: datetime) -> Telling:
    """Why a balance says what it says: the running one as of ``now``, a closed one as it was at its end."""
    info = definition_by_id(row.definition_id)
    if row.closed_at is None:
        return tell_limit(row.subject, info.code, now=now)[1]
    payers = _payers_of_window(row)
    origins = _origins(list(payers))
    return Telling(
        title=f"{info.name}, {_window(row)}",
        sentences=(
            f"{info.name} ({info.code}), {_window(row)}: this window is closed.",
            _figures(row),
            *_paid_by(payers, origins, "In it"),
            *((f"{row.overage_amount:,} were used beyond what the grants could pay.",) if row.overage_amount else ()),
        ),
        origins=origins,
    )


def tell_use(use: Consumption) -> Telling:
    """Who paid for a use, what of it was taken back; or, of a reversal, what it took back."""
    info = definition_by_id(use.definition_id)
    payers = _payers_of(use)
    origins = _origins(list(payers))
    return Telling(
        title=f"{'Reversal' if use.amount < 0 else 'Use'} {use.pk} of {info.name}",
        sentences=(
            _what_was_used(use, info),
            *_paid_by(payers, origins, "Of it"),
            *_overage(use),
            *(("It did not fit, and was let through and recorded.",) if use.advisory else ()),
            *_reversals(use, info),
        ),
        origins=origins,
        pointers=tuple(_around(use)),
    )


def tell_refusal(refusal: Decision, *, now: datetime) -> Telling:
    """Why something was refused, what counted at that instant, and where the limit stands now."""
    info = definition_by_id(refusal.definition_id)
    at = refusal.occurred_at
    held = Grant.objects.filter(subject_id=refusal.subject_id, definition_id=refusal.definition_id)
    active = list(held.active_at(at).order_by("effective_at", "pk")[: MOST_ORIGINS + 1])
    origins = origins_of(active[:MOST_ORIGINS])
    return Telling(
        title=f"{'Excess' if refusal.advisory else 'Refusal'} {refusal.pk} of {info.name}",
        sentences=(
            _what_was_refused(refusal, info),
            *_what_counted(active, origins),
            *_since_then(refusal, info, now),
        ),
        origins=tuple(origins.values()),
    )


def _what_was_refused(refusal: Decision, info: DefinitionInfo) -> str:
    asked = f"At {spoken(refusal.occurred_at)} “{refusal.capability}” asked for {refusal.requested:,} ({info.unit}) "
    said = f"of {info.name}: {_where_it_stood(refusal, info)}"
    end = "it was let through and recorded" if refusal.advisory else "it was refused"
    request = f"; request {refusal.request_id}" if refusal.request_id else ""
    return f"{asked}{said}, so {end} ({refusal.code}, {refusal.reason.replace('_', ' ')}{request})."


def _where_it_stood(refusal: Decision, info: DefinitionInfo) -> str:
    if info.rule.type is EntitlementType.STATE:
        return "it was not granted"
    if refusal.limit is None:
        return f"{refusal.used:,} were in use"
    return f"{refusal.used:,} of {refusal.limit:,} were used"


def _what_counted(active: Sequence[Grant], origins: Mapping[int, Origin]) -> Iterator[str]:
    if not active:
        yield "No grant was in force at that instant."
        return
    for grant in active[:MOST_ORIGINS]:
        yield f"In force was {origins[grant.pk].title} (grant {grant.pk}), which {amount_of(grant)}."
    if len(active) > MOST_ORIGINS:
        yield "More grants were in force than are named here."


def _since_then(refusal: Decision, info: DefinitionInfo, now: datetime) -> Iterator[str]:
    try:
        limit = explain(refusal.subject, info.code, now=now).limitation
    except Invalid:  # it is limited no more
        return
    if limit.unlimited:
        yield f"Now, at {spoken(now)}, it is unlimited."
    elif info.rule.type is EntitlementType.STATE:
        yield f"Now, at {spoken(now)}, it is {'granted' if limit.granted_amount else 'not granted'}."
    else:
        left = max(0, limit.effective_amount or 0)
        yield f"Now, at {spoken(now)}, {limit.consumed_amount:,} of {limit.granted_amount:,} are used and {left:,} are left."


def _what_was_used(use: Consumption, info: DefinitionInfo) -> str:
    keys = [f"request {use.request_id}"] if use.request_id else []
    keys += [f"key {use.operation_key}"] if use.operation_key else []
    by = f" ({', '.join(keys)})" if keys else ""
    if use.amount < 0:
        return (
            f"At {spoken(use.created_at)} {-use.amount:,} ({info.unit}) of {info.name} were taken back "
            f"of use {use.reverses_id}, which was of {spoken(use.occurred_at)}{by}."
        )
    return f"At {spoken(use.occurred_at)} “{use.reason_code}” used {use.amount:,} ({info.unit}) of {info.name}{by}."


def _overage(use: Consumption) -> Iterator[str]:
    if use.overage_amount > 0:
        yield (
            f"{use.overage_amount:,} of it could be paid by no grant: they are overage, "
            "which units that become free in the same window pay."
        )
    elif use.overage_amount < 0:
        yield f"{-use.overage_amount:,} of that were overage."


def _reversals(use: Consumption, info: DefinitionInfo) -> Iterator[str]:
    if use.amount < 0:
        return
    taken = list(Consumption.objects.filter(reverses_id=use.pk).order_by("pk")[:MOST_REVERSALS])
    for reversal in taken:
        yield f"{-reversal.amount:,} of it were taken back at {spoken(reversal.created_at)} (reversal {reversal.pk})."
    if taken:
        left = use.amount + sum(reversal.amount for reversal in taken)
        yield f"So {left:,} ({info.unit}) of this use count."


def _paid_by(payers: Mapping[int, int], origins: Sequence[Origin], of: str) -> Iterator[str]:
    titles = {origin.grant_id: origin.title for origin in origins}
    for grant_id, amount in list(payers.items())[:MOST_ORIGINS]:
        title = titles.get(grant_id, "a grant")
        verb = "were paid by" if amount >= 0 else "went back to"
        yield f"{of}, {abs(amount):,} {verb} {title} (grant {grant_id})."
    if len(payers) > MOST_ORIGINS:
        yield f"{len(payers) - MOST_ORIGINS} more grants paid."


def _payers_of(use: Consumption) -> dict[int, int]:
    """Units by the grant that paid them, in the order in which they were taken."""
    if use.grant_id is not None:
        return {use.grant_id: use.amount}
    shares = Allocation.objects.filter(consumption_id=use.pk, kind=AllocationKind.SHARE).order_by("pk")
    found: dict[int, int] = {}
    for grant_id, amount in shares.values_list("grant_id", "amount"):
        found[grant_id] = found.get(grant_id, 0) + amount
    return found


def _payers_of_window(row: Balance) -> dict[int, int]:
    """Units each grant paid in the window, the largest first: summed by the database."""
    of = Q(
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        definition_id=row.definition_id,
        window_start_at=row.window_start_at,
    )
    found: dict[int, int] = {}
    alone = Consumption.objects.filter(of, grant__isnull=False, occurred_at__gte=row.window_start_at)
    for facts in (alone, Allocation.objects.filter(of)):
        for grant_id, amount in facts.order_by().values_list("grant_id").annotate(units=Sum("amount")):
            found[grant_id] = found.get(grant_id, 0) + amount
    return dict(sorted(((key, units) for key, units in found.items() if units), key=lambda pair: (-pair[1], pair[0])))


def _figures(row: Balance) -> str:
    granted = "unlimited" if row.granted_amount is None else f"{row.granted_amount:,}"
    left = "unlimited" if row.effective_amount is None else f"{row.effective_amount:,}"
    return f"At its end {granted} were granted, {row.consumed_amount:,} used and {left} left."


def _window(row: Balance) -> str:
    if row.window_start_at == LIFETIME_START:
        return "for its whole life"
    return f"{spoken(row.window_start_at)} to {spoken(row.window_end_at)}"


def _around(use: Consumption) -> Iterator[Pointer]:
    yield Pointer(table="consumption", id=use.pk, text=f"consumption {use.pk}")
    if use.reverses_id is not None:
        yield Pointer(table="consumption", id=use.reverses_id, text=f"consumption {use.reverses_id}")


def _origins(grant_ids: Sequence[int]) -> tuple[Origin, ...]:
    wanted = list(dict.fromkeys(grant_ids))[:MOST_ORIGINS]
    found = origins_of(list(Grant.objects.filter(pk__in=wanted))) if wanted else {}
    return tuple(found[key] for key in wanted if key in found)
