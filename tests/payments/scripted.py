"""A provider that does what a test says: it keeps our keys as real ones do, and refuses, falls silent or is slow on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.payments.connectors.base import (
    Ability,
    BadSignature,
    CheckoutOpened,
    CheckoutOrder,
    CheckoutSeen,
    MethodSeen,
    OutcomeUnknown,
    ProviderError,
    RefundMade,
    SubscriptionRef,
    SubscriptionView,
)
from billing.payments.connectors.facts import Fact, ProviderEvent, RefundStatus


@dataclass(slots=True)
class Scripted:
    """``calls`` are all there were; ``made`` what was really done, by our key; ``faults`` happen one by one, in turn."""

    name: str = "stripe"
    abilities: frozenset[Ability] = frozenset(Ability)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    faults: list[Callable[[], None]] = field(default_factory=list)
    seen: dict[str, CheckoutSeen] = field(default_factory=dict)
    methods: list[MethodSeen] = field(default_factory=list)
    lost: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def down(self) -> None:
        """The next call does not reach the provider, and nobody can know."""
        self.faults.append(_silent)

    def refuses(self) -> None:
        self.faults.append(_refused)

    def loses_answer(self) -> None:
        """The next call is done, and its answer lost."""
        self.lost += 1

    def once(self, what: str, key: str, told: Any, make: Callable[[], Any]) -> Any:
        with self.lock:
            self.calls.append((what, told))
            if self.faults:
                self.faults.pop(0)()
            if key in self.made:
                assert self.made[key][0] == (what, told), "the same key with other content"
            else:
                self.made[key] = ((what, told), make())
            if self.lost:
                self.lost -= 1
                _silent()
            return self.made[key][1]

    def count(self, what: str) -> int:
        """How often ``what`` was really done."""
        return sum(1 for (done, _), _ in self.made.values() if done == what)

    def checkout(self, order: CheckoutOrder) -> CheckoutOpened:
        opened: CheckoutOpened = self.once("checkout", order.operation_key, order, lambda: self._open(order))
        return opened

    def _open(self, order: CheckoutOrder) -> CheckoutOpened:
        session = f"cs_{order.operation_key}"
        url = f"https://pay.example.org/{session}"
        self.seen[session] = CheckoutSeen(session_id=session, outcome=None, url=url, expires_at=order.expires_at)
        return CheckoutOpened(session_id=session, url=url, expires_at=order.expires_at)

    def checkout_seen(self, session_id: str) -> CheckoutSeen:
        self.calls.append(("checkout_seen", session_id))
        if self.faults:
            self.faults.pop(0)()
        return self.seen.get(session_id, CheckoutSeen(session_id=session_id, outcome=None))

    def expire_checkout(self, session_id: str) -> None:
        self.calls.append(("expire_checkout", session_id))

    def subscription_status(self, ref: SubscriptionRef) -> SubscriptionView:
        return SubscriptionView(active=False, status="none")

    def cancel(self, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None:
        self.once("cancel", operation_key, (subscription_id, at_period_end), lambda: None)

    def resume(self, subscription_id: str, *, operation_key: str) -> None:
        self.once("resume", operation_key, subscription_id, lambda: None)

    def change_plan(self, subscription_id: str, price_id: str, *, at_period_end: bool, operation_key: str) -> None:
        self.once("change_plan", operation_key, (subscription_id, price_id, at_period_end), lambda: None)

    def portal(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        url = f"https://pay.example.org/portal/{customer_id}"
        return str(self.once("portal", operation_key, (customer_id, return_url), lambda: url))

    def payment_link(self, order: CheckoutOrder) -> CheckoutOpened:
        link = CheckoutOpened(session_id=f"pl_{order.operation_key}", url="https://pay.example.org/link")
        opened: CheckoutOpened = self.once("payment_link", order.operation_key, order, lambda: link)
        return opened

    def payment_methods(self, customer_id: str) -> Sequence[MethodSeen]:
        self.calls.append(("payment_methods", customer_id))
        if self.faults:
            self.faults.pop(0)()
        return list(self.methods)

    def add_payment_method(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        url = f"https://pay.example.org/methods/{customer_id}"
        return str(self.once("add_payment_method", operation_key, (customer_id, return_url), lambda: url))

    def default_payment_method(self, customer_id: str, method_id: str, *, operation_key: str) -> None:
        self.once("default_payment_method", operation_key, (customer_id, method_id), lambda: None)

    def remove_payment_method(self, method_id: str, *, operation_key: str) -> None:
        self.once("remove_payment_method", operation_key, method_id, lambda: None)

    def refund(self, *, payment_id: str, amount_minor: int, reason: str, operation_key: str) -> RefundMade:
        made = RefundMade(refund_id=f"re_{operation_key}", status=RefundStatus.SUCCEEDED, amount_minor=amount_minor)
        given: RefundMade = self.once("refund", operation_key, (payment_id, amount_minor), lambda: made)
        return given

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        raise BadSignature("Nobody signs here.")

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        return ()

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        return facts


def _silent() -> None:
    raise OutcomeUnknown("The payment provider did not answer in time.")


def _refused() -> None:
    raise ProviderError("The payment provider refused.")
