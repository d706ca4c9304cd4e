"""Units given, ended, replaced, taken, frozen and released; rebuilt; and definitions edited. On both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.engine.types import (
    AdjustmentKind,
    AdjustmentReason,
    EnforcementOverride,
    EntitlementType,
    GrantKind,
    Replenish,
    SourceType,
)
from billing.entitlements import adjusting, boundaries, grants
from billing.entitlements.balances import recompute
from billing.entitlements.corrections import Correction, correct
from billing.entitlements.manual import ByHand, end_grant
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.scheduled import perform
from billing.models import Balance, Definition, Grant
from mozaiks.kit.errors import Failure, Invalid
from tests.engine import reference_facts
from tests.engine.histories import ORIGINS
from tests.engine.reference import Mode, Refused
from tests.equivalence.beside import Beside
from tests.equivalence.guest import MODES
from tests.equivalence.life import DAY, HOUR, INSTANT, Life, Limit
from tests.equivalence.subscribing import promote_now

SOMEBODY = ByHand(actor="tester", reason="to see what happens")
LAST_END = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def give(life: Life, limit: Limit | None = None) -> None:
    """A grant of one limit, or one of each of two at once."""
    chosen = [limit or life.limit()]
    if limit is None and life.one_in(4):
        chosen = list({each.code: each for each in [*chosen, life.limit()]}.values())
    now = life.moment()
    new = [_some_grant(life, each, now) for each in chosen]
    life.note("give", [(each.code, grant.kind, grant.amount) for each, grant in zip(chosen, new, strict=True)], now)
    life.told[-1] += "".join(
        f" [{grant.replenish} {grant.override or ''} {grant.effective_at} - {grant.expires_at}]" for grant in new
    )
    perform(lambda: grants.record(life.entity.pk, new=new, now=now), now=now)
    _note_given(life, chosen, new, now)
    if life.one_in(6):
        again = perform(lambda: grants.record(life.entity.pk, new=new, now=now), now=now)
        assert (again.inserted, again.existing) == ((), len(new)), "the same keys gave something again"


def _note_given(life: Life, chosen: Sequence[Limit], new: Sequence[grants.NewGrant], now: datetime) -> None:
    for limit, grant in zip(chosen, new, strict=True):
        row = Grant.objects.get(dedupe_key=grant.dedupe_key)
        known = reference_facts.Grant(
            id=row.pk,
            amount=grant.amount,
            kind=grant.kind,
            replenish=grant.replenish,
            source=grant.source_type,
            effective_at=grant.effective_at,
            expires_at=grant.expires_at,
        )
        if grant.override:
            limit.beside.overrides[row.pk] = grant.override
        limit.beside.exchange(ending=[], new=[known], now=now)


def _some_grant(life: Life, limit: Limit, now: datetime) -> grants.NewGrant:
    kind, replenish, source = life.pick(ORIGINS)
    start = now + life.pick([0 * DAY] * 4 + [-INSTANT, -HOUR, -2 * DAY, -40 * DAY, INSTANT, HOUR, 3 * DAY, 20 * DAY])
    beside = limit.beside
    window_end = beside.view(beside.at(now)).end
    ends = [None, None, start + HOUR, start + 5 * DAY, start + 31 * DAY, window_end, now + HOUR]
    expires_at = life.pick([end for end in ends if end is None or start < end < LAST_END])
    amount = None if life.one_in(20) else life.pick([1, 10, 20, 30, 50, 100])
    return grants.NewGrant(
        info=definition_by_id(limit.definition.pk),
        amount=1 if limit.kind.rule.type is EntitlementType.STATE else amount,
        kind=kind,
        replenish=replenish,
        source_type=source,
        source_id="drawn",
        effective_at=start,
        expires_at=expires_at,
        override=life.pick(list(EnforcementOverride)) if life.one_in(8) else None,
        dedupe_key=f"g1:test:{life.entity.pk}:{life.number()}",
    )


def end(life: Life) -> None:
    """An operator ends a grant: one that is open, one that has not begun, or one that is over, which changes nothing."""
    promote_now(life)
    if not life.has(lambda limit: limit.beside.grants):
        return
    limit, now = life.limit(wanted=lambda limit: limit.beside.grants), life.moment()
    known = life.pick(limit.beside.grants)
    life.note("end", limit.code, known.id, now)
    recorded = end_grant(Grant.objects.get(pk=known.id), by=SOMEBODY, now=now)
    assert bool(recorded.ended) == (known.ended_at is None), "a grant ends once"
    if recorded.ended:
        limit.beside.exchange(ending=[known.id], new=[], now=now)


def correct_by_hand(life: Life) -> None:
    """A positive correction is given once; a negative one takes at most what is left, and where nothing is left it is refused."""
    limit, now = life.limit(wanted=lambda limit: limit.is_consumable), life.moment()
    beside, at = limit.beside, limit.beside.at(now)
    amount, key = life.integer(-60, 40) or 1, f"life-{life.number()}"
    life.note("correct", limit.code, amount, now, key)

    def asked() -> Correction:
        return correct(life.entity, limit.code, amount=amount, by=SOMEBODY, now=now, operation_key=key)

    def taken() -> int:
        free = beside.available(beside.view_at(at))
        if amount < 0 and not 0 < free < float("inf"):
            raise Refused
        return amount if amount > 0 else -min(-amount, int(free))

    came = life.both(asked, taken, refusal=Invalid)
    if isinstance(came, Failure):
        return
    made, expected = came
    assert made.amount == expected, made
    if made.grant_id is not None:
        beside.exchange(ending=[], new=[_correction(made.grant_id, amount, now)], now=now)
    else:
        beside.use(-expected, Mode.HARD, now=beside.written(now), occurred_at=at)
        limit.uses.append(made.consumption_id or 0)
    assert replace(asked(), replayed=False) == made, "a correction was made twice"


def _correction(grant_id: int, amount: int, now: datetime) -> reference_facts.Grant:
    return reference_facts.Grant(
        id=grant_id,
        amount=amount,
        kind=GrantKind.CORRECTION,
        replenish=Replenish.ONCE,
        source=SourceType.MANUAL_CONSOLE,
        effective_at=now,
    )


# -- adjustments -------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Step:
    """What is done to one grant: a take (of ``target``), a freeze, the release of the freeze ``undoes``, or, None, its end."""

    limit: Limit
    grant: reference_facts.Grant
    kind: AdjustmentKind | None
    key: str
    target: int | None = None
    undoes: str = ""

    @property
    def reference(self) -> Beside:
        return self.limit.beside

    def is_live(self, now: datetime) -> bool:
        return self.reference.at(now) < self.grant.end and self.grant.effective_at < self.grant.end


def adjust(life: Life) -> None:
    """A refund takes, a dispute freezes, the end of one releases, whatever is over ends; of several grants at once."""
    promote_now(life)
    if not life.has(lambda limit: limit.beside.grants):
        return
    now = life.moment()
    drawn = [_drawn_step(life) for _ in range(life.pick([1, 1, 2, 3]))]
    steps = list({step.grant.id: step for step in drawn}.values())
    for step in steps:
        life.note(step.kind or "end", step.limit.code, step.grant.id, step.target or "", step.undoes, now)
    expected = {step.grant.id: step for step in steps if _does_something(life, step, now)}
    adjusted = perform(lambda: _adjusted(life, steps, now), now=now)
    if expected:
        _adjust_beside(steps, expected, now, adjusted.taken)
    else:
        assert not adjusted.versions, "nothing was to be done, and balances were written"
    for step in expected.values():
        if step.kind is AdjustmentKind.FREEZE:
            life.freezes.setdefault(step.grant.id, []).append(step.key)
        elif step.kind is AdjustmentKind.RELEASE:
            life.freezes[step.grant.id].remove(step.undoes)
    if life.one_in(5):
        again = perform(lambda: _adjusted(life, [step for step in steps if step.kind], now), now=now)
        assert not again.versions or not expected, "the same keys did something again"


def _drawn_step(life: Life) -> Step:
    limit = life.limit(wanted=lambda limit: limit.beside.grants)
    grant = life.pick(limit.beside.grants)
    freezes = life.freezes.get(grant.id, [])
    kind: AdjustmentKind | None = life.pick(
        [AdjustmentKind.TAKE] * 3 + [AdjustmentKind.RELEASE if freezes else AdjustmentKind.FREEZE] * 3
    )
    if freezes and life.one_in(5):
        kind = AdjustmentKind.FREEZE
    if life.one_in(8):
        kind = None
    key = f"a1:test:{life.entity.pk}:{life.number()}"
    target = None if life.one_in(4) else life.integer(0, 90)
    undoes = life.pick(freezes) if freezes else ""
    return Step(limit=limit, grant=grant, kind=kind, key=key, target=target, undoes=undoes)


def _does_something(life: Life, step: Step, now: datetime) -> bool:
    """A take is always noted; what is over is neither frozen nor ended."""
    return step.kind in (AdjustmentKind.TAKE, AdjustmentKind.RELEASE) or step.is_live(now)


def _adjusted(life: Life, steps: Sequence[Step], now: datetime) -> adjusting.Adjusted:
    def of(kind: AdjustmentKind | None) -> list[Step]:
        return [step for step in steps if step.kind is kind]

    refunded, disputed, won = AdjustmentReason.REFUNDED, AdjustmentReason.DISPUTED, AdjustmentReason.DISPUTE_WON
    return adjusting.adjust(
        life.entity.pk,
        takes=[
            adjusting.Take(grant_id=step.grant.id, target=step.target, reason=refunded, dedupe_key=step.key)
            for step in of(AdjustmentKind.TAKE)
        ],
        freezes=[
            adjusting.Freeze(grant_id=step.grant.id, reason=disputed, dedupe_key=step.key)
            for step in of(AdjustmentKind.FREEZE)
        ],
        releases=[
            adjusting.Release(grant_id=step.grant.id, reason=won, dedupe_key=step.key, undoes=step.undoes)
            for step in of(AdjustmentKind.RELEASE)
        ],
        ends=[step.grant.id for step in of(None)],
        now=now,
    )


def _adjust_beside(steps: Sequence[Step], expected: dict[int, Step], now: datetime, taken: dict[int, int]) -> None:
    """The same on the reference: takes before freezes before releases before ends; overage is paid once, at the end."""
    ends = {step.grant.id for step in steps if step.kind is None and step.grant.id in expected}
    order = [AdjustmentKind.TAKE, AdjustmentKind.FREEZE, AdjustmentKind.RELEASE]
    for step in (step for kind in order for step in expected.values() if step.kind is kind):
        at = step.reference.at(now)
        if step.kind is AdjustmentKind.TAKE:
            amount = step.reference.take_back(step.grant.id, step.target, now=at)
            assert taken[step.grant.id] == amount, f"of {step.grant.id} {taken[step.grant.id]} were taken, not {amount}"
        elif step.kind is AdjustmentKind.FREEZE:
            step.reference.freeze(step.grant.id, now=at)
        else:
            step.reference.adjustments.append(
                reference_facts.Adjustment(grant_id=step.grant.id, kind=AdjustmentKind.RELEASE, at=at)
            )
    for reference in {id(step.reference): step.reference for step in steps}.values():
        mine = [grant.id for grant in reference.grants if grant.id in ends]
        reference.exchange(ending=mine, new=[], now=now)


def rebuild(life: Life) -> None:
    life.note("rebuild")
    _rebuild(life, life.now)


def _rebuild(life: Life, now: datetime) -> None:
    """From the facts alone; nothing may be seen of it but the versions."""
    recompute(life.entity, now=now)
    for limit in life.limits:
        if limit.beside.version:
            limit.beside.exchange(ending=[], new=[], now=now)


# -- the worker --------------------------------------------------------------------------------------------------------


def tick(life: Life) -> None:
    """A worker brings what is due to the present, of all subjects there are; or somebody does for this one."""
    life.note("worker")
    if life.one_in(4):
        boundaries.refresh_due_limitations_for_subject(life.entity, now=life.now)
    else:
        while (rolled := boundaries.roll_due(now=life.now)).taken:
            assert not rolled.put_off, "a boundary failed"
    mine = Balance.objects.for_subject(life.entity.pk).running()
    assert not mine.due(now=life.now).exists(), "something is due still"
    for limit in life.limits:
        row = mine.filter(definition=limit.definition).first()
        if row is not None:
            limit.beside.seen_by_worker(row.version, row.last_event_at)


# -- definitions and quotas --------------------------------------------------------------------------------------------


def edit(life: Life) -> None:
    """Another process switches the enforcement of a definition."""
    limit = life.limit()
    mode = life.pick(MODES)
    life.note("edit", limit.code, mode)
    stamp(limit, enforcement_mode=mode)
    limit.beside.enforcement = mode


def stamp(limit: Limit, **columns: object) -> None:
    """Change a definition as another process would: every change is newer than all before."""
    newest = max(Definition.objects.values_list("updated_at", flat=True))
    Definition.objects.filter(pk=limit.definition.pk).update(updated_at=newest + INSTANT, **columns)


def switch_quotas(life: Life) -> None:
    enforced = not life.limits[0].beside.enforced
    life.note("quotas", "enforced" if enforced else "advisory")
    life.enforce(enforced)
    for limit in life.limits:
        limit.beside.enforced = enforced
