"""Clerks who serve the same subjects at the same time, each with a connection of its own, and note every answer they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, TypeVar

from billing.engine.types import Replenish, SourceType
from billing.entitlements import grants, holds
from billing.entitlements.holding import HoldView
from billing.entitlements.holds import Overrun
from billing.entitlements.manual import ByHand, end_grant
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.reversals import reverse
from billing.entitlements.scheduled import perform
from billing.errors import HoldClosed, LimitExceeded
from billing.limits import Execution, Use, execute_with_entitlement_consumption
from billing.models import BillableEntity, Grant
from mozaiks.kit.errors import Invalid
from tests.engine import reference_facts
from tests.engine.histories import ORIGINS
from tests.engine.reference import Mode
from tests.equivalence.history import Answer, Side
from tests.equivalence.life import BIRTH, DAY, HOUR, INSTANT, MINUTE, Limit
from tests.equivalence.looking import numbers_in
from tests.gadgets.models import Press

SOMEBODY = ByHand(actor="tester", reason="to see what happens")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A use that is asked for, and may be asked for again under its key."""

    entity: BillableEntity
    parts: list[tuple[Limit, int]]
    key: str | None
    late: timedelta | None


@dataclass
class Office:
    """What all clerks share: subjects, limits, a clock that goes on with every operation, and what was done so far."""

    entities: list[BillableEntity]
    limits: list[Limit]
    step: timedelta
    ticks: Any = field(default_factory=count)
    answers: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    first_answers: dict[str, Any] = field(default_factory=dict)
    replays: list[tuple[str, Any]] = field(default_factory=list)
    uses: list[tuple[BillableEntity, Limit, int, int]] = field(default_factory=list)
    holds: list[tuple[BillableEntity, Limit, HoldView]] = field(default_factory=list)
    grants: list[tuple[Limit, int]] = field(default_factory=list)
    weak: int = 0

    def now(self) -> datetime:
        tick: int = next(self.ticks)
        return BIRTH + tick * self.step


