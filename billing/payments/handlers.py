"""What each fact of a provider does: one table, and the transaction's one customer for all facts of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from billing.models import BillingEvent
from billing.payments import whose
from billing.payments.connectors.facts import CheckoutEnded, Fact, PaymentFailed
from mozaiks.kit.db import requires_transaction

#: What a handler says of a fact that had nothing to add.
OLDER: Final = "Something newer of the same subscription was applied before."


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Of which event a fact is, and whose as far as anybody knows. Provider's times are in the fact, ``now`` is ours."""

    event: BillingEvent
    entity_id: int | None
    now: datetime

    @property
    def provider(self) -> str:
        return self.event.provider


#: Does what a fact says, and gives the reason where that was nothing.
Handler = Callable[[Any, Context], str]


def note(fact: CheckoutEnded | PaymentFailed, context: Context) -> str:
    """Kept in the inbox, where operators find it; nothing else changes."""
    return ""


HANDLERS: Mapping[type[Fact], Handler] = {
    CheckoutEnded: note,
    PaymentFailed: note,
}


@requires_transaction
def handle(facts: Sequence[Fact], event: BillingEvent, *, now: datetime) -> str:
    """
    Do what all facts of an event say; returns why nothing was to be done, empty where something was.

    Sets whose the event is on ``event``, which the caller stamps. :raises TwoSubjects: it is about more than one customer.
    Raises whatever the rooms raise that do it: then nothing of the event is done, and it waits.
    """
    told = [fact.whose for fact in facts if hasattr(fact, "whose")]
    entity_id = whose.entity_of(told, provider=event.provider)
    if entity_id is not None:
        event.billable_entity_id = entity_id
        whose.learn(told, entity_id, provider=event.provider, now=now)
    context = Context(event=event, entity_id=entity_id, now=now)
    reasons = [HANDLERS[type(fact)](fact, context) for fact in facts]
    return "" if "" in reasons else reasons[0]
