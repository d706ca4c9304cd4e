"""
The history of a concurrent run: what callers were told, replayed one by one in the order of the versions they were told of.

Every answer of one (subject, limit) names the version of its balance: that which it wrote, or, for a denial, that on which it
was made. Put in that order they are one history, and the reference must give every one of the answers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from billing.entitlements.limitations import resolve_effective_limitations
from billing.models import BillableEntity
from tests.equivalence.beside import Beside
from tests.equivalence.life import Limit, told_apart
from tests.equivalence.looking import ledger_in, ledger_of, seen_in


@dataclass
class Side:
    """The reference's side of one limit, with its numbers for the engine's uses and holds."""

    beside: Beside
    uses: dict[int, int] = field(default_factory=dict)
    holds: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """
    What a caller was told of one limit of one subject.

    ``version`` is that of the balance it wrote, or, where it was ``denied``, on which it was decided. ``agree`` does the same on
    the reference's side and compares the answers.
    """

    subject: int
    code: str
    version: int
    denied: bool
    told: str
    agree: Callable[[Side], None]


def replay(answers: Iterable[Answer], side: Side) -> None:
    """In the order of versions, a denial after the write on which it was made. Versions have no gaps and no doubles."""
    story: list[str] = []
    for answer in sorted(answers, key=lambda answer: (answer.version, answer.denied)):
        story.append(f"{answer.version} {answer.told}{' (denied)' if answer.denied else ''}")
        expected = side.beside.version + (0 if answer.denied else 1)
        try:
            assert answer.version == expected, f"version {answer.version}, expected {expected}"
            answer.agree(side)
            assert answer.version == side.beside.version, "the reference wrote otherwise"
        except Exception as divergence:
            raise AssertionError(
                "\n".join([*story[-40:], f"{type(divergence).__name__}: {divergence}"])
            ) from divergence


def compare_ends(entity: BillableEntity, limit: Limit, *, now: datetime) -> None:
    """After all answers both sides must say the same, and have the same ledger."""
    (view,) = resolve_effective_limitations(entity, now=now, codes=[limit.code]).limitations
    found, expected = seen_in(view), limit.beside.seen(now)
    assert found == expected, told_apart(found, expected)
    lines, booked = ledger_in(entity, limit.definition), ledger_of(limit.beside)
    assert lines == booked, told_apart(lines, booked)
