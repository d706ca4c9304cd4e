"""Changing subscriptions of Stripe's, and asking how they stand."""

from __future__ import annotations

from typing import Any, Final

import stripe

from billing.payments.connectors.base import OperationNotSupported, ProviderError, SubscriptionRef, SubscriptionView
from billing.payments.connectors.facts import ReportedStatus
from billing.payments.connectors.stripe import labels
from billing.payments.connectors.stripe.calls import READ, answered, keyed, plain
from billing.payments.connectors.stripe.reading import Data, text, within
from billing.payments.connectors.stripe.standing import main_item, period_of, price_of, read_subscription

NOTHING_KEPT: Final = {labels.KEEPS_PRICE: "", labels.KEEPS_UNTIL: ""}
WITH_ACCESS: Final = (ReportedStatus.ACTIVE, ReportedStatus.TRIALING, ReportedStatus.PAST_DUE)


def seen(client: stripe.StripeClient, ref: SubscriptionRef) -> SubscriptionView:
    """The subscription that was asked for, else the customer's best one; who has none is not active."""
    if ref.subscription_id:
        return _view(_retrieve(client, ref.subscription_id))
    if not ref.customer_id:
        return SubscriptionView(active=False, status="none")
    with answered():
        params: Any = {"customer": ref.customer_id, "status": "all", "limit": 100}
        found = [plain(each) for each in client.v1.subscriptions.list(params, READ).data]
    best = sorted(found, key=_rank)
    return _view(best[0]) if best else SubscriptionView(active=False, status="none")


def cancel(client: stripe.StripeClient, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None:
    """End it now, without giving money back, or when what was paid is over."""
    with answered():
        if not at_period_end:
            client.v1.subscriptions.cancel(subscription_id, options=keyed(operation_key, "cancel"))
            return
        params: Any = {"cancel_at_period_end": True}
        client.v1.subscriptions.update(subscription_id, params, keyed(operation_key, "cancel-later"))


def resume(client: stripe.StripeClient, subscription_id: str, *, operation_key: str) -> None:
    """Go on as if neither an end nor a cheaper price had been booked. Asked again, there is no price left to bring back."""
    subscription, step = _retrieve(client, subscription_id), "resume"
    params: Any = {"cancel_at_period_end": False}
    if kept := read_subscription(subscription).keeps_price_id:
        params |= _other_price(subscription, kept) | {"proration_behavior": "none", "metadata": NOTHING_KEPT}
        step = "resume-price"
    with answered():
        client.v1.subscriptions.update(subscription_id, params, keyed(operation_key, step))


def change_price(
    client: stripe.StripeClient, subscription_id: str, price_id: str, *, at_period_end: bool, operation_key: str
) -> None:
    """
    At once: paid in proportion, or refused as a whole where the card refuses. At the period's end: the price is booked now,
    nothing is charged or given back, and the metadata say what is kept until then. Either way the subscription goes on.

    :raises OperationNotSupported: for a price paid in other intervals, which Stripe would begin at once.
    """
    subscription = _retrieve(client, subscription_id)
    standing = read_subscription(subscription)
    if not at_period_end:
        params: Any = {
            **_other_price(subscription, price_id),
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
            "cancel_at_period_end": False,
            "metadata": NOTHING_KEPT,
        }
        with answered():
            client.v1.subscriptions.update(subscription_id, params, keyed(operation_key, "change"))
        return
    kept = standing.keeps_price_id or standing.price_id
    if kept == price_id:
        resume(client, subscription_id, operation_key=operation_key)
        return
    if standing.price_id == price_id:
        return  # booked before, by this operation or another
    _require_same_interval(client, subscription, price_id)
    until = standing.period_end_at
    params = {
        **_other_price(subscription, price_id),
        "proration_behavior": "none",
        "cancel_at_period_end": False,
        "metadata": {
            labels.KEEPS_PRICE: kept or "",
            labels.KEEPS_UNTIL: str(int(until.timestamp())) if until else "",
        },
    }
    with answered():
        client.v1.subscriptions.update(subscription_id, params, keyed(operation_key, "change-later"))


def _retrieve(client: stripe.StripeClient, subscription_id: str) -> Data:
    with answered():
        subscription = plain(client.v1.subscriptions.retrieve(subscription_id, options=READ))
        if subscription["object"] != "subscription":
            raise ValueError("no subscription")
        return subscription


def _other_price(subscription: Data, price_id: str) -> dict[str, Any]:
    """:raises ProviderError: the subscription has nothing that could be changed."""
    item = text(main_item(subscription), "id")
    if not item:
        raise ProviderError("The subscription has no item whose price could be changed.")
    return {"items": [{"id": item, "price": price_id}]}


def _require_same_interval(client: stripe.StripeClient, subscription: Data, price_id: str) -> None:
    with answered():
        wanted = within(plain(client.v1.prices.retrieve(price_id, options=READ)), "recurring")
    present = within(main_item(subscription), "price", "recurring")
    if any(wanted.get(key) != present.get(key) for key in ("interval", "interval_count")):
        raise OperationNotSupported("A price that is paid in other intervals cannot be booked for the period's end.")


def _view(subscription: Data) -> SubscriptionView:
    """Past due is not active here: how long access goes on then is ours to say, not the provider's."""
    standing = read_subscription(subscription)
    return SubscriptionView(
        active=standing.status in {ReportedStatus.ACTIVE, ReportedStatus.TRIALING},
        status=standing.provider_status,
        plan=labels.metadata_of(subscription).get(labels.PLAN) or price_of(subscription),
        current_period_end_at=period_of(subscription)[1],
        cancel_at_period_end=standing.cancel_at_period_end,
    )


def _rank(subscription: Data) -> int:
    status = read_subscription(subscription).status
    return WITH_ACCESS.index(status) if status in WITH_ACCESS else len(WITH_ACCESS)
