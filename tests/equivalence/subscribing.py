"""Plans assigned, renewed, scheduled, dropped, and begun by themselves; on both sides."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pytest

from billing.engine.periods import anchor_of, next_boundary
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
    before, begins = life.subscribed, start or now
    is_same = before is not None and before.offer is offer
    ends, anchor = _period(life, offer, begins, end, within=start is None)
    if is_same and before is not None and (end is None or ends == before.end) and start is None:
        return
    if is_same and before is not None and (begins, ends) == (before.start, before.end):
        return
    also: set[str] = set()
    waiting, then = life.upcoming, _renewal(offer, ends, anchor)
    if waiting is not None and is_same and not waiting.renews:
        then = waiting  # what somebody scheduled outlives another period of the same plan
    if then != waiting:
        also |= _touched(life, waiting) if waiting is not None else set()
        also |= then.offer.codes if then is not None and then.start > now else set()
    if life.anchor_at is None:
        _anchor(life, begins)
    given = grants_of(_row_of(life, offer, begins) or assignment.pk)
    begin(life, offer, start=begins, end=ends, anchor=anchor, numbers=given, now=now, also=also)
    life.upcoming = then
    assert not given, f"the plan gave more: {given}"
    while (due := life.upcoming) is not None and due.start <= now:  # what is over already was followed at once
        due.numbers = grants_of(_row_of(life, due.offer, due.start) or 0)
        _begin_due(life, due, now=now)


def _period(
    life: Life, offer: Offer, begins: datetime, end: datetime | None, *, within: bool
) -> tuple[datetime | None, datetime | None]:
    """The end of the period and where the next ones count from. Another plan within a period keeps its boundaries."""
    if end is not None:
        return end, anchor_of(WindowInterval.MONTH, 1, begins, end)
    if not offer.has_periods:
        return None, None
    before = life.subscribed
    known = before.anchor if before is not None and before.end is not None and within else None
    anchor = known or begins
    return next_boundary(WindowInterval.MONTH, 1, anchor, begins), anchor


def _renewal(offer: Offer, end: datetime | None, anchor: datetime | None) -> Upcoming | None:
    if end is None or anchor is None or not offer.has_periods:
        return None
    following = next_boundary(WindowInterval.MONTH, 1, anchor, end)
    return Upcoming(offer=offer, start=end, end=following, anchor=anchor, renews=True)


def begin(
    life: Life,
    offer: Offer,
    *,
    start: datetime,
    end: datetime | None,
    anchor: datetime | None,
    numbers: dict[int, int],
    now: datetime,
    also: Iterable[str] = (),
) -> None:
    """What the old plan gave ends now, and what the new one promises is there. ``numbers`` of grants by template are used up."""
    before = life.subscribed
    after = Subscribed(offer=offer, start=start, end=end, anchor=anchor, fixed=before.fixed if before else set())
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
    ends, anchor = _period(life, offer, begins or now, None, within=True)
    wanted = Upcoming(offer=offer, start=begins or now, end=ends, anchor=anchor)
    touched = _touched(life, wanted) | (_touched(life, before) if before else set())
    seen = max([now, *(limit.beside.at(now) for limit in life.limits if limit.code in touched)])
    is_late = (
        current is not None and current.offer.has_periods and begins is not None and begins > (current.end or begins)
    )
    if begins is None or begins <= seen or is_late or (current is not None and current.offer is offer):
        with pytest.raises(Invalid):
            schedule(life.entity, offer.plan, source=AssignmentSource.MANUAL, now=now, starts_at=start)
        life.told[-1] += " (refused)"
        return
    schedule(life.entity, offer.plan, source=AssignmentSource.MANUAL, now=now, starts_at=start)
    learn(life)
    if before is not None and before.offer is offer and before.start == begins:
        return
    life.upcoming = wanted
    _touch(life, touched, now)


def drop_change(life: Life) -> None:
    if life.upcoming is None:
        return
    now, waiting, current = life.moment(), life.upcoming, life.subscribed
    life.note("drop the scheduled plan", now)
    assert cancel_scheduled(life.entity, now=now) is not waiting.renews
    if waiting.renews:
        return
    touched = _touched(life, waiting)
    life.upcoming = _renewal(current.offer, current.end, current.anchor) if current is not None else None
    _touch(life, touched | (_touched(life, life.upcoming) if life.upcoming else set()), now)


def _default_start(life: Life, now: datetime) -> datetime | None:
    if life.subscribed is None:
        return None
    end = life.subscribed.end
    return end if end is not None and end > now else window_of(MONTHS, now, life.anchor_at)[1]


def _touched(life: Life, change: Upcoming) -> set[str]:
    """What its templates name, and what the grants name that the current plan gave and that it will end."""
    by_code = {limit.code: limit.beside for limit in life.limits}
    given = life.subscribed.given if life.subscribed else []
    live = {code for code, grant_id in given if by_code[code].grant_of(grant_id).end > change.start}
    return change.offer.codes | live


def _touch(life: Life, codes: set[str], now: datetime) -> None:
    for limit in life.limits:
        if limit.code in codes:
            limit.beside.exchange(ending=[], new=[], now=now)


def begin_scheduled(life: Life) -> None:
    """Time has passed the start of what comes next: it has begun there, whether anybody noted it or not, and what follows it."""
    while (due := life.upcoming) is not None and due.start <= life.now:
        due.numbers = {
            promise.template.pk: FIRST_NUMBER + life.number()
            for promise in due.offer.promises
            if not (promise.is_fixed and life.subscribed and promise.template.pk in life.subscribed.fixed)
        }
        _begin_due(life, due, now=due.start)
        life.earliest = due.start
        life.unnumbered.append(due)


def _begin_due(life: Life, due: Upcoming, *, now: datetime) -> None:
    begin(
        life,
        due.offer,
        start=due.start,
        end=due.end,
        anchor=due.anchor,
        numbers=dict(due.numbers),
        now=now,
        also=_touched(life, due),
    )
    life.upcoming = _renewal(due.offer, due.end, due.anchor)


def _row_of(life: Life, offer: Offer, start: datetime) -> int | None:
    """The assignment of the plan that began then."""
    begun = PlanAssignment.objects.for_entity(life.entity.pk).filter(
        plan=offer.plan, period_start_at=start, status__in=[AssignmentStatus.CURRENT, AssignmentStatus.PAST]
    )
    return begun.order_by("-pk").values_list("pk", flat=True).first()


def promote_now(life: Life) -> None:
    """The worker's deed: note what has begun."""
    if life.unnumbered:
        promote_due(life.entity.pk, life.now)
        learn(life)
        rows = PlanAssignment.objects.for_entity(life.entity.pk).order_by("pk")
        told = list(rows.values_list("plan__code", "status", "period_start_at", "period_end_at", "billing_anchor_at"))
        assert not life.unnumbered, f"what has begun was not noted: {life.unnumbered} of {told}"


def learn(life: Life) -> None:
    """Once somebody has noted what has begun, its grants have their numbers."""
    while life.unnumbered:
        begun = life.unnumbered[0]
        row_id = _row_of(life, begun.offer, begun.start)
        if row_id is None:
            return
        known = grants_of(row_id)
        numbers = {ours: known.pop(template) for template, ours in begun.numbers.items()}
        assert not known, f"the plan gave more: {known}"
        for limit in life.limits:
            limit.beside.renumber(numbers)
        if life.subscribed is not None:
            life.subscribed.renumber(numbers)
        life.unnumbered.pop(0)
