"""What a provider may say of one payment, told as the inbox tells it; and a shop that sells something for 10.00 EUR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.types import AdjustmentKind
from billing.entitlements.scheduled import perform
from billing.models import BillableEntity, Definition, Grant, GrantAdjustment, Product, Purchase, PurchaseAdjustment
from billing.models.catalog import ProductGrantKind
from billing.payments import adjustments, purchases
from billing.payments.connectors.base import RefundMade
from billing.payments.connectors.facts import (
    DisputeReported,
    DisputeState,
    PaymentConfirmed,
    RefundReported,
    RefundStatus,
    Whose,
)
from tests import NOON
from tests.factories import BillableEntityFactory, ProductFactory, ProductTemplateFactory
from tests.payments.scripted import Scripted

STRIPE = "stripe"
#: What is paid for the pack, in minor units.
PRICE = 1000


def paid(**said: Any) -> PaymentConfirmed:
    """10.00 EUR for one pack arrived, as the provider's payment ``pi_1``."""
    plain = {"whose": Whose(customer_id="cus_1"), "paid_at": NOON, "amount_minor": PRICE, "currency": "eur"}
    return PaymentConfirmed(**{**plain, "price_id": "price_pack", "payment_id": "pi_1", **said})


def refunded(amount_minor: int, refund_id: str = "re_1", **said: Any) -> RefundReported:
    plain = {"currency": "eur", "status": RefundStatus.SUCCEEDED, "occurred_at": NOON, "payment_id": "pi_1"}
    return RefundReported(**{"refund_id": refund_id, "amount_minor": amount_minor, **plain, **said})


def disputed(state: DisputeState, amount_minor: int = PRICE, dispute_id: str = "dp_1", **said: Any) -> DisputeReported:
    plain = {"currency": "eur", "occurred_at": NOON, "payment_id": "pi_1", "state": state}
    return DisputeReported(**{"dispute_id": dispute_id, "amount_minor": amount_minor, **plain, **said})


def confirm(fact: PaymentConfirmed, entity: BillableEntity | None, *, now: datetime = NOON) -> purchases.Confirmed:
    """Tell of a payment whose customer is known to be ``entity``."""
    entity_id = None if entity is None else entity.pk
    return perform(lambda: purchases.confirm(fact, provider=STRIPE, entity_id=entity_id, event=None, now=now), now=now)


def tell(fact: RefundReported | DisputeReported, *, now: datetime = NOON) -> PurchaseAdjustment:
    """Tell of a refund or a dispute."""
    if isinstance(fact, RefundReported):
        return perform(lambda: adjustments.refund_reported(fact, provider=STRIPE, now=now), now=now)
    return perform(lambda: adjustments.dispute_reported(fact, provider=STRIPE, now=now), now=now)


def pack(*gives: tuple[Definition, int | None], kind: str = ProductGrantKind.ONE_OFF_TOPUP, **fields: Any) -> Product:
    """A product for 10.00 EUR that grants so much of each definition."""
    sold = {"code": "pack", "name": "Pack", "provider": STRIPE, "provider_price_id": "price_pack"}
    product: Product = ProductFactory(**{**sold, "unit_amount_minor": PRICE, **fields})
    days = 30 if kind == ProductGrantKind.TIMEBOXED_ADDON else None
    for definition, amount in gives:
        ProductTemplateFactory(
            product=product, definition=definition, amount=amount, grant_kind=kind, duration_days=days
        )
    return product


def bought(*gives: tuple[Definition, int | None], **fields: Any) -> Purchase:
    """Somebody has bought the pack."""
    pack(*gives, **fields)
    return confirm(paid(), BillableEntityFactory()).purchase


@dataclass(frozen=True, slots=True)
class Given:
    """What became of a grant: units taken of it, whether it is frozen, whether it has ended."""

    amount: int | None
    taken: int
    frozen: bool
    ended: bool


def given(purchase: Purchase) -> list[Given]:
    """The grants of a purchase by their ids, as the facts say."""
    grants = Grant.objects.filter(source_type="billing_purchase", source_id=str(purchase.pk)).order_by("pk")
    return [_given(grant) for grant in grants]


def _given(grant: Grant) -> Given:
    said = list(GrantAdjustment.objects.filter(grant=grant))
    kinds = [each.kind for each in said]
    return Given(
        amount=grant.amount,
        taken=sum(each.amount for each in said),
        frozen=kinds.count(AdjustmentKind.FREEZE) > kinds.count(AdjustmentKind.RELEASE),
        ended=grant.endings.exists(),
    )


class Refunding(Scripted):
    """The provider that also refunds; ``status`` is how it answers, ``meanwhile`` happens before it does."""

    status: RefundStatus = RefundStatus.SUCCEEDED
    meanwhile: Callable[[], object] | None = None

    def refund(self, *, payment_id: str, amount_minor: int, reason: str, operation_key: str) -> RefundMade:
        made: RefundMade = self.once(
            "refund",
            operation_key,
            (payment_id, amount_minor, reason),
            lambda: RefundMade(refund_id=f"re_{len(self.made) + 1}", status=self.status, amount_minor=amount_minor),
        )
        if self.meanwhile is not None:
            self.meanwhile()
        return made
