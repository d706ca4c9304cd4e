"""What an operator does about a payment: refund, void, correct, say what it was for, have it looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing.entitlements.deeds import Deed
from billing.errors import PurchaseRefundNotAllowed
from billing.models import BillableEntity, Product, Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseActionStatus
from billing.payments import adjustments, by_hand, purchases, taking_back
from console.admin.base import customer_name
from console.admin.operations import DeedPage, OperationPage, Reasoned
from console.words import FLAGS, money
from mozaiks.kit import clock
from mozaiks.kit.money import minor_of

ADJUST = "billing.adjust_purchases"


class Permitted:
    """Who may press which button."""

    def has_adjust_purchases_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(ADJUST)


class MoneyForm(Reasoned):
    """Some of what was paid, written as people write it; ``amount_minor`` is what programs read."""

    field_order = ("amount", "reason")

    amount = forms.DecimalField(max_digits=18, widget=UnfoldAdminTextInputWidget({"inputmode": "decimal"}))

    def __init__(self, *args: Any, currency: str, left: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        self.fields["amount"].label = f"Amount ({currency})"
        if left:
            self.fields["amount"].help_text = f"Empty: all that is left, {left}."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        amount = cleaned.get("amount")
        try:
            cleaned["amount_minor"] = None if amount is None else minor_of(amount, self.currency)
        except ValueError as wrong:
            self.add_error("amount", str(wrong))
        return cleaned


class RefundForm(MoneyForm):
    """How much goes back."""

    amount = forms.DecimalField(
        required=False,
        max_digits=18,
        widget=UnfoldAdminTextInputWidget({"inputmode": "decimal"}),
    )


class PurchaseCorrectionForm(MoneyForm):
    """How much more, or less, was paid."""

    amount = forms.DecimalField(
        max_digits=18,
        widget=UnfoldAdminTextInputWidget({"inputmode": "text", "placeholder": "2.50, or -2.50"}),
        help_text="What was paid more than the provider told, or less. Bookkeeping alone: no money moves, and no units.",
    )


class ProductForm(Reasoned):
    """What a payment was for."""

    field_order = ("product", "reason")

    product = forms.ModelChoiceField(
        Product.objects.filter(is_active=True).order_by("code"),
        widget=UnfoldAdminSelectWidget,
        empty_label="Select value",
        help_text="It grants what the product grants now, as often as was bought, from the time it was paid on.",
    )


class PurchaseDeed(DeedPage):
    """A deed on a purchase: what it means for the limits of its customer is shown first."""

    permission = ADJUST
    back_to = "the purchase"
    row: Purchase

    @property
    def entity(self) -> BillableEntity:
        return self.row.billable_entity

    def called(self) -> str:
        return f"purchase {self.row.pk} of {customer_name(self.entity)}"

    def price(self, amount_minor: int) -> str:
        return money(abs(amount_minor), self.row.currency)

    def _address(self) -> str:
        return OperationPage._address(self)


class MoneyDeed(PurchaseDeed):
    """A deed about an amount in the currency of the purchase."""

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"currency": self.row.currency}


class Refund(MoneyDeed):
    """Give money back through the provider, and take back what was granted for it."""

    title = "Refund"
    form_class = RefundForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"left": self.price(taking_back.refundable(self.row))}

    def do(self, said: dict[str, Any], *, now: datetime) -> PurchaseAdjustment:
        with self.in_whole_units(said):
            return by_hand.foresee_refund(self.row, amount_minor=said["amount_minor"], now=now)

    def act(self, said: dict[str, Any]) -> str:
        with self.in_whole_units(said):
            made = adjustments.refund(
                self.row,
                amount_minor=said["amount_minor"],
                by=self.by(said),
                operation_key=said["operation_key"],
                now=clock.now(),
                connector=by_hand.provider_of(self.row.provider),
            )
        return self.done(made)

    @contextmanager
    def in_whole_units(self, said: dict[str, Any]) -> Iterator[None]:
        """Where too much was asked for, what is left is told as people write money."""
        try:
            yield
        except PurchaseRefundNotAllowed as refused:
            left = refused.details.get("refundableMinor", 0)
            if not 0 < left < (said["amount_minor"] or 0):
                raise
            told = {"amount": [f"Only {self.price(left)} is left to refund."]}
            raise PurchaseRefundNotAllowed(told["amount"][0], details=refused.details, field_errors=told) from None

    def done(self, answer: PurchaseAdjustment) -> str:
        if answer.status == PurchaseActionStatus.RECORDED:
            return f"The provider has accepted to refund {self.price(answer.amount_minor)}; its events tell when it is done."
        return f"Refunded: {self.price(answer.amount_minor)}."

    def announced(self, said: dict[str, Any], answer: PurchaseAdjustment) -> str:
        left = taking_back.refundable(self.row) + answer.amount_minor
        return (
            f"{self.row.provider} would be asked to refund {self.price(answer.amount_minor)};"
            f" {self.price(left)} could still be refunded then."
        )


class Void(PurchaseDeed):
    """Declare a purchase void: no money moves."""

    title = "Void"
    form_class = Reasoned

    def do(self, said: dict[str, Any], *, now: datetime) -> PurchaseAdjustment:
        return adjustments.void(self.row, by=self.by(said), operation_key=said["operation_key"], now=now)

    def done(self, answer: PurchaseAdjustment) -> str:
        return f"Purchase {self.row.pk} is void: what was left of its grants is taken back."

    def announced(self, said: dict[str, Any], answer: PurchaseAdjustment) -> str:
        return f"Purchase {self.row.pk} would be void, and its grants would end. No money moves: a refund does that."


class CorrectPurchase(MoneyDeed):
    """Note that more or less was paid."""

    title = "Correct"
    form_class = PurchaseCorrectionForm

    def do(self, said: dict[str, Any], *, now: datetime) -> PurchaseAdjustment:
        return adjustments.correct(
            self.row,
            amount_minor=said["amount_minor"],
            by=self.by(said),
            operation_key=said["operation_key"],
            now=now,
        )

    def done(self, answer: PurchaseAdjustment) -> str:
        return f"Noted: {self.what(answer)} than the provider told."

    def announced(self, said: dict[str, Any], answer: PurchaseAdjustment) -> str:
        return f"Would note that {self.what(answer)} was paid than the provider told."

    def what(self, answer: PurchaseAdjustment) -> str:
        return f"{self.price(answer.amount_minor)} {'more' if answer.amount_minor > 0 else 'less'}"


class AttachProduct(PurchaseDeed):
    """Say what a payment was for that the catalog did not know."""

    title = "Attach a product"
    form_class = ProductForm

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        by, key = self.by(said), said["operation_key"]
        return purchases.assign_product(self.row, said["product"], by=by, now=now, operation_key=key)

    def done(self, answer: Deed) -> str:
        number = len(answer.answer["grants"])
        before = "Was done before: " if answer.replayed else ""
        return f"{before}It was for {answer.answer['product']}: {number} grant{'' if number == 1 else 's'} made."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        return f"It would be a purchase of {answer.answer['product']}, and grant what that grants."


class LookedAt(PurchaseDeed):
    """Take the flag from a purchase: somebody has looked at it."""

    title = "Looked at"
    form_class = Reasoned

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        return by_hand.looked_at(self.row, by=self.by(said), operation_key=said["operation_key"], now=now)

    def done(self, answer: Deed) -> str:
        return "It has been looked at."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        return f"It would wait for nobody any more. So far: {FLAGS.get(self.row.flag, self.row.flag)}."
