"""What happens at the fake provider by itself when time passes: renewals, invoices, retries, ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from billing.payments.fake import checkouts, invoices, subscriptions
from billing.payments.fake.store import Data
from billing.payments.fake.world import World, instant

Step = tuple[int, int, Callable[[World, Data], object], Data]


def pass_time(world: World, *, until: datetime) -> None:
    """Let everything happen that is due by ``until``, in its order and each at its own time."""
    with world.store.writing():
        while step := min(_due(world), key=lambda each: each[:2], default=None):
            seconds, _, happen, data = step
            if seconds > until.timestamp():
                break
            with world.at(instant(seconds)):
                happen(world, data)


def _due(world: World) -> Iterator[Step]:
    """Everything that waits for its time; what ends comes before what begins at the same instant."""
    for session in world.store.all("checkout.session", status="open"):
        yield session["expires_at"], 0, checkouts.expire_now, session
    for invoice in world.store.all("invoice", status="draft"):
        yield invoice["automatically_finalizes_at"], 1, _collect, invoice
    for invoice in world.store.all("invoice", status="open"):
        if invoice["next_payment_attempt"] is not None:
            yield invoice["next_payment_attempt"], 2, _collect, invoice
    for subscription in world.store.all("subscription"):
        if subscription["status"] in {"active", "trialing", "past_due"}:
            yield subscriptions.period_of(subscription)[1], 3, _turn, subscription


def _turn(world: World, subscription: Data) -> None:
    """The period is over: it ends, or goes on."""
    if subscription["cancel_at_period_end"]:
        subscriptions.end(world, subscription, reason="cancellation_requested")
        return
    subscriptions.roll(world, subscription)


def _collect(world: World, invoice: Data) -> None:
    invoice = invoices.collect(world, invoice)
    settle(world, invoice)


def settle(world: World, invoice: Data) -> None:
    """What became of an invoice is what becomes of its subscription."""
    subscription = world.get("subscription", invoices.subscription_of(invoice))
    if subscription["status"] in subscriptions.OVER:
        return
    if invoice["status"] == "paid":
        if subscription["status"] in {"past_due", "unpaid"}:
            subscriptions.stand(world, subscription, "active")
        return
    if invoice["next_payment_attempt"] is None:
        _give_up(world, subscription)
    elif subscription["status"] != "past_due":
        subscriptions.stand(world, subscription, "past_due")


def _give_up(world: World, subscription: Data) -> None:
    if world.habits.gives_up == "canceled":
        subscriptions.end(world, subscription, reason="payment_failed")
    elif subscription["status"] != world.habits.gives_up:
        subscriptions.stand(world, subscription, world.habits.gives_up)
