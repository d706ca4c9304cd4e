"""Holds: set aside, extend, capture, release; on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from billing.entitlements import holds
from billing.entitlements.holding import HoldView
from billing.entitlements.holds import Overrun
from billing.errors import HoldClosed, LimitExceeded
from mozaiks.kit.errors import Failure
from tests.engine.reference import Mode
from tests.engine.reference_facts import Hold, Use
from tests.equivalence.life import DAY, HOUR, MINUTE, SECOND, Keyed, Life, Limit
from tests.equivalence.using import consumable

TTLS = [SECOND, MINUTE, MINUTE, HOUR, DAY]


def hold(life: Life) -> None:
    limit, now, key = life.limit(wanted=consumable), life.moment(), life.key()
    amount, ttl = life.integer(1, 60), life.pick(TTLS)
    life.note("hold", limit.code, amount, ttl, now, key)
    beside = limit.beside

    def asked(at: datetime, more: int = 0) -> HoldView:
        return holds.hold(life.entity, limit.kind.capability, amount=amount + more, ttl=ttl, now=at, operation_key=key)

    def set_aside() -> Hold:
        at = beside.at(now)
        beside.pass_time(at)
        held = beside.hold(amount, beside.lenience(beside.view(at)), ttl=ttl, now=at)
        beside.written(now)
        return held

    came = life.both(lambda: asked(now), set_aside, refusal=LimitExceeded)
    if isinstance(came, Failure):
        life.refused_keys += [] if key is None else [key]
        return
    limit.holds.append(came[0].id)
    _agree(life, limit, *came, key, asked)


def capture(life: Life) -> None:
    """Up to the rest, or above it; as the last capture or with the rest kept."""
    limit, index = _some_hold(life)
    beside, now, key = limit.beside, life.moment(), life.key()
    amount = life.integer(1, beside.holds[index].amount + 10)
    above, final = life.pick(list(Overrun)), life.one_in(2)
    life.note("capture", limit.code, index, amount, above, "final" if final else "", now, key)

    def asked(at: datetime, more: int = 0) -> HoldView:
        return holds.capture(
            life.entity,
            limit.holds[index],
            amount=amount + more,
            above_rest=above,
            final=final,
            now=at,
            operation_key=key,
        )

    def captured() -> tuple[Hold, Use]:
        at = beside.at(now)
        beside.pass_time(at)
        lenient = above is Overrun.IF_AVAILABLE and beside.lenience(beside.view(at)) is not Mode.HARD
        overrun = Overrun.OVERDRAFT if lenient else above
        use = beside.capture(index, amount, now=at, above=overrun.value, final=final)
        beside.written(now)
        return beside.holds[index], use

    was_closed = beside.holds[index].closed
    came = life.both(lambda: asked(now), captured, refusal=(HoldClosed, LimitExceeded))
    if isinstance(came, Failure):
        assert isinstance(came, HoldClosed) == was_closed, came
        life.refused_keys += [] if key is None else [key]
        return
    view, (held, _) = came
    limit.uses.append(view.consumption_id or 0)
    _agree(life, limit, view, held, key, asked)


def extend(life: Life) -> None:
    limit, index = _some_hold(life)
    ttl, beside, number = life.pick(TTLS), limit.beside, limit.holds[index]

    def asked(at: datetime, key: str | None, more: int) -> HoldView:
        if more:
            return holds.release(life.entity, number, now=at, operation_key=key)
        return holds.extend(life.entity, number, ttl=ttl, now=at, operation_key=key)

    _change(life, limit, index, f"extend by {ttl}", asked, lambda at: beside.extend(index, ttl=ttl, now=at))


def release(life: Life) -> None:
    limit, index = _some_hold(life)
    beside, number = limit.beside, limit.holds[index]

    def asked(at: datetime, key: str | None, more: int) -> HoldView:
        if more:
            return holds.extend(life.entity, number, now=at, operation_key=key)
        return holds.release(life.entity, number, now=at, operation_key=key)

    _change(life, limit, index, "release", asked, lambda at: beside.drop(index, now=at))


def _some_hold(life: Life) -> tuple[Limit, int]:
    limit = life.limit(wanted=lambda limit: limit.holds)
    return limit, life.integer(max(0, len(limit.holds) - 4), len(limit.holds) - 1)


def _change(
    life: Life,
    limit: Limit,
    index: int,
    what: str,
    engine: Callable[[datetime, str | None, int], HoldView],
    reference: Callable[[datetime], None],
) -> None:
    beside, now, key = limit.beside, life.moment(), life.key()
    life.note(what, limit.code, index, now, key)

    def changed() -> Hold:
        reference(beside.at(now))
        beside.written(now)
        return beside.holds[index]

    came = life.both(lambda: engine(now, key, 0), changed, refusal=HoldClosed)
    if isinstance(came, Failure):
        life.refused_keys += [] if key is None else [key]
        return
    _agree(life, limit, *came, key, lambda at, more=0: engine(at, key, more))


def _agree(
    life: Life, limit: Limit, view: HoldView, held: Hold, key: str | None, asked: Callable[..., HoldView]
) -> None:
    rest = 0 if held.closed else held.rest
    found = (view.amount, view.rest, view.expires_at, view.version)
    assert found == (held.amount, rest, held.expires_at, limit.beside.version), f"{view}\n{held}"
    if key is not None:
        plain = replace(view, replayed=False)
        life.keyed.append(Keyed(again=asked, otherwise=lambda at: asked(at, 1), answer=plain))
