"""Payments on their way: checkouts, what providers know of customers, and the stored answers of doors that call one."""

from __future__ import annotations

from django.contrib import admin

from billing.models import BillingCustomer, CheckoutSession, PaymentMethod, ProviderSubscription, RequestIdempotency
from console.admin.base import Ledger, link


@admin.register(CheckoutSession)
class CheckoutSessionAdmin(Ledger):
    """Customers sent to a provider's page. Nothing is granted by it."""

    customer_path = "billable_entity"
    key_fields = ("operation_key", "provider_session_id")
    search_help_text = "Customer id, workspace, operation key, or the provider's session id"
    list_display = ("id", "customer", "buys", "quantity", "status", "provider", "created_at", "completed_at")
    list_filter = ("status", "purpose")
    list_prefetch_related = ("plan", "product")

    @admin.display(description="Buys")
    def buys(self, row: CheckoutSession) -> str:
        return link(row.plan or row.product)


@admin.register(BillingCustomer)
class BillingCustomerAdmin(Ledger):
    """What providers call our customers."""

    customer_path = "billable_entity"
    key_fields = ("provider_customer_id",)
    search_help_text = "Customer id, workspace, or the provider's customer id"
    list_display = ("id", "customer", "provider", "provider_customer_id", "created_at")


@admin.register(ProviderSubscription)
class ProviderSubscriptionAdmin(Ledger):
    """Subscriptions of providers, and which of their events was applied last."""

    customer_path = "billable_entity"
    key_fields = ("provider_subscription_id",)
    search_help_text = "Customer id, workspace, or the provider's subscription id"
    list_display = (
        "id",
        "customer",
        "provider",
        "provider_subscription_id",
        "last_event_id",
        "last_event_created_at",
    )


@admin.register(PaymentMethod)
class PaymentMethodAdmin(Ledger):
    """Cards and accounts that providers keep for our customers."""

    customer_path = "billable_entity"
    key_fields = ("provider_payment_method_id",)
    search_help_text = "Customer id, workspace, or the provider's payment method id"
    list_display = ("id", "customer", "method_type", "brand", "last4", "is_default", "status", "provider")
    list_filter = ("status",)


@admin.register(RequestIdempotency)
class RequestIdempotencyAdmin(Ledger):
    """First answers of doors that call a provider, given again to repeats."""

    customer_path = "billable_entity"
    list_display = ("id", "customer", "door", "key", "status", "response_status", "created_at", "answered_at")
    list_filter = ("status",)