@dataclass
class Clerk:
    office: Office
    draw: Random
    name: str
    numbers: Any = field(default_factory=count)

    def serve(self, operations: int) -> None:
        for _ in range(operations):
            self.pick(self._choices())()

    def _choices(self) -> list[Callable[[], None]]:
        choices = [self.use] * 8 + [self.give, self.hold, self.hold]
        choices += [self.ask_again] * 2 if self.office.requests else []
        choices += [self.take_back] * 3 if self.office.uses else []
        choices += [self.capture, self.capture, self.change_hold] if self.office.holds else []
        return choices + ([self.end] if self.office.grants and self.draw.random() < 0.3 else [])

    def pick(self, among: list[T]) -> T:
        return among[self.draw.randrange(len(among))]

    def now(self) -> datetime:
        """Clocks of servers differ a little."""
        return self.office.now() - self.draw.choice([0, 0, 0, 1, 700, 4000]) * INSTANT

    def key(self) -> str | None:
        return f"{self.name}-{next(self.numbers)}" if self.draw.random() < 0.5 else None

    def note(
        self,
        entity: BillableEntity,
        limit: Limit,
        version: int | None,
        told: str,
        agree: Callable[[Side], None],
        *,
        denied: bool = False,
    ) -> None:
        assert version is not None, "an answer without a version"
        answer = Answer(
            subject=entity.pk, code=limit.code, version=version, denied=denied, told=f"{self.name}: {told}", agree=agree
        )
        self.office.answers.append(answer)

    # -- uses -----------------------------------------------------------------------------------------------------

    def use(self) -> None:
        first = self.pick(self.office.limits)
        chosen = {first.code: first}
        if self.draw.random() < 0.2:
            second = self.pick(self.office.limits)
            chosen[second.code] = second
        request = Request(
            entity=self.pick(self.office.entities),
            parts=[(limit, self.draw.randint(1, 40)) for limit in chosen.values()],
            key=self.key(),
            late=self.draw.choice([None, None, None, HOUR, DAY, 2 * DAY]),
        )
        if request.key is not None:
            self.office.requests.append(request)
        self._ask(request)

    def ask_again(self) -> None:
        """Somebody's request once more: perhaps it was answered, perhaps refused, perhaps it is being served."""
        self._ask(self.pick(self.office.requests))

    def _ask(self, request: Request) -> None:
        now = self.now()
        occurred_at = None if request.late is None else now - request.late
        told = (
            f"use {[(limit.code, amount) for limit, amount in request.parts]} {request.key} at {now} of {occurred_at}"
        )
        try:
            done = execute_with_entitlement_consumption(
                request.entity,
                [Use(capability=limit.kind.capability, amount=amount) for limit, amount in request.parts],
                action=lambda: Press.objects.create(entity=request.entity, key=request.key or "", created_at=now),
                encode=lambda press: {"press": press.pk},
                now=now,
                operation_key=request.key,
                occurred_at=occurred_at,
            )
        except LimitExceeded as refused:
            self._note_refusal(request, refused, now, occurred_at, told)
            return
        if done.replayed:
            self.office.replays.append((request.key or "", done.answer))
            return
        if request.key is not None:
            assert self.office.first_answers.setdefault(request.key, done.answer) == done.answer, "a key ran twice"
        self._note_use(request, done, now, occurred_at, told)

    def _note_use(
        self, request: Request, done: Execution[Press], now: datetime, occurred_at: datetime | None, told: str
    ) -> None:
        for (limit, amount), booking, decision in zip(request.parts, done.bookings, done.decisions, strict=True):
            number = booking.consumption_id or 0

            def agree(
                side: Side, amount: int = amount, booking: Any = booking, decision: Any = decision, number: int = number
            ) -> None:
                beside = side.beside
                at = beside.at(now)
                when = min(occurred_at or at, at)
                view = beside.view_of_use(when, now=at)
                fits = beside.fits_in(amount, view)
                assert (decision.fits, decision.version) == (fits, beside.version), "decided otherwise"
                assert fits or beside.lenience(view) is not Mode.HARD, "the reference refuses"
                use = beside.use(amount, Mode.HAPPENED, now=beside.written(now), occurred_at=when)
                assert booking.overage == use.overage, "booked otherwise"
                side.uses[number] = use.id

            self.note(request.entity, limit, booking.version, told, agree)
            self.office.uses.append((request.entity, limit, number, amount))

    def _note_refusal(
        self, request: Request, refused: LimitExceeded, now: datetime, occurred_at: datetime | None, told: str
    ) -> None:
        limit, amount = next(part for part in request.parts if part[0].code == refused.details["limitationCode"])

        def agree(side: Side) -> None:
            beside = side.beside
            at = beside.at(now)
            when = min(occurred_at or at, at)
            with beside.looking():
                view = beside.view_of_use(when, now=at)
                assert not beside.fits_in(amount, view), "the reference allows it"
                assert beside.lenience(view) is Mode.HARD, "the reference allows it"
            expected = beside.told(when, at)
            assert numbers_in(refused.details) == expected, f"{numbers_in(refused.details)}, expected {expected}"

        self.note(request.entity, limit, refused.version, told, agree, denied=True)

    def take_back(self) -> None:
        entity, limit, number, amount = self.pick(self.office.uses)
        now, units = self.now(), self.draw.choice([None, self.draw.randint(1, amount)])
        try:
            done = reverse(entity, number, amount=units, now=now)
        except Invalid:
            self.office.weak += 1  # there was less left, which stays so: a refusal without a version proves no more
            return

        def agree(side: Side) -> None:
            beside, use = side.beside, side.uses[number]
            wanted = beside.net(beside.uses[use]) if units is None else units
            undone = beside.reverse(use, wanted, now=beside.at(now))
            beside.written(now)
            assert (done.amount, done.overage, done.forfeited) == (wanted, undone.overage, undone.lost), "other units"

        self.note(entity, limit, done.version, f"take back {units} of {number} at {now}", agree)

    # -- grants ---------------------------------------------------------------------------------------------------

    def give(self) -> None:
        entity, limit, now = self.pick(self.office.entities), self.pick(self.office.limits), self.now()
        kind, replenish, source = self.pick(ORIGINS)
        start = now + self.draw.choice([0, 0, 0, -1, 5]) * HOUR
        end = self.draw.choice([None, start + 6 * HOUR, start + DAY, start + 3 * DAY])
        amount = self.draw.choice([5, 20, 60])
        new = grants.NewGrant(
            info=definition_by_id(limit.definition.pk),
            amount=amount,
            kind=kind,
            replenish=replenish,
            source_type=source,
            source_id="drawn",
            effective_at=start,
            expires_at=end,
            dedupe_key=f"g1:test:{self.name}:{next(self.numbers)}",
        )
        done = perform(lambda: grants.record(entity.pk, new=[new], now=now), now=now)
        (number,) = done.inserted
        self.office.grants.append((limit, number))

        def agree(side: Side) -> None:
            side.beside.exchange(ending=[], new=[_known(new, number, kind, replenish, source)], now=now)

        self.note(entity, limit, done.versions[limit.code], f"give {amount} {kind} {start} - {end} at {now}", agree)

    def end(self) -> None:
        limit, number = self.pick(self.office.grants)
        grant, now = Grant.objects.get(pk=number), self.now()
        done = end_grant(grant, by=SOMEBODY, now=now)
        if not done.ended:
            self.office.weak += 1
            return
        self.note(
            BillableEntity(pk=grant.subject_id),
            limit,
            done.versions[limit.code],
            f"end {number} at {now}",
            lambda side: side.beside.exchange(ending=[number], new=[], now=now),
        )

    # -- holds ----------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        entity, limit, now = self.pick(self.office.entities), self.pick(self.office.limits), self.now()
        amount, ttl = self.draw.randint(1, 30), self.draw.choice([MINUTE, HOUR, 5 * HOUR])
        told = f"hold {amount} for {ttl} at {now}"
        try:
            view = holds.hold(entity, limit.kind.capability, amount=amount, ttl=ttl, now=now, operation_key=self.key())
        except LimitExceeded as refused:
            self._note_refusal(
                Request(entity=entity, parts=[(limit, amount)], key=None, late=None), refused, now, None, told
            )
            return
        self.office.holds.append((entity, limit, view))

        def agree(side: Side) -> None:
            beside = side.beside
            at = beside.at(now)
            mode = beside.lenience(beside.view_at(at))
            side.holds[view.id] = beside.hold(amount, mode, ttl=ttl, now=at).id
            beside.written(now)
            assert view.expires_at == beside.holds[-1].expires_at, "it ends otherwise"

        self.note(entity, limit, view.version, told, agree)

    def capture(self) -> None:
        entity, limit, held = self.pick(self.office.holds[-12:])
        amount, now, final = self.draw.randint(1, held.amount + 5), self.now(), self.draw.random() < 0.5
        above = self.pick(list(Overrun))
        told = f"capture {amount} of hold {held.id} {above} at {now}"
        try:
            view = holds.capture(entity, held.id, amount=amount, above_rest=above, final=final, now=now)
        except HoldClosed:
            self.office.weak += 1
            return
        except LimitExceeded as refused:
            denial = _denied_capture(held.id, amount, above, now)
            self.note(entity, limit, refused.version, told, denial, denied=True)
            return
        number = view.consumption_id or 0

        def agree(side: Side) -> None:
            beside = side.beside
            use = beside.capture(
                side.holds[held.id], amount, now=beside.at(now), above=_overrun(side, above, now), final=final
            )
            beside.written(now)
            side.uses[number] = use.id

        self.note(entity, limit, view.version, told, agree)
        self.office.uses.append((entity, limit, number, amount))

    def change_hold(self) -> None:
        entity, limit, held = self.pick(self.office.holds[-12:])
        now, ttl = self.now(), self.draw.choice([None, MINUTE, HOUR])
        try:
            view = (
                holds.release(entity, held.id, now=now)
                if ttl is None
                else holds.extend(entity, held.id, ttl=ttl, now=now)
            )
        except HoldClosed:
            self.office.weak += 1
            return

        def agree(side: Side) -> None:
            beside, number = side.beside, side.holds[held.id]
            if ttl is None:
                beside.drop(number, now=beside.at(now))
            else:
                beside.extend(number, ttl=ttl, now=beside.at(now))
            beside.written(now)

        self.note(entity, limit, view.version, f"{ttl or 'release'} hold {held.id} at {now}", agree)


