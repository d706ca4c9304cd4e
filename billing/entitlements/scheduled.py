"""
A scheduled plan change that is due is applied, as of its start, by whoever touches the subject first.

This floor cannot change plans, so the floor above registers how (``on_plan_change_due``). An operation that meets a due change
leaves its transaction, lets the change commit in one of its own -- assignments are locked before balances --, and runs again.
A read does the same inside a transaction that is rolled back: it writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from billing.entitlements.allowances import Allowance
from mozaiks.kit.db import run_in_transaction

T = TypeVar("T")

#: Two changes cannot be scheduled at once; a third run means that nobody applies them.
_RUNS = 3

_promote: list[Callable[[int, datetime], None]] = []


class PlanChangeDue(Exception):
    """A scheduled plan change of the subject has begun and was not applied yet. Never leaves this floor."""

    def __init__(self, subject_id: int) -> None:
        super().__init__(subject_id)
        self.subject_id = subject_id


def on_plan_change_due(promote: Callable[[int, datetime], None]) -> None:
    """Register ``promote(subject_id, now)``: it applies what is due in a transaction of its own."""
    _promote.append(promote)


def require_no_due_change(allowance: Allowance) -> None:
    """:raises PlanChangeDue: the plan the balance rests on has changed by the clock."""
    facts = allowance.facts
    if facts is not None and facts.scheduled_at is not None and facts.scheduled_at <= allowance.at:
        raise PlanChangeDue(allowance.row.subject_id)


def perform(work: Callable[[], T], *, now: datetime, repeatable: bool = True) -> T:
    """``run_in_transaction`` that first applies a plan change that is due."""
    for _ in range(_RUNS):
        try:
            return run_in_transaction(work, repeatable=repeatable)
        except PlanChangeDue as due:
            _apply(due.subject_id, now)
    return run_in_transaction(work, repeatable=repeatable)


def seen(read: Callable[[], T], *, now: datetime) -> T:
    """What ``read`` sees once a due plan change is applied; the change itself is left to whoever writes next."""
    try:
        return read()
    except PlanChangeDue as due:
        with transaction.atomic():
            _apply(due.subject_id, now)
            result = read()
            transaction.set_rollback(True)
        return result


def _apply(subject_id: int, now: datetime) -> None:
    for promote in _promote:
        promote(subject_id, now)
