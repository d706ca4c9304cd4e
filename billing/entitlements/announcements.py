"""
Tells browsers that limits changed: after the commit, once for each transaction and subject, and only what a client can see.

The only caller of ``realtime`` inside billing. Rooms say what changed inside their transaction (``announce``); what a rolled
back savepoint said is forgotten with it. Whose workspace it is, is looked up in the background: no statement, no waiting here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final, cast

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from billing.engine.types import SourceType
from billing.entitlements.allowances import Allowance
from billing.models import BillableEntity
from mozaiks.kit import clock
from mozaiks.kit.times import utc_z
from realtime import publisher
from realtime.causes import current_cause
from realtime.topics import WORKSPACE_BILLING_LIMITS, WORKSPACE_BILLING_LIMITS_UPDATED, Cause, Event

ENTITY_TYPE: Final = "billable_entity"
#: For how long it is believed which workspace a subject belongs to, and how that is called.
BELIEVED_SECONDS: Final = 60.0
MOST_BELIEVED: Final = 20_000


#: What runs after a commit: the savepoints it hangs on, the function, and whether its failure is nobody's. Read and put in order
#: here, because ``on_commit`` only ever adds, and knows no last.
_Hooks = list[tuple[set[str], Callable[[], None], bool]]


class ChangeSource(StrEnum):
    """Why limits changed, the strongest first: of several in one transaction the first is told."""

    PURCHASE_GRANT = "purchase_grant"
    PLAN_GRANT = "plan_grant"
    CONSUMPTION = "consumption"
    BOUNDARY_RECOMPUTE = "boundary_recompute"
    MANUAL_REFRESH = "manual_refresh"


_RANK: Final = {source: rank for rank, source in enumerate(ChangeSource)}
_BY_ORIGIN: Final = {
    SourceType.BILLING_PURCHASE: ChangeSource.PURCHASE_GRANT,
    SourceType.BILLING_EVENT: ChangeSource.PURCHASE_GRANT,
    SourceType.PLAN_ASSIGNMENT: ChangeSource.PLAN_GRANT,
    SourceType.SYSTEM_WORKER: ChangeSource.BOUNDARY_RECOMPUTE,
    SourceType.MANUAL_CONSOLE: ChangeSource.MANUAL_REFRESH,
}


def source_of(origins: Iterable[SourceType]) -> ChangeSource:
    """What is told of grants by where they come from: the strongest of them."""
    return min((_BY_ORIGIN[origin] for origin in origins), key=_RANK.__getitem__)


@dataclass(slots=True)
class _News:
    """What changed for one subject."""

    codes: set[str]
    source: ChangeSource
    at: datetime


class _Telling:
    """What one transaction has to tell; runs after everything that was said in its savepoints, if it commits."""

    __slots__ = ("news",)

    def __init__(self) -> None:
        self.news: dict[int, _News] = {}

    def add(self, subject_id: int, codes: Collection[str], source: ChangeSource, at: datetime) -> None:
        known = self.news.get(subject_id)
        if known is None:
            self.news[subject_id] = _News(set(codes), source, at)
            return
        known.codes.update(codes)
        known.at = max(known.at, at)
        if _RANK[source] < _RANK[known.source]:
            known.source = source

    def __call__(self) -> None:
        cause = current_cause()
        for subject_id, news in self.news.items():
            publisher.publish(partial(_event, subject_id, news, cause))


def announce(subject_id: int, codes: Collection[str], source: ChangeSource | str, *, now: datetime) -> None:
    """
    Say that clients of a subject will see a change: of the limits ``codes``, or with none of what stands beside them.

    Call it inside the transaction of the change. Nothing is told if that is rolled back, and nothing fails because of it.
    """
    source = ChangeSource(source)
    here = connections[DEFAULT_DB_ALIAS]  # looked up once: the shorthand of Django looks it up at every word
    if not here.in_atomic_block:
        telling = _Telling()
        telling.add(subject_id, codes, source, now)
        telling()
        return
    hooks = cast(_Hooks, here.run_on_commit)
    telling = _telling(hooks)
    if here.savepoint_ids:
        # Said for good only if no savepoint around it is rolled back; the telling itself has to come after it.
        transaction.on_commit(partial(telling.add, subject_id, codes, source, now), robust=True)
        _put_last(telling, hooks)
    else:
        telling.add(subject_id, codes, source, now)


def announce_changes(allowances: Iterable[Allowance], source: ChangeSource) -> None:
    """Say which of the allowances that are written just now a client will see changed; all are of one subject."""
    changed = [allowance for allowance in allowances if allowance.is_visibly_changed]
    if changed:
        codes = [allowance.info.code for allowance in changed]
        announce(changed[0].row.subject_id, codes, source, now=changed[0].at)


def _telling(hooks: _Hooks) -> _Telling:
    """The telling of the running transaction, made with the first thing there is to tell."""
    for hook in hooks:
        if isinstance(hook[1], _Telling):
            return hook[1]
    telling = _Telling()
    hooks.append((set(), telling, True))
    return telling


def _put_last(telling: _Telling, hooks: _Hooks) -> None:
    hooks[:] = [hook for hook in hooks if hook[1] is not telling]
    hooks.append((set(), telling, True))


def _event(subject_id: int, news: _News, cause: Cause) -> Event | None:
    """The event, or None where the subject has no workspace to tell it to. Called in the background."""
    found = _workspace_of(subject_id)
    if found is None:
        return None
    workspace_id, slug = found
    return Event(
        topic=WORKSPACE_BILLING_LIMITS,
        event_type=WORKSPACE_BILLING_LIMITS_UPDATED,
        workspace_id=workspace_id,
        workspace_slug=slug,
        entity_type=ENTITY_TYPE,
        entity_id=subject_id,
        occurred_at=news.at,
        cause=cause,
        payload={
            "workspaceId": workspace_id,
            "workspaceSlug": slug,
            "changedCodes": sorted(news.codes),
            "changeSource": news.source.value,
            "changedAt": utc_z(news.at),
        },
    )


_believed: dict[int, tuple[float, tuple[int, str] | None]] = {}


def _workspace_of(subject_id: int) -> tuple[int, str] | None:
    now = clock.monotonic()
    known = _believed.get(subject_id)
    if known is not None and known[0] > now:
        return known[1]
    found = BillableEntity.objects.filter(pk=subject_id).values_list("workspace_id", "workspace__slug").first()
    workspace = None if found is None or found[0] is None else (found[0], found[1])
    if len(_believed) >= MOST_BELIEVED:
        _believed.clear()
    _believed[subject_id] = (now + BELIEVED_SECONDS, workspace)
    return workspace


def forget_workspaces() -> None:
    """Look every subject's workspace up anew; for tests, whose rows come and go."""
    _believed.clear()
