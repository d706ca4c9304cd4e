"""What uses units, and what takes them back: on the engine's side and on the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from billing.engine.types import EntitlementType
from billing.entitlements.reversals import Reversal, reverse
from billing.errors import CapacityLocked, IdempotencyConflict, LimitExceeded, StateNotGranted
from billing.limits import Execution, Use, execute_with_entitlement_consumption, refresh_capacity
from mozaiks.kit.errors import Failure, Invalid
from tests.engine.reference import Mode, Refused, Undone
from tests.engine.reference_facts import Use as BookedUse
from tests.engine.reference_windows import SPAN, window_of
from tests.equivalence.life import DAY, HOUR, INSTANT, MINUTE, Keyed, Life, Limit, counts_a_level
from tests.equivalence.looking import numbers_in
from tests.gadgets.models import Place, Press


def consumable(limit: Limit) -> bool:
    return limit.is_consumable


@dataclass(frozen=True, kw_only=True)
class Request:
    """A use that is asked for: units of each limit, and everything else that is said about it."""

    parts: list[tuple[Limit, int]]
    now: datetime
    key: str | None
    occurred_at: datetime | None
    already_happened: bool

    def asked(self, life: Life, *, now: datetime, more: int = 0) -> Execution[Any]:
        return execute_with_entitlement_consumption(
            life.entity,
            [Use(capability=limit.kind.capability, amount=amount + more) for limit, amount in self.parts],
            action=lambda: Press.objects.create(entity=life.entity, key=self.key or "", created_at=now),
            encode=lambda press: {"press": press.pk},
            now=now,
            operation_key=self.key,
            occurred_at=self.occurred_at,
            already_happened=self.already_happened,
        )


def consume(life: Life) -> None:
    """One use; sometimes late, sometimes of something that has already happened."""
    limit = life.limit(wanted=consumable)
    _request(
        life, [(limit, life.integer(1, 70))], occurred_at=None if life.integer(1, 3) > 1 else _earlier(life, limit)
    )


def consume_several(life: Life) -> None:
    """One action that uses several limits: all or nothing."""
    among = [limit for limit in life.limits if limit.is_consumable]
    if len(among) < 2:
        consume(life)
        return
    first = life.integer(0, len(among) - 1)
    parts = [(among[first], life.integer(1, 40)), (among[first - 1], life.integer(1, 40))]
    _request(life, parts, occurred_at=_earlier(life, among[first]) if life.one_in(4) else None)


def _earlier(life: Life, limit: Limit) -> datetime:
    """The business time of a use that is reported later (or a little early): in its window still, or in one that is closed."""
    start, _ = window_of(limit.kind.rule, life.now, limit.beside.anchor_at)
    moments = [life.now - back for back in (MINUTE, HOUR, DAY, 2 * DAY, 20 * DAY, 40 * DAY)]
    moments.append(life.now + 4 * MINUTE)
    if limit.kind.rule.has_windows:
        moments += [start - INSTANT, start - HOUR, start]
    if limit.kind.rule.is_rolling and limit.kind.rule.interval:
        span = SPAN[limit.kind.rule.interval]
        moments += [life.now - span, life.now - span + INSTANT, life.now - span - HOUR]
    return life.pick(moments)


def _request(life: Life, parts: list[tuple[Limit, int]], *, occurred_at: datetime | None) -> None:
    request = Request(
        parts=parts, now=life.moment(), key=life.key(), occurred_at=occurred_at, already_happened=life.one_in(7)
    )
    if occurred_at is not None and occurred_at > request.now + 5 * MINUTE:
        return
    what = [(limit.code, amount) for limit, amount in parts]
    life.note("use", what, request.now, request.key, "of", occurred_at, "happened" if request.already_happened else "")
    came = life.both(lambda: request.asked(life, now=request.now), lambda: _use(request), refusal=LimitExceeded)
    if isinstance(came, Failure):
        _check_refusal(request, came)
        life.refused_keys += [] if request.key is None else [request.key]
        return
    done, uses = came
    life.actions += 1
    for booking, (limit, _), (use, fits), decision in zip(done.bookings, parts, uses, done.decisions, strict=True):
        limit.uses.append(booking.consumption_id or 0)
        assert (booking.overage, booking.version) == (use.overage, limit.beside.version), "booked otherwise"
        assert decision.fits == fits, "decided otherwise"
    if request.key is not None:
        life.keyed.append(
            Keyed(
                again=lambda now: request.asked(life, now=now),
                otherwise=lambda now: request.asked(life, now=now, more=1),
                answer=done.answer,
            )
        )


def _use(request: Request) -> list[tuple[BookedUse, bool]]:
    """All or nothing: nothing is recorded before everything was asked."""
    asked = []
    for limit, amount in request.parts:
        beside = limit.beside
        at = beside.at(request.now)
        occurred_at = min(request.occurred_at or at, at)
        view = beside.view_of_use(occurred_at, now=at)
        beside.pass_time(at)
        fits = amount <= beside.available(view)
        if not fits and beside.lenience(view, already_happened=request.already_happened) is Mode.HARD:
            raise Refused
        asked.append((beside, amount, occurred_at, fits))
    return [
        (beside.use(amount, Mode.HAPPENED, now=beside.written(request.now), occurred_at=occurred_at), fits)
        for beside, amount, occurred_at, fits in asked
    ]


def _check_refusal(request: Request, refused: Failure) -> None:
    details = refused.details
    beside = next(limit.beside for limit, _ in request.parts if limit.code == details["limitationCode"])
    at = beside.at(request.now)
    told = beside.told(min(request.occurred_at or at, at), at)
    assert numbers_in(details) == told, f"refused with {numbers_in(details)}, expected {told}"
    assert isinstance(refused, LimitExceeded)
    assert refused.version == beside.version, "refused by another version"


def take_back(life: Life) -> None:
    """A use taken back, in part or all that is left of it; sometimes more than that, which is refused."""
    limit = life.limit(wanted=lambda limit: limit.uses)
    index = life.integer(0, len(limit.uses) - 1)
    beside, now, key = limit.beside, life.moment(), life.key()
    left = beside.net(beside.uses[index])
    amount = None if life.one_in(4) else life.integer(1, left + 1)
    life.note("take back", limit.code, index, amount, now, key)

    def asked(at: datetime, more: int = 0) -> Reversal:
        units = None if amount is None and not more else (amount or 0) + more
        return reverse(life.entity, limit.uses[index], amount=units, now=at, operation_key=key)

    def undo() -> Undone:
        if not left:
            raise Refused
        undone = beside.reverse(index, left if amount is None else amount, now=beside.at(now))
        beside.written(now)
        return undone

    came = life.both(lambda: asked(now), undo, refusal=Invalid)
    if isinstance(came, Failure):
        life.refused_keys += [] if key is None else [key]
        return
    done, undone = came
    expected = (undone.overage, undone.lost, beside.version)
    assert (done.overage, done.forfeited, done.version) == expected, f"{done}, expected {expected}"
    if key is not None:
        plain = replace(done, replayed=False)
        life.keyed.append(Keyed(again=asked, otherwise=lambda at: asked(at, 1), answer=plain))


def repeat(life: Life) -> None:
    """A key again: the first answer, and nothing happens; with other content it is a conflict."""
    if not life.keyed:
        return
    keyed, now = life.pick(life.keyed), max(life.earliest, life.now - life.pick([0 * MINUTE, INSTANT]))
    if life.one_in(4):
        life.note("another request under a key", now)
        with pytest.raises(IdempotencyConflict):
            keyed.otherwise(now)
        return
    life.note("a key again", now)
    done = keyed.again(now)
    assert done.replayed, "a repeat ran again"
    answer = done.answer if isinstance(done, Execution) else replace(done, replayed=False)
    assert answer == keyed.answer, "a repeat was answered otherwise"


# -- levels ------------------------------------------------------------------------------------------------------------


def change_count(life: Life) -> None:
    """Places taken or left, by the engine's door, under a key or not; or behind its back."""
    if not life.has(counts_a_level):
        consume(life)
        return
    limit, now = life.limit(wanted=counts_a_level), life.moment()
    change = life.pick([life.integer(1, 30), life.integer(1, 90), -life.integer(1, 30), 0])
    change = max(change, -limit.beside.count)
    door = life.pick(["execute", "execute", "execute", "refresh", "nobody"])
    life.note("count", limit.code, change, door, now)
    act = _counted(life, limit, change)
    if door == "nobody":
        act()
        limit.beside.count += change
    elif door == "refresh":
        refresh_capacity(life.entity, limit.code, action=act, now=now)
        limit.beside.written(now)
        limit.beside.count += change
    else:
        _execute_count(life, limit, change, act, now)


