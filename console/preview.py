"""
What a change would do, before it is done: the real change is run and rolled back, and the limits before and after compared.

Nothing is written and nobody is told: what rooms announce after a commit never happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from billing.engine.types import EntitlementType, LockState
from billing.entitlements.limitations import Limitation, resolve_effective_limitations
from billing.models import BillableEntity
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.times import spoken

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One limit that a change touches, before it and after it."""

    before: Limitation
    after: Limitation

    @property
    def words(self) -> tuple[str, ...]:
        """What the change means for the customer."""
        return tuple(_words(self.before, self.after))

    @property
    def is_gain(self) -> bool:
        return _worth(self.after) > _worth(self.before)

    @property
    def is_loss(self) -> bool:
        return _worth(self.after) < _worth(self.before)

    @property
    def leaves_over(self) -> bool:
        return self.after.over_limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview(Generic[T]):
    """What the change answered, and the limits it touches as of ``at``."""

    result: T
    at: datetime
    changes: tuple[Change, ...]

    @property
    def gains(self) -> list[Change]:
        return [change for change in self.changes if change.is_gain]

    @property
    def losses(self) -> list[Change]:
        return [change for change in self.changes if change.is_loss]

    @property
    def over(self) -> list[Change]:
        return [change for change in self.changes if change.leaves_over]


class _RolledBack(Exception):
    """Carries the result out of the transaction that is rolled back."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


def rehearse(work: Callable[[], T]) -> T:
    """Run ``work`` in a transaction and roll it back; what it returns has to be read within it."""

    def once() -> None:
        raise _RolledBack(work())

    try:
        run_in_transaction(once)
    except _RolledBack as done:
        return done.result  # type: ignore[return-value]
    raise AssertionError("a rehearsal never commits")


def preview(
    entity: BillableEntity, work: Callable[[], T], *, now: datetime, at: Callable[[T], datetime] | None = None
) -> Preview[T]:
    """
    What ``work`` would change for ``entity``: its limits before and after, as of ``now`` or of the instant ``at(result)``.

    :raises Failure: what ``work`` raises.
    """

    instant = now if at is None else at(rehearse(work))
    before = _limits(entity, instant)

    def tried() -> tuple[T, dict[str, Limitation]]:
        return work(), _limits(entity, instant)

    result, after = rehearse(tried)
    changes = [Change(before=before[code], after=after[code]) for code in after if code in before]
    touched = tuple(change for change in changes if _figures(change.before) != _figures(change.after))
    return Preview(result=result, at=instant, changes=touched)


def _limits(entity: BillableEntity, at: datetime) -> dict[str, Limitation]:
    return {limit.code: limit for limit in resolve_effective_limitations(entity, now=at).limitations}


def _figures(limit: Limitation) -> tuple[object, ...]:
    return (
        limit.granted_amount,
        limit.consumed_amount,
        limit.held_amount,
        limit.effective_amount,
        limit.over_limit,
        limit.lock_state,
        limit.next_change_at,
    )


def _worth(limit: Limitation) -> tuple[float, float]:
    """What is granted, then what is left, to compare; unlimited is more than any number."""
    unlimited = float("inf")
    granted = unlimited if limit.granted_amount is None else limit.granted_amount
    return granted, unlimited if limit.effective_amount is None else limit.effective_amount


def _words(before: Limitation, after: Limitation) -> Iterator[str]:
    if before.entitlement_type == EntitlementType.STATE:
        if bool(before.granted_amount) != bool(after.granted_amount):
            yield "is granted" if after.granted_amount else "is granted no more"
    elif before.unlimited != after.unlimited:
        yield "becomes unlimited" if after.unlimited else f"is limited to {after.granted_amount:,}"
    else:
        yield from _difference(before, after)
    if after.over_limit and not before.over_limit:
        yield "gets over its limit"
    elif before.over_limit and not after.over_limit:
        yield "is over its limit no more"
    if after.lock_state != before.lock_state:
        yield "is locked no more" if after.lock_state == LockState.NONE else f"locks: {after.lock_state}"
    if after.next_change_at != before.next_change_at:
        yield f"changes next at {spoken(after.next_change_at)}" if after.next_change_at else "changes no more by itself"


def _difference(before: Limitation, after: Limitation) -> Iterator[str]:
    for name, was, is_now in (
        ("granted", before.granted_amount, after.granted_amount),
        ("used", before.consumed_amount, after.consumed_amount),
        ("left", before.effective_amount, after.effective_amount),
    ):
        if was is not None and is_now is not None and was != is_now:
            yield f"{is_now - was:+,} {name}"
