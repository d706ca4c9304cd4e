"""Purchases, assignments and subscriptions as staff read them over HTTP."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.api.console.shapes import Page
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseKind, PurchaseStatus
from mozaiks.kit.fields import InstantField


def _words(kind: Any) -> list[str]:
    return [word.value for word in kind]


class ConsoleAdjustment(serializers.Serializer[Any]):
    """A refund, void, correction or dispute that was tried. Amounts in minor units, signed."""

    id = serializers.IntegerField()
    action = serializers.ChoiceField(choices=_words(PurchaseAction))
    status = serializers.ChoiceField(choices=_words(PurchaseActionStatus))
    amountMinor = serializers.IntegerField(source="amount_minor")
    currency = serializers.CharField()
    reason = serializers.CharField()
    providerReference = serializers.CharField(source="provider_reference", allow_null=True)
    requestedBy = serializers.CharField(source="requested_by", help_text="Empty: the provider told of it.")
    createdAt = InstantField(source="created_at")


class ConsolePurchase(serializers.Serializer[Any]):
    """A confirmed payment, in minor units of its currency, with what was done to it since, the oldest first."""

    id = serializers.IntegerField()
    billableEntityId = serializers.IntegerField(source="billable_entity_id")
    provider = serializers.CharField()
    purchaseKind = serializers.ChoiceField(source="purchase_kind", choices=_words(PurchaseKind))
    status = serializers.ChoiceField(choices=_words(PurchaseStatus))
    amountMinor = serializers.IntegerField(source="amount_minor")
    currency = serializers.CharField()
    quantity = serializers.IntegerField()
    productCode = serializers.CharField(source="product.code", allow_null=True)
    planCode = serializers.CharField(source="plan.code", allow_null=True)
    displayName = serializers.CharField(source="display_name")
    flag = serializers.CharField(help_text="What an operator has to look at (`unknown_product`); empty: nothing.")
    operationKey = serializers.CharField(source="operation_key")
    providerCustomerId = serializers.CharField(source="provider_customer_id", allow_null=True)
    providerCheckoutSessionId = serializers.CharField(source="provider_checkout_session_id", allow_null=True)
    providerPaymentId = serializers.CharField(source="provider_payment_id", allow_null=True)
    providerInvoiceId = serializers.CharField(source="provider_invoice_id", allow_null=True)
    providerPriceId = serializers.CharField(source="provider_price_id", allow_null=True)
    providerSubscriptionId = serializers.CharField(source="provider_subscription_id", allow_null=True)
    periodStartAt = InstantField(source="period_start_at", allow_null=True)
    periodEndAt = InstantField(source="period_end_at", allow_null=True)
    purchasedAt = InstantField(source="purchased_at")
    adjustments = ConsoleAdjustment(many=True, source="adjustments.all")


class ConsolePurchasePage(Page):
    """Purchases, the newest first."""

    entries = ConsolePurchase(many=True)


class ConsoleAssignment(serializers.Serializer[Any]):
    """An entity on a plan, for the period from start to end (null: open)."""

    id = serializers.IntegerField()
    billableEntityId = serializers.IntegerField(source="billable_entity_id")
    planCode = serializers.CharField(source="plan.code")
    planName = serializers.CharField(source="plan.name")
    status = serializers.ChoiceField(choices=_words(AssignmentStatus))
    subscriptionStatus = serializers.ChoiceField(source="subscription_status", choices=_words(SubscriptionStatus))
    source = serializers.ChoiceField(choices=_words(AssignmentSource))  # type: ignore[assignment]
    periodStartAt = InstantField(source="period_start_at")
    periodEndAt = InstantField(source="period_end_at", allow_null=True)
    billingCycle = serializers.CharField(source="billing_cycle")
    nextBillingAt = InstantField(source="next_billing_at", allow_null=True)
    trialEndAt = InstantField(source="trial_end_at", allow_null=True)
    pastDueSinceAt = InstantField(source="past_due_since_at", allow_null=True)
    provider = serializers.CharField(source="provider_detail.provider", allow_null=True)
    providerSubscriptionId = serializers.CharField(source="provider_detail.provider_subscription_id", allow_null=True)
    cancelAtPeriodEnd = serializers.BooleanField(source="provider_detail.cancel_at_period_end", allow_null=True)
    createdAt = InstantField(source="created_at")


class ConsoleAssignmentPage(Page):
    """Assignments, the newest first."""

    entries = ConsoleAssignment(many=True)


class ConsoleSubscription(serializers.Serializer[Any]):
    """A subscription of a provider, and the plan that comes of it; null where none does."""

    providerSubscriptionId = serializers.CharField(source="provider_subscription_id")
    provider = serializers.CharField()
    providerCustomerId = serializers.CharField(source="provider_customer_id")
    billableEntityId = serializers.IntegerField(source="billable_entity_id", allow_null=True)
    lastEventId = serializers.CharField(source="last_event_id")
    lastEventCreatedAt = InstantField(source="last_event_created_at", allow_null=True)
    assignment = ConsoleAssignment(allow_null=True)
    createdAt = InstantField(source="created_at")


class ConsoleSubscriptionPage(Page):
    """Subscriptions of providers, the newest first."""

    entries = ConsoleSubscription(many=True)


def present_purchase(row: Any) -> dict[str, Any]:
    return dict(ConsolePurchase(row).data)


def present_adjustment(row: Any) -> dict[str, Any]:
    return dict(ConsoleAdjustment(row).data)


def present_assignment(row: Any) -> dict[str, Any]:
    return dict(ConsoleAssignment(row).data)


def present_subscription(row: Any) -> dict[str, Any]:
    return dict(ConsoleSubscription(row).data)
