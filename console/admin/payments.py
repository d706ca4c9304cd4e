"""Payments: purchases, what was done to them, and the events behind them. What can be done has pages of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseStatus
from console.admin import payment_deeds
from console.admin.base import Ledger, button, customer_name, link, link_to, money
from console.admin.exporting import Exported
from console.admin.operations import buttons, page
from console.admin.ranges import Days
from console.admin.replaying import Replayed
from console.purchase import purchase_page


class Flagged(admin.SimpleListFilter):
    """Those that somebody has to look at."""

    title = "to be looked at"
    parameter_name = "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(flag__gt="")  # an index finds these few
        return queryset.filter(flag="") if self.value() == "no" else queryset


@admin.register(Purchase)
class PurchaseAdmin(payment_deeds.Permitted, Exported, Ledger):
    """Confirmed payments: what each granted, and what was taken back since."""

    actions_detail = ("refund", "void", "correct", "attach_product", "looked_at")

    customer_path = "billable_entity"
    key_fields = ("dedupe_key", "provider_payment_id", "provider_invoice_id", "provider_checkout_session_id")
    search_help_text = "Customer id, workspace, or an id of the provider"
    list_display = (
        "id",
        "customer",
        "purchase_kind",
        "bought",
        "price",
        "status",
        "flagged",
        "provider",
        "event",
        "purchased_at",
    )
    list_filter = (Flagged, "status", "purchase_kind", ("purchased_at", Days))
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
        "provider_subscription_id",
        "period_start_at",
        "period_end_at",
        "flag",
        "dedupe_key",
        "purchased_at",
        "created_at",
    )
    list_prefetch_related = ("product", "plan")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a purchase. Nothing is written here: what can be done has pages of its own."""
        purchase = self.get_object(request, object_id)
        if not self.has_view_permission(request, purchase) or request.method != "GET":
            raise PermissionDenied
        if purchase is None:
            raise Http404
        sold = purchase.product or purchase.plan
        context = {
            **self.admin_site.each_context(request),
            "title": f"Purchase {purchase.pk}",
            "subtitle": customer_name(purchase.billable_entity),
            "opts": self.opts,
            "page": purchase_page(purchase),
            "bought": purchase.display_name or (sold.name if sold else "something that is not in the catalog"),
            "customer": customer_name(purchase.billable_entity),
            "deeds": buttons(self, request, object_id, without=_left_out(purchase)),
        }
        return TemplateResponse(request, "console/purchase.html", context)

    @button(text="Refund", path="refund", permission="adjust_purchases", icon="undo")
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(payment_deeds.Refund, self, request, object_id)

    @button(text="Void", path="void", permission="adjust_purchases", icon="block")
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(payment_deeds.Void, self, request, object_id)

    @button(text="Correct", path="correct", permission="adjust_purchases", icon="exposure")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(payment_deeds.CorrectPurchase, self, request, object_id)

    @button(text="Attach a product", path="attach-product", permission="adjust_purchases", icon="shopping_bag")
    def attach_product(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(payment_deeds.AttachProduct, self, request, object_id)

    @button(text="Looked at", path="looked-at", permission="adjust_purchases", icon="flag")
    def looked_at(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(payment_deeds.LookedAt, self, request, object_id)

    @admin.display(description="To look at")
    def flagged(self, purchase: Purchase) -> str:
        return purchase.flag.replace("_", " ") or "-"

    @admin.display(description="Bought")
    def bought(self, purchase: Purchase) -> str:
        sold = purchase.product or purchase.plan
        return purchase.display_name or "-" if sold is None else link(sold, purchase.display_name or None)

    @admin.display(description="Price")
    def price(self, purchase: Purchase) -> str:
        return money(purchase.amount_minor, purchase.currency)

    @admin.display(description="Event")
    def event(self, purchase: Purchase) -> str:
        key = purchase.billing_event_id
        return "-" if key is None else link_to("billing_billingevent", key, f"event {key}")


def _left_out(purchase: Purchase) -> set[str]:
    """Buttons that would only be refused."""
    left_out = set() if purchase.flag else {"Looked at"}
    if purchase.product_id is not None or purchase.plan_id is not None:
        left_out.add("Attach a product")
    if purchase.status in (PurchaseStatus.REFUNDED, PurchaseStatus.VOIDED, PurchaseStatus.DISPUTED):
        left_out.add("Refund")
    if purchase.status != PurchaseStatus.CONFIRMED:
        left_out.add("Void")
    return left_out


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
class BillingEventAdmin(Replayed, Exported, Ledger):
    """The inbox of webhooks, and what operators did and why; the button takes an event up again."""

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
        "next_attempt_at",
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
