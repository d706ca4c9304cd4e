"""The fake provider as a whole: what tests and pages do there as a customer, a clerk or a bank."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from billing.payments.connectors.signing import sign_stripe
from billing.payments.connectors.stripe.connector import StripeConnector
from billing.payments.fake import catalog, checkouts, customers, invoices, passing, refunds, subscriptions
from billing.payments.fake.client import FakeClient
from billing.payments.fake.faults import FaultKind, clear, plant
from billing.payments.fake.shapes import older
from billing.payments.fake.store import MEMORY, Data, Store
from billing.payments.fake.world import Habits, PriceFinder, World

KEY: Final = "sk_test_of_the_fake_provider"
WEBHOOK_SECRET: Final = "webhook_secret"  # noqa: S105 - the name under which it is kept
BASE_URL: Final = "base_url"


class FakeProvider:
    """
    ``clock`` tells real time; ``path`` is where it remembers. Its own time goes on with the clock, from where it was moved to.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        path: Path | str = MEMORY,
        find_price: PriceFinder = lambda price_id: None,
        habits: Habits | None = None,
    ) -> None:
        self.store = Store(path)
        self.world = World(store=self.store, clock=clock, find_price=find_price, habits=habits or Habits(), older=older)
        self.world.base_url = self.store.setting(BASE_URL, self.world.base_url)
        self.webhook_secret = self.store.set_once(WEBHOOK_SECRET, f"whsec_{secrets.token_hex(24)}")

    def connector(self) -> StripeConnector:
        """The Stripe connector, as everybody uses it, that speaks to this provider."""
        return StripeConnector(KEY, webhook_secrets=[self.webhook_secret], http_client=FakeClient(self.world))

    def serve_at(self, base_url: str) -> None:
        """Where its pages are, for every process that opens the same file."""
        self.store.set(BASE_URL, base_url)
        self.world.base_url = base_url

    def now(self) -> datetime:
        return self.world.now()

    def advance(self, to: datetime) -> None:
        """Let time pass there: periods, invoices, retries and ends, each at its own time, until ``to``."""
        passing.pass_time(self.world, until=to)
        self.world.move_to(to)

    def catch_up(self) -> None:
        """What became due while nobody looked."""
        passing.pass_time(self.world, until=self.now())

    def price(self, price_id: str, *, amount_minor: int, **more: Any) -> str:
        """A price under this id: ``currency``, ``interval`` (None: paid once), ``interval_count``, ``name``."""
        with self.store.writing():
            return str(catalog.price(self.world, price_id, amount_minor=amount_minor, **more)["id"])

    def customer(self, *, card: str | None = customers.WORKS, email: str = "") -> str:
        """A customer with a card, the way other doors make one."""
        with self.store.writing():
            identity = str(customers.create(self.world, {"email": email or None})["id"])
            if card:
                customers.add_card(self.world, identity, card)
            return identity

    def pay(self, session_id: str, *, card: str = customers.WORKS) -> Data:
        """The customer pays on the page. :raises Refused: declined, or the page is closed; nothing has happened then."""
        with self.store.writing():
            return checkouts.complete(self.world, session_id, card_number=card)

    def session_of_link(self, link_id: str) -> Data:
        with self.store.writing():
            return checkouts.follow_link(self.world, link_id)

    def change_card(self, customer_id: str, card: str) -> str:
        """The customer charges another card from now on, also for what is subscribed to."""
        with self.store.writing():
            method = str(customers.add_card(self.world, customer_id, card)["id"])
            customers.update(self.world, customer_id, {"invoice_settings": {"default_payment_method": method}})
            for subscription in self.subscriptions_of(customer_id):
                subscriptions.update(self.world, subscription["id"], {"default_payment_method": method})
            return method

    def pay_open_invoices(self, customer_id: str) -> None:
        """Try again what could not be charged."""
        with self.store.writing():
            for invoice in self.store.all("invoice", customer=customer_id, status="open"):
                passing.settle(self.world, invoices.collect(self.world, invoice))

    def refund(self, payment_id: str, amount_minor: int | None = None) -> Data:
        """A clerk gives money back in the provider's own console; None is all that is left."""
        amount = {} if amount_minor is None else {"amount": str(amount_minor)}
        with self.store.writing():
            return refunds.create(self.world, {"payment_intent": payment_id, **amount})

    def dispute(self, payment_id: str, amount_minor: int | None = None) -> str:
        """The customer's bank disputes a payment, or a part of it."""
        with self.store.writing():
            return str(refunds.open_dispute(self.world, payment_id, amount_minor=amount_minor)["id"])

    def close_dispute(self, dispute_id: str, *, won: bool) -> None:
        with self.store.writing():
            refunds.close_dispute(self.world, dispute_id, won=won)

    def cancel(self, subscription_id: str, *, at_period_end: bool = False) -> None:
        """A customer or clerk cancels at the provider itself."""
        with self.store.writing():
            if at_period_end:
                subscriptions.update(self.world, subscription_id, {"cancel_at_period_end": "true"})
            else:
                subscriptions.cancel(self.world, subscription_id)

    def resume(self, subscription_id: str) -> None:
        with self.store.writing():
            subscriptions.update(self.world, subscription_id, {"cancel_at_period_end": "false"})

    def get(self, identity: str) -> Data:
        """Any object, as it is now. :raises KeyError: there is none."""
        found = self.store.get(identity)
        if found is None:
            raise KeyError(identity)
        return found

    def subscriptions_of(self, customer_id: str) -> list[Data]:
        found = self.store.all("subscription", customer=customer_id)
        return [each for each in found if each["status"] not in subscriptions.OVER]

    def payments(self, customer_id: str | None = None) -> list[Data]:
        """Payments that have arrived, the first one first."""
        wanted = {"customer": customer_id} if customer_id else {}
        return self.store.all("payment_intent", status="succeeded", **wanted)

    def fail(self, kind: FaultKind | str, *, door: str = "", times: int = 1, seconds: float = 0.0) -> None:
        """Let the next ``times`` calls to ``door`` (``POST /v1/checkout/sessions``; empty: any) go wrong."""
        plant(self.store, FaultKind(kind), door=door, times=times, seconds=seconds)

    def heal(self) -> None:
        """No fault is due any more."""
        clear(self.store)

    def events(self, name: str | None = None) -> list[Data]:
        """Everything that was ever told, in the order in which it happened."""
        found = [json.loads(body) for (body,) in self.store.rows("SELECT body FROM events ORDER BY number")]
        return [event for event in found if name in {None, event["type"]}]

    def undelivered(self, *, due_before: float | None = None, limit: int = 100) -> list[Data]:
        """Events nobody has taken yet; with ``due_before`` (seconds since 1970) only those whose turn it is."""
        due = "" if due_before is None else f" AND due <= {float(due_before)}"
        statement = f"SELECT body FROM events WHERE delivered = 0{due} ORDER BY number LIMIT {int(limit)}"  # noqa: S608
        return [json.loads(body) for (body,) in self.store.rows(statement)]

    def delivered(self, event_id: str) -> None:
        self.store.rows("UPDATE events SET delivered = 1, attempts = attempts + 1 WHERE id = ?", event_id)

    def not_delivered(self, event_id: str, *, again_at: float) -> None:
        """Try again at ``again_at``, in seconds since 1970."""
        self.store.rows("UPDATE events SET attempts = attempts + 1, due = ? WHERE id = ?", again_at, event_id)

    def attempts(self, event_id: str) -> int:
        return int(self.store.rows("SELECT attempts FROM events WHERE id = ?", event_id)[0][0])

    def signed(self, event: Data, *, at: datetime) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery, signed ``at`` the time it is sent."""
        body = json.dumps(event).encode()
        return body, {"Content-Type": "application/json", **sign_stripe(body, secret=self.webhook_secret, at=at)}
