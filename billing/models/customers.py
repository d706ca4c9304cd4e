"""What a payment provider knows of an entity: the customer it made, its subscriptions, and the ways to pay it keeps."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from billing.models.fields import KEY_LENGTH, PROVIDER_LENGTH, in_values, one_of


class PaymentMethodStatus(StrEnum):
    """Whether the provider may still charge it."""

    ACTIVE = "active"
    DETACHED = "detached"


class BillingCustomer(models.Model):
    """An entity as one provider's customer. One per entity and provider."""

    billable_entity = models.ForeignKey("billing.BillableEntity", on_delete=models.PROTECT, related_name="customers")
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    provider_customer_id = models.CharField(max_length=KEY_LENGTH)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_customers"
        constraints = [
            models.UniqueConstraint(name="billing_customers_entity_uniq", fields=["billable_entity", "provider"]),
            models.UniqueConstraint(
                name="billing_customers_provider_uniq", fields=["provider", "provider_customer_id"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_customer_id}"


class ProviderSubscription(models.Model):
    """
    A subscription of a provider: whose it is, and which of its events was applied last, also where no assignment came of it.

    Only ids and order. What the subscription gives is said by plan assignments alone.
    """

    billable_entity = models.ForeignKey(
        "billing.BillableEntity", on_delete=models.PROTECT, null=True, blank=True, related_name="provider_subscriptions"
    )
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    provider_subscription_id = models.CharField(max_length=KEY_LENGTH)
    provider_customer_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    last_event_created_at = models.DateTimeField(null=True, blank=True)
    last_event_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_provider_subscriptions"
        constraints = [
            models.UniqueConstraint(
                name="billing_provider_subscriptions_uniq", fields=["provider", "provider_subscription_id"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_subscription_id}"


class PaymentMethod(models.Model):
    """A card or account the provider keeps for a customer; of the card itself only what people recognise it by."""

    billable_entity = models.ForeignKey(
        "billing.BillableEntity", on_delete=models.PROTECT, related_name="payment_methods"
    )
    provider = models.CharField(max_length=PROVIDER_LENGTH)
    provider_payment_method_id = models.CharField(max_length=KEY_LENGTH)
    method_type = models.CharField(max_length=32, default="card")
    brand = models.CharField(max_length=32, blank=True, default="")
    last4 = models.CharField(max_length=4, blank=True, default="")
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    is_default = models.BooleanField(default=False)
    status = one_of(PaymentMethodStatus, default=PaymentMethodStatus.ACTIVE)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_payment_methods"
        constraints = [
            models.UniqueConstraint(
                name="billing_payment_methods_provider_uniq", fields=["provider", "provider_payment_method_id"]
            ),
            models.CheckConstraint(
                name="billing_payment_methods_status_valid", condition=in_values("status", PaymentMethodStatus)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand or self.method_type} {self.last4}"
