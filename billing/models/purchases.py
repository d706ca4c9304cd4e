"""Confirmed purchases and what was done to them afterwards."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.db import models
from django.db.models import Q

from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH, in_values, key, metadata, one_of


class PurchaseKind(StrEnum):
    """What was paid for."""

    ONE_OFF = "one_off"
    SUBSCRIPTION_INVOICE = "subscription_invoice"
    TOPUP = "topup"


class PurchaseStatus(StrEnum):
    """Where a purchase stands."""

    CONFIRMED = "confirmed"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    VOIDED = "voided"
    DISPUTED = "disputed"


class PurchaseAction(StrEnum):
    """What was tried on a purchase."""

    REFUND = "refund"
    VOID = "void"
    CORRECTION = "correction"
    DISPUTE = "dispute"


class PurchaseActionStatus(StrEnum):
    """How the attempt ended."""

    RECORDED = "recorded"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOOP = "noop"


def _provider_id() -> models.CharField[Any, Any]:
    """An id of the provider; NULL while unknown, so that it can be unique when present."""
    return models.CharField(max_length=KEY_LENGTH, null=True, blank=True)


class Purchase(models.Model):
    """
    One row per confirmed payment, whatever number of events speak of it. Amounts in minor units of currency.

    ``period_start_at`` and ``period_end_at`` are what a subscription's invoice pays for. ``flag`` is a code of what an operator
    has to look at (``unknown_product``); empty where nothing is.
    ``projected_at`` is when its product's templates were turned into grants, also where that gave none; NULL is never.
    """

    billable_entity = models.ForeignKey("billing.BillableEntity", on_delete=models.PROTECT, related_name="purchases")
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    purchase_kind = one_of(PurchaseKind)
    status = one_of(PurchaseStatus, default=PurchaseStatus.CONFIRMED)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    quantity = models.PositiveIntegerField(default=1)
    product = models.ForeignKey("billing.Product", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    plan = models.ForeignKey("billing.Plan", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    operation_key = key(blank=True)
    provider_customer_id = _provider_id()
    provider_checkout_session_id = _provider_id()
    provider_payment_id = _provider_id()
    provider_invoice_id = _provider_id()
    provider_price_id = _provider_id()
    provider_subscription_id = _provider_id()
    period_start_at = models.DateTimeField(null=True, blank=True)
    period_end_at = models.DateTimeField(null=True, blank=True)
    flag = models.CharField(max_length=CODE_LENGTH, blank=True, default="")
    billing_event = models.ForeignKey(
        "billing.BillingEvent", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    display_name = models.CharField(max_length=191, blank=True, default="")
    dedupe_key = key()
    purchased_at = models.DateTimeField()
    projected_at = models.DateTimeField(null=True, blank=True, editable=False)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_purchases"
        permissions = [("adjust_purchases", "Can refund, void and correct purchases")]
        indexes = [
            models.Index(name="billing_purchases_entity_idx", fields=["billable_entity", "purchased_at"]),
            models.Index(name="billing_purchases_subscription_idx", fields=["provider", "provider_subscription_id"]),
            models.Index(name="billing_purchases_flag_idx", fields=["flag", "purchased_at"]),
        ]
        constraints = [
            models.UniqueConstraint(name="billing_purchases_dedupe_uniq", fields=["dedupe_key"]),
            models.UniqueConstraint(name="billing_purchases_payment_uniq", fields=["provider", "provider_payment_id"]),
            models.UniqueConstraint(name="billing_purchases_invoice_uniq", fields=["provider", "provider_invoice_id"]),
            models.UniqueConstraint(
                name="billing_purchases_session_uniq", fields=["provider", "provider_checkout_session_id"]
            ),
            models.CheckConstraint(
                name="billing_purchases_kind_valid", condition=in_values("purchase_kind", PurchaseKind)
            ),
            models.CheckConstraint(
                name="billing_purchases_status_valid", condition=in_values("status", PurchaseStatus)
            ),
            models.CheckConstraint(name="billing_purchases_quantity_positive", condition=Q(quantity__gt=0)),
        ]

    def __str__(self) -> str:
        return f"purchase {self.pk}"


class PurchaseAdjustment(models.Model):
    """A refund, void, correction or dispute that was tried. ``amount_minor`` is signed."""

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="adjustments")
    action = one_of(PurchaseAction)
    status = one_of(PurchaseActionStatus)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField(blank=True, default="")
    provider_reference = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    requested_by = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    request_idempotency_key = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_purchase_adjustments"
        constraints = [
            models.UniqueConstraint(name="billing_purchase_adjustments_key_uniq", fields=["request_idempotency_key"]),
            # A refund or dispute of the provider is one adjustment, whoever tells of it first.
            models.UniqueConstraint(
                name="billing_purchase_adjustments_reference", fields=["purchase", "action", "provider_reference"]
            ),
            models.CheckConstraint(
                name="billing_purchase_adjustments_action_valid",
                condition=in_values("action", PurchaseAction),
            ),
            models.CheckConstraint(
                name="billing_purchase_adjustments_status_valid",
                condition=in_values("status", PurchaseActionStatus),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of purchase {self.purchase_id}"
