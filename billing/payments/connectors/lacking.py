"""What a connector that cannot do a thing answers, for connectors that can do little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from billing.payments.connectors.base import (
    CheckoutOpened,
    CheckoutOrder,
    MethodSeen,
    OperationNotSupported,
    RefundMade,
)


class Lacking:
    """Every call beyond checkout, status, cancel and webhooks: refused. A connector overrides what its abilities name."""

    name: str = ""

    def _cannot(self, what: str) -> NoReturn:
        raise OperationNotSupported(f"The connector “{self.name}” cannot {what}.")

    def resume(self, subscription_id: str, *, operation_key: str) -> None:
        self._cannot("take a cancellation back")

    def change_plan(self, subscription_id: str, price_id: str, *, at_period_end: bool, operation_key: str) -> None:
        self._cannot("change a subscription")

    def portal(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        self._cannot("open a portal")

    def payment_link(self, order: CheckoutOrder) -> CheckoutOpened:
        self._cannot("make payment links")

    def payment_methods(self, customer_id: str) -> Sequence[MethodSeen]:
        self._cannot("list payment methods")

    def add_payment_method(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        self._cannot("add a payment method")

    def default_payment_method(self, customer_id: str, method_id: str, *, operation_key: str) -> None:
        self._cannot("choose a payment method")

    def remove_payment_method(self, method_id: str, *, operation_key: str) -> None:
        self._cannot("remove a payment method")

    def refund(self, *, payment_id: str, amount_minor: int, reason: str, operation_key: str) -> RefundMade:
        self._cannot("refund")
