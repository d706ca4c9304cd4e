"""Catalog: plans, products and definitions, published by the rules of ``billing.catalog``; their templates to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse

from billing.catalog.definitions import FROZEN_BY_FACTS, delete_definition, has_facts
from billing.catalog.revisions import Author
from billing.models import Definition, Plan, PlanTemplate, Product, ProductTemplate
from console.admin.base import Lookup, ReadOnly, TabularInline, button, link, money, units
from console.admin.editor import Kind, answer
from console.admin.publishing import DefinitionForm, PlanForm, ProductForm, PublishedAdmin
from console.admin.rollouts import begin_page
from mozaiks.kit import clock
from mozaiks.kit.errors import Conflict

KNOWN = (
    "A list of entries, each naming a definition by its code and how much of it. Insert one from the list and change its "
    "numbers; the table shows what it becomes. [] says that it grants nothing."
)
LATER = (
    " Saving changes what is granted from now on; current subscribers keep what they have until you apply it to them."
)
COUNTED = "What is counted"
FROZEN = "Units were granted, used or held under this definition, so what they mean cannot change any more."
GRANTS = "What it grants"
SAVE = "Save"


class TemplateInline(ReadOnly, TabularInline):
    """What the JSON became."""

    extra = 0
    verbose_name_plural = "Templates (what the entitlements above became)"
    ordering = ("definition__code", "grant_kind")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("definition")

    @admin.display(description="Amount")
    def units(self, template: PlanTemplate | ProductTemplate) -> str:
        return units(template.amount)


class PlanTemplateInline(TemplateInline):
    model = PlanTemplate
    fields = readonly_fields = (
        "definition",
        "units",
        "grant_kind",
        "effective_policy",
        "duration_policy",
        "duration_days",
    )


class ProductTemplateInline(TemplateInline):
    model = ProductTemplate
    fields = readonly_fields = ("definition", "units", "grant_kind", "duration_days")


class GrantingAdmin(PublishedAdmin):
    """A plan or product in the list, with what it grants."""

    search_fields = ("code", "name")
    kind: Kind
    template_table: type[PlanTemplate] | type[ProductTemplate]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        templates = self.template_table._default_manager.select_related("definition").order_by("definition__code")
        return super().get_queryset(request).prefetch_related(Prefetch("templates", queryset=templates))

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may change the JSON sees its templates beside it."""
        return () if self.may_write(request, obj) else self.inlines

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees the templates instead of the JSON, and nothing that asks to be filled in."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.may_write(request, obj):
            return fieldsets
        return [(title, options) for title, options in fieldsets if title not in (GRANTS, SAVE)]

    def get_urls(self) -> list[Any]:
        name = f"billing_{self.kind}_entitlements"
        preview = path("entitlements/", self.admin_site.admin_view(self.entitlements_view), name=name)
        return [preview, *super().get_urls()]

    def entitlements_view(self, request: HttpRequest) -> HttpResponse:
        """What the text somebody is typing would become."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return answer(self.kind, request)

    @admin.display(description="Grants")
    def grants(self, row: Plan | Product) -> str:
        found = [f"{template.definition.code}: {units(template.amount)}" for template in row.templates.all()]
        return ", ".join(found) or "nothing"


@admin.register(Plan)
class PlanAdmin(GrantingAdmin):
    """Plans: fields and entitlements are saved together or not at all."""

    form = PlanForm
    kind = "plan"
    template_table = PlanTemplate
    inlines = (PlanTemplateInline,)
    list_display = ("code", "name", "price", "grants", "is_active", "is_default")
    list_filter = ("is_active", "is_default")
    fieldsets = (
        (None, {"fields": ("code", "name", "description", "applies_to", "is_active", "is_default", "trial_days")}),
        (GRANTS, {"fields": ("entitlements",), "description": KNOWN + LATER}),
        (
            "Price",
            {
                "fields": (
                    ("checkout_unit_amount_minor", "checkout_currency"),
                    ("checkout_interval", "checkout_interval_count"),
                    ("checkout_provider", "checkout_provider_price_id"),
                    "checkout_provider_product_id",
                ),
            },
        ),
        ("Plugins", {"fields": ("plugins", "plugin_tiers")}),
        ("Other", {"fields": ("metadata_json", ("created_at", "updated_at"))}),
        (SAVE, {"fields": ("reason", "seen_updated_at")}),
    )

    actions_detail = ("roll_out",)

    def has_roll_out_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("billing.roll_out_plan")

    @button(text="Apply to current subscribers", path="roll-out", permission="roll_out", icon="rocket_launch")
    def roll_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return begin_page(self, request, object_id)

    @admin.display(description="Price")
    def price(self, plan: Plan) -> str:
        interval = f" / {plan.checkout_interval}" if plan.checkout_interval else ""
        return money(plan.checkout_unit_amount_minor, plan.checkout_currency) + interval


@admin.register(Product)
class ProductAdmin(GrantingAdmin):
    """Products: fields and entitlements are saved together or not at all."""

    form = ProductForm
    kind = "product"
    template_table = ProductTemplate
    inlines = (ProductTemplateInline,)
    list_display = ("code", "name", "product_kind", "price", "grants", "is_active")
    list_filter = ("product_kind", "is_active")
    fieldsets = (
        (None, {"fields": ("code", "name", "description", "product_kind", "is_active")}),
        (GRANTS, {"fields": ("entitlements",), "description": KNOWN}),
        (
            "Price",
            {
                "fields": (
                    ("unit_amount_minor", "currency"),
                    "price_interval",
                    ("provider", "provider_price_id"),
                    "provider_product_id",
                ),
            },
        ),
        ("Other", {"fields": ("metadata_json", ("created_at", "updated_at"))}),
        (SAVE, {"fields": ("reason", "seen_updated_at")}),
    )

    @admin.display(description="Price")
    def price(self, product: Product) -> str:
        return money(product.unit_amount_minor, product.currency)


@admin.register(Definition)
class DefinitionAdmin(PublishedAdmin):
    """Definitions: deactivated when they are over; deleted only while nothing points to them."""

    form = DefinitionForm
    list_display = (
        "code",
        "name",
        "entitlement_type",
        "unit",
        "window_interval",
        "window_anchor",
        "enforcement_mode",
        "is_active",
    )
    list_filter = ("entitlement_type", "enforcement_mode", "is_active")
    search_fields = ("code", "name")
    actions = None
    fieldsets = (
        (None, {"fields": ("code", "name", "description", "unit", "is_active")}),
        (
            COUNTED,
            {"fields": ("entitlement_type", ("window_interval", "window_anchor"), "aggregation_mode", "scope_type")},
        ),
        ("At the limit", {"fields": ("enforcement_mode", "lock_state_name", "alert_thresholds")}),
        ("Price of what goes beyond", {"fields": (("overage_unit_minor", "overage_units"),)}),
        ("Other", {"fields": ("metadata_json", ("created_at", "updated_at"))}),
        (SAVE, {"fields": ("reason", "seen_updated_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What recorded units mean does not change: shown, not asked."""
        fields = super().get_readonly_fields(request, obj)
        return (*fields, *FROZEN_BY_FACTS) if self._is_frozen(request, obj) else fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if not self.may_write(request, obj):
            return [(title, options) for title, options in fieldsets if title != SAVE]
        if not self._is_frozen(request, obj):
            return fieldsets
        return [
            (title, {**options, "description": FROZEN}) if title == COUNTED else (title, options)
            for title, options in fieldsets
        ]

    def _is_frozen(self, request: HttpRequest, obj: Definition | None) -> bool:
        """Asked once per request, however often Django asks for the fields."""
        if obj is None:
            return False
        asked: dict[int, bool] = request.__dict__.setdefault("_frozen_definitions", {})
        if obj.pk not in asked:
            asked[obj.pk] = has_facts(obj)
        return asked[obj.pk]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("billing.delete_definition")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The rows themselves: what else points to them was asked before, without listing it."""
        return [str(row) for row in objs], {}, set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask for confirmation only where the answer can be yes; else say why not."""
        row = self.get_object(request, object_id)
        if row is not None and self.has_delete_permission(request, row):
            try:
                with transaction.atomic():
                    delete_definition(row, now=clock.now())
                    transaction.set_rollback(True)
            except Conflict as refused:
                messages.error(request, refused.message)
                return HttpResponseRedirect(reverse("admin:billing_definition_change", args=[row.pk]))
        return super().delete_view(request, object_id, extra_context)

    def delete_model(self, request: HttpRequest, obj: Definition) -> None:
        delete_definition(obj, by=Author(actor=request.user.get_username()), now=clock.now())


class TemplateAdmin(Lookup):
    """Templates of every plan or product, to look through; they are changed where they belong."""

    search_help_text = "Whole code of the definition or of the owner"
    list_filter = ("grant_kind",)
    owner: str

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model._default_manager.select_related(self.owner, "definition")
        return rows

    def matching(self, word: str) -> Q:
        return Q(definition__code=word) | Q(**{f"{self.owner}__code": word})

    @admin.display(description="Amount")
    def units(self, template: Any) -> str:
        return units(template.amount)

    @admin.display(description="Of")
    def of(self, template: Any) -> str:
        return link(getattr(template, self.owner))

    @admin.display(description="Definition")
    def of_definition(self, template: Any) -> str:
        return link(template.definition)


@admin.register(PlanTemplate)
class PlanTemplateAdmin(TemplateAdmin):
    owner = "plan"
    list_display = ("id", "of", "of_definition", "units", "grant_kind", "effective_policy", "duration_policy")


@admin.register(ProductTemplate)
class ProductTemplateAdmin(TemplateAdmin):
    owner = "product"
    list_display = ("id", "of", "of_definition", "units", "grant_kind", "duration_days")
