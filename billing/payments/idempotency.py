"""
Owns the first answers of doors that call a provider: checkout, portal, payment links.

The row is committed before the provider is called, so that nobody needs to wait for a provider inside a transaction: a second
request with the key sees that the first is under way. The provider gets a key of its own that the row gives, so that the
repeat of a request that died goes on where it was and nothing is charged twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models

from billing.engine.keys import fingerprint
from billing.errors import RequestConflict, RequestInProgress
from billing.models import BillableEntity, RequestIdempotency
from billing.models.checkouts import RequestStatus
from billing.payments.connectors.base import NotConfigured, OutcomeUnknown
from mozaiks.kit.commands import Command
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.errors import Failure, Unavailable

#: Longer than a provider's slowest answer with all repeats of it; after that the request is taken for dead.
LEASE: Final = timedelta(minutes=2)
#: How long a key is remembered. Afterwards it is a new one.
KEPT: Final = timedelta(days=7)
#: Rows forgotten in one statement.
BATCH: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a door answers: HTTP status and JSON, and whether it was answered before."""

    status_code: int
    body: Any
    replayed: bool = False


def answer_once(
    entity: BillableEntity, door: str, command: Command, *, work: Callable[[str], Answer], now: datetime
) -> Answer:
    """
    The answer of ``work``, given once for the command's key; ``work`` gets the key the provider is to be called with.

    What ``work`` refuses is not kept: the key is free again at once. Where it is not known what the provider did, the key
    stays bound to its content, and the repeat calls the provider with the same key as before.

    :raises RequestInProgress: the first request with the key is under way (``Retry-After``).
    :raises RequestConflict: the key came with other content, or to another door.
    """
    row = run_in_transaction(lambda: _claim(entity, door, command, now=now))
    if row.status == RequestStatus.ANSWERED:
        return Answer(status_code=row.response_status or 200, body=row.response_json, replayed=True)
    try:
        answer = work(provider_key(row))
    except Failure as refused:
        (_free if _may_have_been_done(refused) else _forget)(row, now=now)
        raise
    except Exception:
        _free(row, now=now)
        raise
    _keep(row, answer, now=now)
    return answer


def provider_key(row: RequestIdempotency) -> str:
    """The key towards the provider: the same for as long as the row lives, and never again for another."""
    told = {"id": row.pk, "entity": row.billable_entity_id, "key": row.key, "at": row.created_at}
    return f"mzk-{fingerprint(told)[:40]}"


def forget_old(*, now: datetime) -> int:
    """Delete one batch of rows older than ``KEPT``; how many there were."""
    old = RequestIdempotency.objects.filter(created_at__lt=now - KEPT).order_by("created_at")
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    return RequestIdempotency.objects.filter(pk__in=ids).delete()[0] if ids else 0


def _claim(entity: BillableEntity, door: str, command: Command, *, now: datetime) -> RequestIdempotency:
    """The row of the key: new, taken over from a request that died, or answered. Two new ones at once: the unique key decides."""
    rows = RequestIdempotency.objects.select_for_update()
    row = rows.filter(billable_entity=entity, key=command.operation_key).first()
    if row is None:
        return RequestIdempotency.objects.create(
            billable_entity=entity,
            key=command.operation_key,
            door=door,
            fingerprint=command.fingerprint,
            locked_until=now + LEASE,
            created_at=now,
        )
    if (row.door, row.fingerprint) != (door, command.fingerprint):
        raise RequestConflict("This key was used before for another request.", details={"key": row.key})
    if row.status == RequestStatus.IN_PROGRESS:
        if row.locked_until > now:
            raise _under_way(row, now=now)
        row.locked_until = now + LEASE
        row.save(update_fields=["locked_until"])
    return row


def _under_way(row: RequestIdempotency, *, now: datetime) -> RequestInProgress:
    seconds = max(1, int((row.locked_until - now).total_seconds()))
    return RequestInProgress(
        "The first request with this key is still under way: repeat it shortly.",
        details={"key": row.key, "retryAfterSeconds": seconds},
        headers={"Retry-After": "1"},
    )


def _keep(row: RequestIdempotency, answer: Answer, *, now: datetime) -> None:
    """Whoever answers first is the first, also where a request was taken for dead and was only slow."""
    RequestIdempotency.objects.filter(pk=row.pk, status=RequestStatus.IN_PROGRESS).update(
        status=RequestStatus.ANSWERED, response_status=answer.status_code, response_json=answer.body, answered_at=now
    )


def _may_have_been_done(refused: Failure) -> bool:
    """The provider did not tell, or our database did not take the result."""
    return isinstance(refused, OutcomeUnknown | Unavailable) and not isinstance(refused, NotConfigured)


def _free(row: RequestIdempotency, *, now: datetime) -> None:
    _still_ours(row).update(locked_until=now)


def _forget(row: RequestIdempotency, *, now: datetime) -> None:
    _still_ours(row).delete()


def _still_ours(row: RequestIdempotency) -> models.QuerySet[RequestIdempotency]:
    """The row, unless another request has taken it over from this one."""
    return RequestIdempotency.objects.filter(pk=row.pk, status=RequestStatus.IN_PROGRESS, locked_until=row.locked_until)
