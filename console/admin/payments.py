"""Payments: purchases, what was done to them, and the events behind them. All of it is looked at."""

from __future__ import annotations

from django.contrib import admin

from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from console.admin.base import Ledger, link, link_to, money
from console.admin.exporting import Exported
from console.admin.ranges import Days


@admin.register(Purchase)
class PurchaseAdmin(Exported, Ledger):
    """Confirmed payments."""

    customer_path = "billable_entity"
    key_fields = ("dedupe_key", "provider_payment_id", "provider_invoice_id", "provider_checkout_session_id")
    search_help_text = "Customer id, workspace, or an id of the provider"
    list_display = ("id", "customer", "purchase_kind", "bought", "price", "status", "provider", "event", "purchased_at")
    list_filter = ("status", "purchase_kind", ("purchased_at", Days))
    csv_columns = (
        "id",
        "billable_entity_id",
        "provider",
        "purchase_kind",
        "status",
        "amount_minor",
        "currency",
        "quantity",
        "product_id",
        "plan_id",
        "display_name",
        "billing_event_id",
        "provider_customer_id",
        "provider_checkout_session_id",
        "provider_payment_id",
        "provider_invoice_id",
        "provider_price_id",
        "dedupe_key",
        "purchased_at",
        "created_at",
    )
    list_prefetch_related = ("product", "plan")

    @admin.display(description="Bought")
    def bought(self, purchase: Purchase) -> str:
        return link(purchase.product or purchase.plan, purchase.display_name or None)

    @admin.display(description="Price")
    def price(self, purchase: Purchase) -> str:
        return money(purchase.amount_minor, purchase.currency)

    @admin.display(description="Event")
    def event(self, purchase: Purchase) -> str:
        key = purchase.billing_event_id
        return "-" if key is None else link_to("billing_billingevent", key, f"event {key}")


@admin.register(PurchaseAdjustment)
class PurchaseAdjustmentAdmin(Ledger):
    """Refunds, voids, corrections and disputes that were tried."""

    customer_path = "purchase__billable_entity"
    key_fields = ("request_idempotency_key",)
    list_display = ("id", "customer", "of_purchase", "action", "status", "price", "requested_by", "created_at")
    list_filter = ("action", "status")

    @admin.display(description="Purchase")
    def of_purchase(self, row: PurchaseAdjustment) -> str:
        return link_to("billing_purchase", row.purchase_id, f"purchase {row.purchase_id}")

    @admin.display(description="Amount")
    def price(self, row: PurchaseAdjustment) -> str:
        return money(row.amount_minor, row.currency)


@admin.register(BillingEvent)
class BillingEventAdmin(Exported, Ledger):
    """The inbox of webhooks, and what operators did and why."""

    customer_path = "billable_entity"
    key_fields = ("provider_event_id", "event_name", "actor")
    recent_keys = ("actor",)
    search_help_text = "Customer id, workspace, event name, actor, or the provider's event id"
    list_display = (
        "id",
        "received_at",
        "event_type",
        "event_name",
        "customer",
        "actor",
        "reason",
        "provider",
        "status",
        "attempt_count",
    )
    list_filter = ("event_type", "status", ("occurred_at", Days))
    csv_columns = (
        "id",
        "event_type",
        "event_name",
        "billable_entity_id",
        "actor",
        "reason",
        "provider",
        "provider_event_id",
        "status",
        "attempt_count",
        "occurred_at",
        "received_at",
        "processed_at",
        "error_text",
    )
