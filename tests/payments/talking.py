"""A provider that says what a test wants it to say, and a handler that is not idempotent: done twice would be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Min

from billing.models import BillableEntity, BillingEvent
from billing.payments import handlers, inbox, webhooks
from billing.payments.connectors.bodies import instant_of, read_object, text_of
from billing.payments.connectors.facts import (
    CheckoutEnded,
    CheckoutOutcome,
    Fact,
    PaymentConfirmed,
    ProviderEvent,
    Whose,
)
from billing.payments.connectors.signing import sign_stripe, verify_stripe
from billing.payments.handlers import Context
from tests import NOON
from tests.gadgets.models import Press

SECRET = "whsec_of_the_tests"
PROVIDER = "stripe"


class Talker:
    """A connector whose events are a list of facts: ``paid`` of an entity, ``tied`` entity and customer, ``broken``."""

    name = PROVIDER
    abilities: frozenset[Any] = frozenset()

    def __init__(self) -> None:
        self.asked: Callable[[ProviderEvent], None] = lambda event: None

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        verify_stripe(body, headers, secrets=[SECRET], now=now)
        said = read_object(body)
        return ProviderEvent(
            provider=PROVIDER,
            event_id=text_of(said, "id", longest=191),
            name=text_of(said, "type", longest=120),
            created_at=instant_of(said, "created"),
            payload=said,
        )

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        return [self._fact(said, event) for said in event.payload["facts"]]

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        self.asked(event)
        return facts

    def _fact(self, said: dict[str, Any], event: ProviderEvent) -> Fact:
        whose = Whose(
            entity_id=said.get("entity"), customer_id=said.get("customer"), subscription_id=said.get("subscription")
        )
        if said["fact"] == "tied":
            return CheckoutEnded(whose=whose, session_id="cs_1", outcome=CheckoutOutcome.COMPLETED)
        return PaymentConfirmed(whose=whose, paid_at=event.created_at, payment_id=said["fact"], amount_minor=500)


def press_for(fact: PaymentConfirmed, context: Context) -> str:
    """A row for every time it is done. ``broken`` fails after it, ``older`` says that there was nothing to do."""
    if fact.payment_id == "older":
        return handlers.OLDER
    if context.entity_id is None:
        raise LookupError("nobody knows whose it is")
    entity = BillableEntity.objects.get(pk=context.entity_id)
    Press.objects.create(entity=entity, key=context.event.provider_event_id or "", created_at=context.now)
    if fact.payment_id == "broken":
        raise RuntimeError("the handler is broken")
    return ""


def listen(patch: Callable[[Any, str, Any], None] = setattr) -> Talker:
    """Let the inbox listen to a talker, by ``patch`` (for a process of its own: for good)."""
    talker = Talker()
    patch(webhooks, "connector_named", lambda provider: talker)
    patch(handlers, "HANDLERS", {**handlers.HANDLERS, PaymentConfirmed: press_for})
    return talker


def body_of(name: str, *facts: Mapping[str, Any], at: datetime = NOON) -> bytes:
    said = {"id": name, "type": "talk.happened", "created": int(at.timestamp()), "facts": list(facts)}
    return json.dumps(said).encode()


def paid(entity: BillableEntity, **more: Any) -> dict[str, Any]:
    return {"fact": "paid", "entity": entity.pk, **more}


def told(name: str, *facts: Mapping[str, Any], at: datetime = NOON) -> int:
    """Receive an event; nothing is done about it."""
    body = body_of(name, *facts, at=at)
    return webhooks.receive(PROVIDER, body, sign_stripe(body, secret=SECRET, at=NOON), now=NOON).event_id


def event(event_id: int) -> BillingEvent:
    return BillingEvent.objects.get(pk=event_id)


def presses() -> list[str]:
    """The events that were done, each as often as it was."""
    return sorted(Press.objects.values_list("key", flat=True))


def drain(now: datetime, *, until: datetime) -> None:
    """Let a worker come by whenever something is due, until nothing waits any more or ``until``."""
    while now <= until:
        while ids := webhooks.due(now=now, limit=100):
            for event_id in ids:
                webhooks.process(event_id, now=now)
        waiting = BillingEvent.objects.filter(status__in=("failed", "processing"))
        times = waiting.aggregate(retry=Min("next_attempt_at"), left=Min("lease_until"))
        now = min((time for time in times.values() if time is not None), default=until + inbox.LEASE)
