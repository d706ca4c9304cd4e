"""
Lives of a customer at the provider, told to our inbox in any order, and what has become of them in the end.

A life is lived once; its events are then told as often as one likes, each time from the same beginning.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction

from billing.models import (
    BillableEntity,
)
from billing.models.checkouts import CheckoutPurpose
from billing.payments.connectors.base import ProviderError
from billing.payments.connectors.choosing import connector
from billing.payments.fake.customers import FAILS_LATER, WORKS
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import promote_due
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory, ReadingsFactory
from tests.payments.ends import Final, final
from tests.payments.provider import Provider, order_of
from tests.payments.talking import drain

Event = dict[str, Any]
DAY = timedelta(days=1)
#: What failed is tried again in this time, long before anything else happens by the clock.
PATIENCE = timedelta(hours=3)
PRICES = {"basic": 900, "pro": 2900}


def shop(*, default: bool = True) -> None:
    """Two plans with a grant of every policy, a pack of credits and pulses, and a free plan for those who have no other."""
    if default:
        free = PlanFactory(code="free", is_default=True)
        PlanTemplateFactory(plan=free, definition=PressesFactory(), amount=5)
    for number, (code, amount) in enumerate(PRICES.items(), start=1):
        plan = PlanFactory(
            code=code,
            checkout_provider="stripe",
            checkout_provider_price_id=f"price_{code}",
            checkout_unit_amount_minor=amount,
            checkout_currency="EUR",
            checkout_interval="month",
        )
        PlanTemplateFactory(plan=plan, definition=PressesFactory(), amount=100 * number)
        PlanTemplateFactory(plan=plan, definition=PlacesFactory(), amount=2 * number)
        PlanTemplateFactory(
            plan=plan, definition=ReadingsFactory(), amount=50 * number, duration_policy="period_window"
        )
        PlanTemplateFactory(
            plan=plan,
            definition=CreditsFactory(),
            amount=200 * number,
            duration_policy="period_window",
            effective_policy="on_period_paid",
        )
    pack = ProductFactory(code="pack", provider="stripe", provider_price_id="price_pack", unit_amount_minor=1000)
    ProductTemplateFactory(product=pack, definition=CreditsFactory(), amount=500)
    ProductTemplateFactory(
        product=pack, definition=PulsesFactory(), amount=10, grant_kind="timeboxed_addon", duration_days=400
    )


@dataclass(kw_only=True)
class Customer:
    """Somebody at the provider, and what happens there to them. ``at`` is the time it is."""

    provider: Provider
    entity: BillableEntity
    at: datetime = NOON
    deeds: list[str] = field(default_factory=list)

    @property
    def subscription(self) -> Event | None:
        found = [
            each for each in self.provider.store.all("subscription")
            if each["metadata"].get("mozaiks_entity_id") == str(self.entity.pk) and each["status"] != "canceled"
        ]  # fmt: skip
        return found[-1] if found else None

    @property
    def customer_id(self) -> str:
        return str(self.provider.store.all("customer")[-1]["id"])

    @property
    def _key(self) -> str:
        return f"key-{self.entity.pk}-{len(self.deeds)}"

    def buy(self, price: str) -> None:
        """A checkout, paid."""
        purpose = CheckoutPurpose.ONE_OFF if price == "pack" else CheckoutPurpose.SUBSCRIPTION
        known = self.provider.store.all("customer")
        order = order_of(
            f"price_{price}",
            entity_id=self.entity.pk,
            operation_key=self._key,
            purpose=purpose,
            product_code="pack" if price == "pack" else "",
            plan_code="" if price == "pack" else price,
            customer_id=known[-1]["id"] if known else None,
        )
        self.provider.pay(connector().checkout(order).session_id)

    def pass_days(self, days: int) -> None:
        self.at += days * DAY
        self.provider.advance(self.at)

    def do(self, deed: str) -> None:
        """One of ``DEEDS``; what cannot be done now is left out."""
        DEEDS[deed](self)
        self.deeds.append(deed)


def _on_subscription(change: Callable[[Customer, str], None]) -> Callable[[Customer], None]:
    def act(customer: Customer) -> None:
        subscription = customer.subscription
        if subscription is not None and subscription["status"] in {"active", "past_due"}:
            change(customer, subscription["id"])

    return act


def _change(price: str, *, at_period_end: bool) -> Callable[[Customer], None]:
    def act(customer: Customer, subscription_id: str) -> None:
        found = customer.subscription
        if found is not None and found["status"] == "active":
            with suppress(ProviderError):  # a card that is declined buys no dearer plan, and nothing changes
                connector().change_plan(
                    subscription_id, f"price_{price}", at_period_end=at_period_end, operation_key=customer._key
                )

    return _on_subscription(act)


def _on_payment(change: Callable[[Customer, Event], None]) -> Callable[[Customer], None]:
    def act(customer: Customer) -> None:
        payments = customer.provider.payments()
        chance = random.Random(len(customer.deeds))
        left = [each for each in payments if not _is_touched(customer, each)]
        if left:
            change(customer, chance.choice(left))

    return act


def _is_touched(customer: Customer, payment: Event) -> bool:
    """One refund and one dispute of a payment are enough."""
    kinds = ("refund", "dispute")
    return any(each["payment_intent"] == payment["id"] for kind in kinds for each in customer.provider.store.all(kind))


def _refund(part: int) -> Callable[[Customer], None]:
    return _on_payment(lambda customer, payment: _give_back(customer, payment, part))


def _give_back(customer: Customer, payment: Event, part: int) -> None:
    customer.provider.refund(payment["id"], payment["amount"] // part)


def _dispute(won: bool | None) -> Callable[[Customer], None]:
    def act(customer: Customer, payment: Event) -> None:
        dispute_id = customer.provider.dispute(payment["id"])
        if won is not None:
            customer.provider.close_dispute(dispute_id, won=won)

    return _on_payment(act)


def _subscribe(price: str) -> Callable[[Customer], None]:
    return lambda customer: customer.buy(price) if customer.subscription is None else None


def _card(card: str) -> Callable[[Customer], None]:
    return lambda customer: _use_card(customer, card)


def _use_card(customer: Customer, card: str) -> None:
    customer.provider.change_card(customer.customer_id, card)
    if card == WORKS:
        customer.provider.pay_open_invoices(customer.customer_id)


#: What may happen in a life, by name.
DEEDS: dict[str, Callable[[Customer], None]] = {
    "subscribe to basic": _subscribe("basic"),
    "subscribe to pro": _subscribe("pro"),
    "buy a pack": lambda customer: customer.buy("pack"),
    "upgrade": _change("pro", at_period_end=False),
    "downgrade": _change("basic", at_period_end=True),
    "cancel later": _on_subscription(lambda customer, key: customer.provider.cancel(key, at_period_end=True)),
    "cancel now": _on_subscription(lambda customer, key: customer.provider.cancel(key)),
    "resume": _on_subscription(lambda customer, key: connector().resume(key, operation_key=customer._key)),
    "card declines": _card(FAILS_LATER),
    "card works": _card(WORKS),
    "refund a third": _refund(3),
    "refund all": _refund(1),
    "dispute": _dispute(None),
    "dispute won": _dispute(True),
    "dispute lost": _dispute(False),
    "a day": lambda customer: customer.pass_days(1),
    "nine days": lambda customer: customer.pass_days(9),
    "a month": lambda customer: customer.pass_days(31),
}
WEIGHTS = {"a day": 3, "nine days": 4, "a month": 4, "buy a pack": 2, "upgrade": 3, "downgrade": 3, "card works": 2}


def customer_at(provider: Provider, *, default: bool = True) -> Customer:
    """A new customer of a new shop."""
    shop(default=default)
    entity = BillableEntityFactory()
    if default:
        assign(entity, _plan("free"), source="internal", now=NOON - 9 * DAY)  # type: ignore[arg-type]
    return Customer(provider=provider, entity=entity)


def live(customer: Customer, *, seed: int, deeds: int) -> None:
    """A random life that begins with a subscription and a pack."""
    chance = random.Random(seed)
    names = list(DEEDS)
    weights = [WEIGHTS.get(name, 1) for name in names]
    customer.do(chance.choice(["subscribe to basic", "subscribe to pro"]))
    for name in chance.choices(names, weights, k=deeds):
        customer.do(name)
    customer.pass_days(1)


def _plan(code: str) -> Any:
    from billing.models import Plan

    return Plan.objects.get(code=code)


@contextmanager
def undone() -> Iterator[None]:
    """What is told inside has not happened afterwards, though every commit inside is one to those who make it."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