def _known(
    new: grants.NewGrant, number: int, kind: Any, replenish: Replenish, source: SourceType
) -> reference_facts.Grant:
    return reference_facts.Grant(
        id=number,
        amount=new.amount,
        kind=kind,
        replenish=replenish,
        source=source,
        effective_at=new.effective_at,
        expires_at=new.expires_at,
    )


def _overrun(side: Side, above: Overrun, now: datetime) -> str:
    """In a soft mode nothing is refused for lack of units."""
    at = side.beside.at(now)
    soft = side.beside.lenience(side.beside.view_at(at)) is not Mode.HARD
    return Overrun.OVERDRAFT.value if soft and above is Overrun.IF_AVAILABLE else above.value


def _denied_capture(hold_id: int, amount: int, above: Overrun, now: datetime) -> Callable[[Side], None]:
    def agree(side: Side) -> None:
        beside = side.beside
        with beside.looking():
            held, at = beside.holds[side.holds[hold_id]], beside.at(now)
            beside.pass_time(at)
            own = held.rest if held.counts(at) else 0
            assert not held.closed
            assert amount > held.rest, "up to its rest a capture is never refused"
            too_much = _overrun(side, above, now) == Overrun.REJECT.value or not beside.fits_in(
                amount - own, beside.view_at(at)
            )
            assert too_much, "the reference allows it"

    return agree
