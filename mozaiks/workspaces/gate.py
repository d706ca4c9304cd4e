"""
The gate of a workspace: what rooms above may say against entering one, whatever the member's role allows.

A room registers a ``Guard``. What it has to know about every entry is a column of the statement that reads the membership,
so that a workspace with nothing against it costs no statement; only where the column says no does the guard look closer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.db.models.expressions import Combinable

from mozaiks.kit.errors import Failure
from mozaiks.workspaces.models import Membership, MembershipQuerySet, Workspace
from mozaiks.workspaces.roles import READ, USE, WORKSPACE_READ


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Somebody with ``permission`` in ``workspace`` wants to use it at ``now``."""

    workspace: Workspace
    permission: str
    now: datetime

    @property
    def only_looks(self) -> bool:
        """Whether nothing would be changed."""
        return self.permission in READ


class Guard(Protocol):
    """Somebody above who may refuse entry."""

    def nothing_against(self, *, now: datetime) -> Combinable:
        """A boolean over a membership, true where entry needs no closer look."""

    def look(self, entry: Entry) -> None:
        """Look closer. :raises Failure: entry is refused; otherwise it is granted after all."""


_guards: list[Guard] = []


def post(guard: Guard) -> None:
    """Let ``guard`` be asked from now on, once however often it is posted."""
    if guard not in _guards:
        _guards.append(guard)


def asked_along(memberships: MembershipQuerySet, *, now: datetime) -> MembershipQuerySet:
    """The memberships, each with the columns that ``pass_through`` wants."""
    return memberships.annotate(
        **{_column(number): each.nothing_against(now=now) for number, each in enumerate(_guards)}
    )


def pass_through(membership: Membership, permission: str, *, now: datetime) -> None:
    """:raises Failure: a guard refuses. ``membership`` comes from ``asked_along``, with its workspace."""
    for number, guard in enumerate(_guards):
        if not getattr(membership, _column(number)):
            guard.look(Entry(workspace=membership.workspace, permission=permission, now=now))


def behind(membership: Membership, *, now: datetime) -> frozenset[str]:
    """
    What is left of a member's permissions to look where nothing is done but looking: where the gate is shut, none of them.

    ``membership`` as in ``pass_through``.
    """
    try:
        pass_through(membership, WORKSPACE_READ, now=now)
    except Failure:
        return membership.permissions - USE
    return membership.permissions


def _column(number: int) -> str:
    return f"nothing_against_{number}"
