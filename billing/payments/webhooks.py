"""
The way of an event: received and stored, claimed, handled in one transaction, stamped; again, by hand, where an operator says so.

It may be interrupted anywhere: before the event is stored the provider sends it again, afterwards a worker takes it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.entitlements.manual import ByHand, check_by
from billing.entitlements.scheduled import perform
from billing.models import BillingEvent
from billing.models.events import EventStatus, EventType
from billing.payments import inbox, telemetry
from billing.payments.connectors.base import PaymentConnector
from billing.payments.connectors.choosing import connector_named
from billing.payments.connectors.facts import Fact, ProviderEvent
from billing.payments.handlers import handle
from billing.payments.inbox import LeaseLost, Received, due, redact
from billing.payments.purchases import NotYetTied
from billing.payments.whose import TwoSubjects
from mozaiks.kit import clock
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.errors import Conflict, Failure, Invalid, NotFound

__all__ = ["Outcome", "Received", "due", "process", "receive", "redact", "replay"]

#: MariaDB takes no JSON that is nested deeper than 32 levels for valid.
DEEPEST = 30
NOT_LISTENED_TO = "Nobody listens to events of this name."


class NotReplayable(Conflict):
    """The event cannot be processed again: it is no webhook's, its payload is gone, or it is being processed just now."""

    default_code = "WEBHOOK_NOT_REPLAYABLE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of an attempt. ``status`` None: it was not our turn, or somebody else's; ``text`` says why it failed."""

    status: EventStatus | None
    text: str = ""
    retry_at: datetime | None = None

    @property
    def is_failed(self) -> bool:
        return self.status is EventStatus.FAILED


def receive(provider: str, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Received:
    """
    Verify an event and keep it, in a commit of its own. Nothing is done about it yet.

    :raises NotFound: no such provider. :raises NotConfigured: it has no secret. :raises BadSignature: none fits.
    :raises Invalid: what was signed is no event.
    """
    event = connector_named(provider).parse_webhook(body, headers, now=now)
    _require_storable(event)
    received = inbox.store(event, now=now)
    telemetry.RECEIVED.labels(provider=event.provider, known=str(not received.fresh).lower()).inc()
    return received


def process(event_id: int, *, now: datetime) -> Outcome:
    """
    Do what a stored event says, if it is due and nobody else does: once, together with the stamp that says so.

    What fails is stamped with its text and put off. :raises Unavailable: not even that could be written: its lease runs out.
    """
    begun = clock.monotonic()
    claimed = inbox.claim(event_id, now=now)
    if claimed is None:
        return Outcome(status=None)
    try:
        outcome = _work(claimed, now=now)
    except LeaseLost:
        telemetry.log.warning("webhook_lease_lost", event_id=claimed.pk)
        return Outcome(status=None)
    except Exception as error:  # whatever it is, the event waits and is not lost
        outcome = _put_off(claimed, error, now=now)
    else:
        lag = (now - claimed.received_at).total_seconds() + clock.monotonic() - begun
        telemetry.LAG_SECONDS.observe(max(0.0, lag))
    telemetry.HANDLED.labels(provider=claimed.provider, outcome=str(outcome.status)).inc()
    return outcome


def replay(event_id: int, *, by: ByHand, now: datetime) -> Outcome:
    """
    Process a stored event again because an operator says so: one that failed, or one that was done with (which changes nothing
    that it did before). Its attempts are counted from the start, and who did it and why is noted.

    :raises NotFound: no such event. :raises NotReplayable: it cannot be. :raises Invalid: a reason or a name is missing.
    """
    check_by(by)
    run_in_transaction(lambda: _reopen(event_id, by=by, now=now))
    return process(event_id, now=now)


def _work(claimed: BillingEvent, *, now: datetime) -> Outcome:
    connector = connector_named(claimed.provider)
    facts = _facts(connector, claimed)
    return perform(lambda: _apply(claimed, facts, now=now), now=now)


def _facts(connector: PaymentConnector, claimed: BillingEvent) -> Sequence[Fact]:
    """What the event says. The provider may be asked here, outside every transaction."""
    event = ProviderEvent(
        provider=claimed.provider,
        event_id=claimed.provider_event_id or "",
        name=claimed.event_name,
        created_at=claimed.provider_created_at or claimed.received_at,
        payload=claimed.payload_json,
    )
    facts = connector.translate(event)
    return connector.enrich(event, facts) if facts else ()


def _apply(claimed: BillingEvent, facts: Sequence[Fact], *, now: datetime) -> Outcome:
    row = inbox.lock(claimed)
    ignored = handle(facts, row, now=now) if facts else NOT_LISTENED_TO
    status = EventStatus.IGNORED if ignored else EventStatus.PROCESSED
    inbox.stamp(row, status, text=ignored, now=now)
    return Outcome(status=status, text=ignored)


def _put_off(claimed: BillingEvent, error: Exception, *, now: datetime) -> Outcome:
    """Failures are sentences for operators; anything else is a mistake of ours, and the log has where it was made."""
    foreseen = isinstance(error, Failure)
    text = error.message if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
    retry_at = inbox.fail(
        claimed, text, final=isinstance(error, TwoSubjects), patient=isinstance(error, NotYetTied), now=now
    )
    tell = telemetry.log.warning if foreseen else telemetry.log.exception
    tell("webhook_failed", event_id=claimed.pk, attempts=claimed.attempt_count, retry_at=retry_at, error=text)
    return Outcome(status=EventStatus.FAILED, text=text, retry_at=retry_at)


def _reopen(event_id: int, *, by: ByHand, now: datetime) -> None:
    row = BillingEvent.objects.select_for_update().filter(pk=event_id).first()
    if row is None:
        raise NotFound("There is no such event.")
    if row.event_type != EventType.WEBHOOK:
        raise NotReplayable("Only events of webhooks can be processed again.")
    if row.redacted_at is not None:
        raise NotReplayable("The payload was emptied: ask the provider to send the event again under a new id.")
    if row.status == EventStatus.PROCESSING and row.lease_until is not None and row.lease_until > now:
        raise NotReplayable("It is being processed just now.")
    BillingEvent.objects.filter(pk=event_id).update(
        status=EventStatus.RECEIVED, attempt_count=0, next_attempt_at=None, lease_token=None, lease_until=None
    )
    BillingEvent.objects.create(
        event_type=EventType.OPERATOR,
        event_name="event.replayed",
        billable_entity_id=row.billable_entity_id,
        actor=by.actor,
        reason=by.reason,
        status=EventStatus.PROCESSED,
        received_at=now,
        processed_at=now,
        occurred_at=now,
        payload_json={"event": row.pk, "status": row.status, "error": row.error_text},
    )


def _require_storable(event: ProviderEvent) -> None:
    """:raises Invalid: the database would not keep it, so that the provider has to be told."""
    if _depth(event.payload) > DEEPEST:
        raise Invalid(f"The event is nested deeper than {DEEPEST} levels.")


def _depth(payload: Any) -> int:
    depth, level = 0, [payload]
    while level and depth <= DEEPEST:
        depth += 1
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [one for each in inner for one in (each.values() if isinstance(each, dict) else each)]
    return depth
