"""Lives from their birth: which limits, which plans, and what may happen at every step."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from billing.engine.types import EntitlementType, WindowAnchor
from billing.models.catalog import DurationPolicy, PlanGrantKind
from tests.equivalence import giving, setting_aside, subscribing, using
from tests.equivalence.beside import Beside
from tests.equivalence.guest import (
    ACCESS,
    ANNIVERSARY,
    ANNIVERSARY_DAY,
    CREDITS,
    DAY,
    KINDS,
    MODES,
    MONTH,
    PLACES,
    ROLLING,
    ROLLING_WEEK,
    SEATS,
    WEEK,
)
from tests.equivalence.life import AUDIT_EVERY, BIRTH, Life, Limit
from tests.equivalence.life import DAY as A_DAY
from tests.equivalence.life import HOUR as AN_HOUR
from tests.equivalence.plans import make_plan, make_template, offer_of
from tests.factories import BillableEntityFactory
from tests.gadgets.models import Press

#: Two or three limits a life, one of each row at most, so that every limit has a history of its own.
ROWS = [
    [MONTH, DAY, WEEK, MONTH, DAY],
    [ANNIVERSARY, ANNIVERSARY_DAY, ROLLING, ROLLING_WEEK, ROLLING],
    [CREDITS, PLACES, SEATS, ACCESS, CREDITS],
]


def conceive(draw: Random, limits: dict[str, Limit], enforce: Callable[[bool], None]) -> Life:
    """A subject with two or three limits and nothing else."""
    rows = draw.sample(ROWS, draw.choice([2, 2, 3]))
    chosen = [limits[draw.choice(row).code] for row in rows]
    return Life(draw=draw, entity=BillableEntityFactory(), limits=[_fresh(limit) for limit in chosen], enforce=enforce)


def begin(life: Life) -> None:
    """Enforcement of every kind, plans to choose, and, where windows need an anchor, the first thing that says it."""
    life.enforce(True)
    life.rebuilds = life.one_in(2)  # a rebuild would heal what went wrong on the way
    for limit in life.limits:
        mode = life.pick(MODES)
        giving.stamp(limit, enforcement_mode=mode)
        limit.beside.enforcement = mode
        limit.beside.pass_time(BIRTH)
    anchored = [limit for limit in life.limits if limit.kind.rule.anchor is WindowAnchor.ANNIVERSARY]
    if life.one_in(4) and anchored:
        _anchor_by_grant(life, anchored[0])
    else:
        _offer_plans(life)
        if anchored or life.one_in(2):
            start = BIRTH - life.pick([0 * A_DAY, AN_HOUR, 40 * A_DAY])
            subscribing.subscribe(life, life.pick(life.offers), now=BIRTH, start=start, end=None)
    life.compare()


def make_limits() -> dict[str, Limit]:
    """A definition of each kind, for all lives of a run."""
    return {kind.code: Limit(kind, kind.make(), Beside(rule=kind.rule)) for kind in KINDS}


def _fresh(limit: Limit) -> Limit:
    return Limit(limit.kind, limit.definition, Beside(rule=limit.kind.rule))


def _anchor_by_grant(life: Life, limit: Limit) -> None:
    """Without any assignment the grant that was recorded first says where windows begin."""
    while not limit.beside.grants:
        giving.give(life, limit)
    limit.beside.anchor_at = limit.beside.grants[0].effective_at


def _offer_plans(life: Life) -> None:
    """Three plans; credits of a plan are paid for, so that no template here gives any."""
    givable = [limit for limit in life.limits if limit.kind.rule.type is not EntitlementType.BALANCE]
    for _ in range(3):
        plan = make_plan()
        entries = []
        for limit in givable:
            for kind in PlanGrantKind:
                if life.one_in(2):
                    entries.append((limit.code, make_template(plan, **_terms(life, limit, kind))))
        life.offers.append(offer_of(entries, plan))


def _terms(life: Life, limit: Limit, grant_kind: PlanGrantKind) -> dict[str, object]:
    policy = life.pick([DurationPolicy.WHILE_CURRENT, *DurationPolicy])
    amount = None if life.one_in(15) else life.pick([5, 20, 50, 100])
    return {
        "definition": limit.definition,
        "grant_kind": grant_kind,
        "amount": 1 if limit.kind is ACCESS else amount,
        "duration_policy": policy,
        "duration_days": life.pick([1, 10, 40]) if policy == DurationPolicy.FIXED_DURATION else None,
    }


def live(life: Life, steps: int) -> None:
    """Let ``steps`` things happen, comparing after each."""
    for number in range(steps):
        life.pick(_choices(life))(life)
        subscribing.learn(life)
        life.compare()
        if number % AUDIT_EVERY == AUDIT_EVERY - 1 or number == steps - 1:
            subscribing.promote_now(life)
            life.audit()
    assert Press.objects.filter(entity=life.entity).count() == life.actions, "an action ran twice, or never"


def pass_time(life: Life) -> None:
    life.pass_time()
    subscribing.begin_scheduled(life)


def _choices(life: Life) -> list[Callable[[Life], None]]:
    """Weights: mostly uses and time, sometimes what changes what there is to use."""
    choices: list[Callable[[Life], None]] = [pass_time, pass_time, pass_time, pass_time, giving.tick]
    choices += [giving.give] * 3 + [giving.end, giving.edit, using.repeat, using.repeat] + [subscribing.change_plan] * 2
    choices += [
        subscribing.schedule_change,
        subscribing.schedule_change,
        subscribing.drop_change,
        subscribing.promote_now,
    ]
    choices += [giving.adjust] * 2
    if life.one_in(8):
        choices += [giving.switch_quotas] + [giving.rebuild] * life.rebuilds
    if life.has(using.consumable):
        choices += [using.consume] * 7 + [using.consume_several, setting_aside.hold, giving.correct_by_hand]
        if life.has(lambda limit: limit.uses):
            choices += [using.take_back] * 3
        if life.has(lambda limit: limit.holds):
            choices += [setting_aside.capture] * 2 + [setting_aside.extend, setting_aside.release]
        if life.has(lambda limit: not limit.is_consumable):
            choices += [using.change_count, using.enter]
    else:
        choices += [using.change_count] * 5 + [using.enter]
    return choices