def tell(customer: Customer, events: Sequence[Event], *, at: datetime | None = None) -> Final:
    """What has become of the customer after ``events`` came in this order, all of them at ``at`` (default: the end)."""
    now = at or customer.at
    customer.provider.deliver(events, now=now)
    drain(now, until=now + PATIENCE)
    return final(customer.entity, now=now + PATIENCE)


def tell_late(customer: Customer, events: Sequence[Event], *, chance: random.Random) -> Final:
    """The same where every event comes in its own time: most at once, some days late, some twice; workers go round meanwhile."""
    coming = []
    for event in events:
        for _ in range(chance.choice((1, 1, 1, 2))):
            delay = chance.choice((0, 0, 0, 1, 60, 3600, 5 * 3600, 2 * 86_400))
            coming.append((event["created"] + delay, chance.random(), event))
    coming.sort(key=lambda each: each[:2])
    end = customer.at + 3 * DAY
    arrivals = [(datetime.fromtimestamp(seconds, tz=UTC), event) for seconds, _, event in coming]
    for (now, event), (until, _) in pairwise([*arrivals, (end, {})]):
        promote_due(customer.entity.pk, now)
        customer.provider.deliver([event], now=now)
        drain(now, until=until)
    drain(end, until=end + PATIENCE)
    return final(customer.entity, now=end + PATIENCE)