def _execute_count(life: Life, limit: Limit, change: int, act: Callable[[], None], now: datetime) -> None:
    beside = limit.beside

    def move() -> None:
        view = beside.view(beside.at(now))
        if not beside.fits(change, view) and beside.lenience(view) is Mode.HARD:
            raise Refused
        beside.written(now)
        beside.count += change

    amount: int | Callable[[], int] = change if life.one_in(2) else lambda: change
    came = life.both(
        lambda: execute_with_entitlement_consumption(
            life.entity, limit.kind.capability, action=act, amount=amount, now=now
        ),
        move,
        refusal=CapacityLocked,
    )
    if isinstance(came, Failure):
        with beside.looking():
            granted = beside.said_at(beside.view(beside.at(now))).granted or 0
        told = (beside.count, granted, max(0, beside.count - granted), beside.count + change - granted)
        found = tuple(came.details[name] for name in ("used", "cap", "overBy", "requiredReduction"))
        assert found == told, f"told {found}, expected {told}"


def _counted(life: Life, limit: Limit, change: int) -> Callable[[], None]:
    def act() -> None:
        mine = Place.objects.filter(entity=life.entity, name=limit.code)
        if change < 0:
            Place.objects.filter(pk__in=list(mine.values_list("pk", flat=True)[:-change])).delete()
        Place.objects.bulk_create(
            Place(entity=life.entity, name=limit.code, created_at=life.now) for _ in range(max(0, change))
        )

    return act


def enter(life: Life) -> None:
    """Something only those may do to whom a state was granted."""
    states = [limit for limit in life.limits if limit.kind.rule.type is EntitlementType.STATE]
    if not states:
        consume(life)
        return
    limit, now = life.pick(states), life.moment()
    beside = limit.beside
    life.note("enter", limit.code, now)

    def allowed() -> None:
        view = beside.view(beside.at(now))
        if not beside.fits(1, view) and beside.lenience(view) is Mode.HARD:
            raise Refused
        beside.written(now)

    life.both(
        lambda: execute_with_entitlement_consumption(life.entity, limit.kind.capability, action=lambda: None, now=now),
        allowed,
        refusal=StateNotGranted,
    )
