"""Plans assigned, renewed, scheduled, dropped, and begun by themselves; on both sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pytest

from billing.engine.types import EntitlementType, Rule, WindowAnchor, WindowInterval
from billing.models import PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import cancel_scheduled, promote_due, schedule
from mozaiks.kit.errors import Invalid
from tests.engine.reference_facts import Grant
from tests.engine.reference_windows import window_of
from tests.equivalence.life import DAY, HOUR, MINUTE, Life
from tests.equivalence.plans import Offer, Subscribed, Upcoming, grants_of

MONTHS = Rule(type=EntitlementType.METERED_QUOTA, interval=WindowInterval.MONTH, anchor=WindowAnchor.ANNIVERSARY)
#: Grants of a change that has begun come after all grants there are; the engine has not numbered them yet.
FIRST_NUMBER = 10**12


def change_plan(life: Life) -> None:
    """Another plan, the same again, or a renewal; from now or from a little before; open or for a period."""
    if not life.offers:
        return
    offer, now = life.pick(life.offers), life.moment()
    start = life.pick([None, None, now, now - HOUR, now - 3 * DAY, now + 4 * MINUTE])
    end_at = life.pick([None, None, now + 7 * DAY, now + 30 * DAY])
    subscribe(life, offer, now=now, start=start, end=end_at)


def subscribe(life: Life, offer: Offer, *, now: datetime, start: datetime | None, end: datetime | None) -> None:
    life.note("plan", offer.plan.code, start, end, now)
    assignment = assign(
        life.entity, offer.plan, source=AssignmentSource.MANUAL, now=now, period_start_at=start, period_end_at=end
    )
    learn(life)
    before = life.subscribed
    if before is not None and before.says(offer, start=start, end=end):
        return
    dropped: set[str] = set()
    if life.upcoming is not None and (before is None or before.offer is not offer):
        dropped = _touched(life, life.upcoming)
        life.upcoming = None
    if life.anchor_at is None:
        _anchor(life, start or now)
    given = grants_of(assignment.pk)
    begin(life, offer, start=start or now, end=end, numbers=given, now=now, also=dropped)
    assert not given, f"the plan gave more: {given}"


def begin(
    life: Life,
    offer: Offer,
    *,
    start: datetime,
    end: datetime | None,
    numbers: dict[int, int],
    now: datetime,
    also: Iterable[str] = (),
) -> None:
    """What the old plan gave ends now, and what the new one promises is there. ``numbers`` of grants by template are used up."""
    before = life.subscribed
    after = Subscribed(offer=offer, start=start, end=end, fixed=before.fixed if before else set())
    new: dict[str, list[Grant]] = {}
    for promise in offer.promises:
        if promise.is_fixed and promise.template.pk in after.fixed:
            continue
        known = promise.grant(numbers.pop(promise.template.pk), start=start, end=end)
        new.setdefault(promise.code, []).append(known)
        after.given.append((promise.code, known.id))
        if promise.is_fixed:
            after.fixed.add(promise.template.pk)
        else:
            after.grants.append((promise.code, known.id))
    touched = {promise.code for promise in offer.promises} | set(also)
    _exchange(life, touched, before.grants if before else [], new, now, even_if_nothing=bool(also))
    life.subscribed = after


def _exchange(
    life: Life,
    touched: set[str],
    leaving: list[tuple[str, int]],
    new: dict[str, list[Grant]],
    now: datetime,
    *,
    even_if_nothing: bool,
) -> None:
    """In one transaction, in every balance that is touched; where nothing ends or begins, nothing is written."""
    by_code = {limit.code: limit.beside for limit in life.limits}
    alive = [(code, known) for code, known in leaving if by_code[code].grant_of(known).ended_at is None]
    ending = [
        (code, known)
        for code, known in alive
        if (expires := by_code[code].grant_of(known).expires_at) is None or expires > now
    ]
    if not ending and not new and not even_if_nothing:
        return
    for code in sorted(touched | {code for code, _ in ending}):
        mine = [grant_id for of, grant_id in ending if of == code]
        by_code[code].exchange(ending=mine, new=new.get(code, []), now=now)


def _anchor(life: Life, at: datetime) -> None:
    """The start of the first assignment, kept for ever."""
    life.anchor_at = at
    for limit in life.limits:
        limit.beside.anchor_at = at


# -- changes that begin later ------------------------------------------------------------------------------------------


def schedule_change(life: Life) -> None:
    """Another plan from a later instant on, or from the end of the period; the same plan or the past are refused."""
    if not life.offers or life.anchor_at is None:
        return
    offer, now = life.pick(life.offers), life.moment()
    start = life.pick([None, None, now + HOUR, now + 3 * DAY, now + 33 * DAY, now])
    life.note("schedule", offer.plan.code, start, now)
    begins = _default_start(life, now) if start is None else start
    current, before = life.subscribed, life.upcoming
    wanted = Upcoming(assignment_id=0, offer=offer, start=begins or now)
    touched = _touched(life, wanted) | (_touched(life, before) if before else set())
    seen = max([now, *(limit.beside.at(now) for limit in life.limits if limit.code in touched)])
    if begins is None or begins <= seen or (current is not None and current.offer is offer):
        with pytest.raises(Invalid):
            schedule(life.entity, offer.plan, source=AssignmentSource.MANUAL, now=now, starts_at=start)
        life.told[-1] += " (refused)"
        return
    made = schedule(life.entity, offer.plan, source=AssignmentSource.MANUAL, now=now, starts_at=start)
    learn(life)
    if before is not None and before.offer is offer and before.start == begins:
        return
    life.upcoming = replace(wanted, assignment_id=made.pk)
    _touch(life, touched, now)


def drop_change(life: Life) -> None:
    if life.upcoming is None:
        return
    now = life.moment()
    life.note("drop the scheduled plan", now)
    assert cancel_scheduled(life.entity, now=now)
    touched = _touched(life, life.upcoming)
    life.upcoming = None
    _touch(life, touched, now)


def _default_start(life: Life, now: datetime) -> datetime | None:
    if life.subscribed is None:
        return None
    return life.subscribed.end or window_of(MONTHS, now, life.anchor_at)[1]


def _touched(life: Life, change: Upcoming) -> set[str]:
    """What its templates name, and what the grants name that the current plan gave and that it will end."""
    by_code = {limit.code: limit.beside for limit in life.limits}
    given = life.subscribed.given if life.subscribed else []
    live = {code for code, grant_id in given if by_code[code].grant_of(grant_id).end > change.start}
    return {promise.code for promise in change.offer.promises} | live


def _touch(life: Life, codes: set[str], now: datetime) -> None:
    for limit in life.limits:
        if limit.code in codes:
            limit.beside.exchange(ending=[], new=[], now=now)


def begin_scheduled(life: Life) -> None:
    """Time has passed the start of a scheduled change: it has begun there, whether anybody noted it or not."""
    due = life.upcoming
    if due is None or due.start > life.now:
        return
    due.numbers = {
        promise.template.pk: FIRST_NUMBER + life.number()
        for promise in due.offer.promises
        if not (promise.is_fixed and life.subscribed and promise.template.pk in life.subscribed.fixed)
    }
    begin(
        life,
        due.offer,
        start=due.start,
        end=None,
        numbers=dict(due.numbers),
        now=due.start,
        also=_touched(life, due),
    )
    life.upcoming, life.unnumbered, life.earliest = None, due, due.start


def promote_now(life: Life) -> None:
    """The worker's deed: note the change that has begun."""
    if life.unnumbered is not None:
        promote_due(life.entity.pk, life.now)
        learn(life)
        assert life.unnumbered is None, "a change that has begun was not noted"


def learn(life: Life) -> None:
    """Once somebody has noted the change, its grants have their numbers."""
    begun = life.unnumbered
    if begun is None or not PlanAssignment.objects.filter(pk=begun.assignment_id).exclude(
        status=AssignmentStatus.UPCOMING
    ):
        return
    known = grants_of(begun.assignment_id)
    numbers = {ours: known.pop(template) for template, ours in begun.numbers.items()}
    assert not known, f"the plan gave more: {known}"
    for limit in life.limits:
        limit.beside.renumber(numbers)
    if life.subscribed is not None:
        life.subscribed.renumber(numbers)
    life.unnumbered = None
