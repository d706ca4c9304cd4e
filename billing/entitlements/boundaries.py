"""
Boundaries that pass while nobody looks: due balances are brought to the present in batches, for those who watch.

Numbers are right without this: whoever touches or reads a subject brings it to the present first, by the same functions
(``passing``). What is won here is that the news is told in time and that the first to come finds the work done. A batch holds
rows of many subjects and is one transaction; one row that fails costs it its company: then each goes alone, and only the
one that fails again is put off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Min

from billing.entitlements import leases, telemetry
from billing.entitlements.allowances import Allowance, lock_many
from billing.entitlements.announcements import ChangeSource, announce
from billing.entitlements.leases import Lease
from billing.entitlements.passing import load_facts, roll_forward
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.rows import Row
from billing.entitlements.scheduled import perform
from billing.entitlements.writing import write, write_leased
from billing.models import Balance, BillableEntity
from mozaiks.kit.db import requires_transaction
from mozaiks.kit.errors import Unavailable

BATCH = 500
LEASE = timedelta(seconds=60)
#: Counted no further: whoever reads it knows enough, and anybody may ask for it.
MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a client can see of a balance, in units."""

    granted: int | None
    consumed: int
    held: int
    effective: int | None
    hard_limit: int | None
    over_limit: bool
    lock_state: str
    override: str | None

    @classmethod
    def of(cls, row: Row) -> Seen:
        return cls(
            granted=row.granted_amount,
            consumed=row.consumed_amount,
            held=row.held_amount,
            effective=row.effective_amount,
            hard_limit=row.hard_limit_amount,
            over_limit=row.over_limit,
            lock_state=row.lock_state,
            override=row.enforcement_override,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """A boundary that has passed for one limitation of a subject."""

    subject_id: int
    code: str
    before: Seen
    after: Seen
    window_ended: bool

    @property
    def is_visible(self) -> bool:
        """Whether a client could see a change. The end of a window always is one: it begins anew."""
        return self.window_ended or self.before != self.after


@dataclass(frozen=True, kw_only=True, slots=True)
class Rolled:
    """What became of a batch: rows taken, boundaries that passed, rows put off because they failed."""

    taken: int
    passed: tuple[Passed, ...] = ()
    put_off: int = 0

    @property
    def visible(self) -> tuple[Passed, ...]:
        """What clients could see change: what is to be announced."""
        return tuple(each for each in self.passed if each.is_visible)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Rows whose boundary has passed, and since when the oldest of them waits."""

    due: int
    oldest_at: datetime | None


def roll_due(*, now: datetime, limit: int = BATCH, lease: timedelta = LEASE) -> Rolled:
    """
    Take at most ``limit`` due rows and bring them to ``now``. Nothing is taken where nothing is due, or others have it.

    :raises Unavailable: the database does not answer; the lease runs out, and others take over.
    """
    return roll(leases.lease_due(now=now, limit=limit, duration=lease), now=now)


def roll(lease: Lease, *, now: datetime) -> Rolled:
    """Bring leased rows to ``now``: together, and alone those that failed before, or all of them if together fails."""
    passed: list[Passed] = []
    alone = dict(lease.failed)
    if lease.fresh:
        try:
            # Plan changes that came due meanwhile are applied one by one, and the batch goes on with all the others.
            passed += perform(lambda: _roll(lease.fresh, lease.token, now=now), now=now)
        except Unavailable:
            raise
        except Exception as error:  # one of them, and nobody knows which
            telemetry.log.warning("boundary_batch_failed", rows=len(lease.fresh), error=repr(error))
            alone |= dict.fromkeys(lease.fresh, 0)
    put_off = 0
    for row_id, attempts in alone.items():
        try:
            passed += perform(partial(_roll, [row_id], lease.token, now=now), now=now)
        except Unavailable:
            raise
        except Exception:
            put_off += 1
            retry_at = leases.put_off(row_id, lease.token, attempts=attempts, now=now)
            telemetry.log.exception("boundary_failed", balance=row_id, attempts=attempts + 1, retry_at=retry_at)
    _note(passed)
    return Rolled(taken=lease.size, passed=tuple(passed), put_off=put_off)


def refresh_due_limitations_for_subject(entity: BillableEntity, *, now: datetime) -> tuple[Passed, ...]:
    """Bring everything of one subject that is due to ``now``, in one transaction, as a use would: windows open."""
    passed = perform(lambda: _refresh(entity.pk, now=now), now=now)
    _note(passed)
    return tuple(passed)


def backlog(*, now: datetime, without_put_off: bool = False) -> Backlog:
    """How much waits. ``without_put_off`` leaves out the rows that failed and whose time has not come again."""
    due = Balance.objects.due(now=now)
    if without_put_off:
        due = due.not_put_off(now=now)
    oldest_at = due.aggregate(oldest=Min("next_change_at"))["oldest"]
    number = due.values("pk")[:MOST_COUNTED].count() if oldest_at is not None else 0
    return Backlog(due=number, oldest_at=oldest_at)


@requires_transaction
def _roll(ids: Sequence[int], token: str, *, now: datetime) -> list[Passed]:
    """Lock what is still ours and still due, bring it forward, write it: six statements, whatever their number."""
    due = [allowance for allowance in leases.lock(ids, token, now=now) if allowance.is_due]
    active = [allowance for allowance in due if allowance.info.is_active]
    before = [Seen.of(allowance.row) for allowance in active]
    load_facts(active, resting=True)
    retired = [allowance.row for allowance in due if not allowance.info.is_active]
    for row in retired:
        row.retire()
    write_leased(active, retired, token=token, now=now)
    passed = [_passed(allowance, seen) for allowance, seen in zip(active, before, strict=True)]
    for each in passed:
        if each.is_visible:
            announce(each.subject_id, (each.code,), ChangeSource.BOUNDARY_RECOMPUTE, now=now)
    return passed


@requires_transaction
def _refresh(subject_id: int, *, now: datetime) -> list[Passed]:
    of_subject = Balance.objects.for_subject(subject_id).running()
    ids = sorted(of_subject.due(now=now).values_list("definition_id", flat=True))
    if not ids:
        return []
    infos = [definition_by_id(definition_id) for definition_id in ids]
    due = [each for each in lock_many(subject_id, infos, now=now) if each.is_due]
    before = [Seen.of(allowance.row) for allowance in due]
    roll_forward(due)
    write(due, source=ChangeSource.MANUAL_REFRESH)
    return [_passed(allowance, seen) for allowance, seen in zip(due, before, strict=True)]


def _passed(allowance: Allowance, before: Seen) -> Passed:
    return Passed(
        subject_id=allowance.row.subject_id,
        code=allowance.info.code,
        before=before,
        after=Seen.of(allowance.row),
        window_ended=allowance.rests or bool(allowance.closed_rows),
    )


def _note(passed: Iterable[Passed]) -> None:
    """Count changes of lock states, and tell who went over a limit or came back."""
    for each in passed:
        if each.before.lock_state != each.after.lock_state:
            telemetry.LOCK_STATES.labels(state=each.after.lock_state).inc()
        if each.before.over_limit != each.after.over_limit:
            word = "over_limit_entered" if each.after.over_limit else "over_limit_left"
            telemetry.log.info(word, subject_id=each.subject_id, limitation=each.code)
