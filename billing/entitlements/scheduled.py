"""
A scheduled plan change that is due is applied, as of its start, by whoever touches the subject first.

This floor cannot change plans, so the floor above registers how (``on_plan_change_due``). An operation that meets a due change
leaves its transaction, lets the change commit in one of its own -- assignments are locked before balances --, and runs again.
A read does the same inside a transaction that is rolled back: it writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from billing.entitlements.allowances import Allowance
from mozaiks.kit.db import run_in_transaction

T = TypeVar("T")

#: All that is due of a subject is applied at once; a third run means that nobody applies it.
_RUNS = 3

_promote: list[Callable[[int, datetime], None]] = []


class PlanChangeDue(Exception):
    """Scheduled plan changes of these subjects have begun and were not applied yet. Never leaves this floor."""

    def __init__(self, subject_ids: Iterable[int]) -> None:
        self.subject_ids = tuple(sorted(set(subject_ids)))
        super().__init__(self.subject_ids)


def on_plan_change_due(promote: Callable[[int, datetime], None]) -> None:
    """Register ``promote(subject_id, now)``: it applies what is due in a transaction of its own."""
    _promote.append(promote)


def require_no_due_change(allowances: Iterable[Allowance]) -> None:
    """:raises PlanChangeDue: plans these balances rest on have changed by the clock; it names all their subjects."""
    due = [allowance.row.subject_id for allowance in allowances if _is_due(allowance)]
    if due:
        raise PlanChangeDue(due)


def _is_due(allowance: Allowance) -> bool:
    facts = allowance.facts
    return facts is not None and facts.scheduled_at is not None and facts.scheduled_at <= allowance.at


def perform(work: Callable[[], T], *, now: datetime, repeatable: bool = True) -> T:
    """``run_in_transaction`` that first applies a plan change that is due."""
    for _ in range(_RUNS):
        try:
            return run_in_transaction(work, repeatable=repeatable)
        except PlanChangeDue as due:
            _apply(due.subject_ids, now)
    return run_in_transaction(work, repeatable=repeatable)


def seen(read: Callable[[], T], *, now: datetime) -> T:
    """What ``read`` sees once a due plan change is applied; the change itself is left to whoever writes next."""
    try:
        return read()
    except PlanChangeDue as due:
        with transaction.atomic():
            _apply(due.subject_ids, now)
            result = read()
            transaction.set_rollback(True)
        return result


def _apply(subject_ids: Iterable[int], now: datetime) -> None:
    for subject_id in subject_ids:
        for promote in _promote:
            promote(subject_id, now)
