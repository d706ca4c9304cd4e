"""Plans, products, and the typed templates they turn into grants."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from django.db import models
from django.db.models import Q

from billing.engine.types import GrantKind
from billing.models.fields import CODE_LENGTH, KEY_LENGTH, PROVIDER_LENGTH, in_values, metadata, one_of


class AppliesTo(StrEnum):
    """What a plan is for."""

    WORKSPACE = "workspace"


class PriceInterval(StrEnum):
    """How often a price is paid."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class ProductKind(StrEnum):
    """What kind of thing a product is."""

    ONE_OFF = "one_off"
    SUBSCRIPTION_ADDON = "subscription_addon"
    SETUP_FEE = "setup_fee"


class PlanGrantKind(StrEnum):
    """What a plan template gives."""

    PLAN_BASE = "plan_base"
    PLAN_BONUS = "plan_bonus"

    @property
    def grant_kind(self) -> GrantKind:
        return GrantKind.PLAN_BASE if self is PlanGrantKind.PLAN_BASE else GrantKind.PROMO


class ProductGrantKind(StrEnum):
    """What a product template gives."""

    ONE_OFF_TOPUP = "one_off_topup"
    TIMEBOXED_ADDON = "timeboxed_addon"

    @property
    def grant_kind(self) -> GrantKind:
        return GrantKind.TOPUP if self is ProductGrantKind.ONE_OFF_TOPUP else GrantKind.ADDON_TIMEBOXED


class EffectivePolicy(StrEnum):
    """When a plan template grants."""

    ON_ASSIGNMENT_CURRENT = "on_assignment_current"
    ON_PERIOD_PAID = "on_period_paid"


class DurationPolicy(StrEnum):
    """How long what a plan template grants lasts."""

    WHILE_CURRENT = "while_current"
    PERIOD_WINDOW = "period_window"
    FIXED_DURATION = "fixed_duration"


class PlanQuerySet(models.QuerySet["Plan"]):
    """Plans that can be chosen."""

    def active(self) -> Self:
        return self.filter(is_active=True)


class Plan(models.Model):
    """What a subject is on. What it grants is in its templates; prices are in minor units of currency."""

    code = models.CharField(max_length=CODE_LENGTH)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True, default="")
    applies_to = one_of(AppliesTo, default=AppliesTo.WORKSPACE)
    checkout_provider = models.CharField(max_length=PROVIDER_LENGTH, blank=True, default="")
    checkout_provider_price_id = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    checkout_provider_product_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    checkout_interval = one_of(PriceInterval, null=True, blank=True)
    checkout_interval_count = models.PositiveIntegerField(default=1)
    checkout_currency = models.CharField(max_length=3, blank=True, default="")
    checkout_unit_amount_minor = models.BigIntegerField(null=True, blank=True)
    plugins = models.JSONField(default=list, blank=True)
    plugin_tiers = models.JSONField(default=dict, blank=True)
    grants_nothing = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    trial_days = models.PositiveIntegerField(default=0)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    # MySQL ignores conditional unique constraints, so the condition lives in a generated column.
    default_key = models.GeneratedField(
        expression=models.Case(models.When(is_default=True, then=models.Value(1)), default=None),
        output_field=models.IntegerField(null=True),
        db_persist=True,
    )

    objects = PlanQuerySet.as_manager()

    class Meta:
        db_table = "billing_plans"
        permissions = [("roll_out_plan", "Can apply a plan to its current subscribers")]
        constraints = [
            models.UniqueConstraint(name="billing_plans_code_uniq", fields=["code"]),
            models.UniqueConstraint(name="billing_plans_one_default", fields=["default_key"]),
            models.CheckConstraint(name="billing_plans_applies_to_valid", condition=in_values("applies_to", AppliesTo)),
            models.CheckConstraint(
                name="billing_plans_interval_valid",
                condition=in_values("checkout_interval", PriceInterval, or_null=True),
            ),
            models.CheckConstraint(
                name="billing_plans_amount_not_negative",
                condition=Q(checkout_unit_amount_minor__isnull=True) | Q(checkout_unit_amount_minor__gte=0),
            ),
            models.CheckConstraint(
                name="billing_plans_interval_count_valid", condition=Q(checkout_interval_count__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Product(models.Model):
    """What can be bought beside a plan. Its price is in minor units of currency."""

    code = models.CharField(max_length=CODE_LENGTH)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True, default="")
    product_kind = one_of(ProductKind, default=ProductKind.ONE_OFF)
    provider = models.CharField(max_length=PROVIDER_LENGTH, blank=True, default="")
    provider_price_id = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    provider_product_id = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    currency = models.CharField(max_length=3, blank=True, default="")
    unit_amount_minor = models.BigIntegerField(null=True, blank=True)
    price_interval = one_of(PriceInterval, null=True, blank=True)
    is_active = models.BooleanField(default=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_products"
        constraints = [
            models.UniqueConstraint(name="billing_products_code_uniq", fields=["code"]),
            models.UniqueConstraint(name="billing_products_price_uniq", fields=["provider", "provider_price_id"]),
            models.CheckConstraint(
                name="billing_products_kind_valid", condition=in_values("product_kind", ProductKind)
            ),
            models.CheckConstraint(
                name="billing_products_amount_not_negative",
                condition=Q(unit_amount_minor__isnull=True) | Q(unit_amount_minor__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PlanTemplate(models.Model):
    """What one plan grants of one definition. ``amount`` NULL is unlimited."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="templates", db_index=False)
    definition = models.ForeignKey(
        "billing.Definition",
        on_delete=models.PROTECT,
        db_column="entitlement_definition_id",
        related_name="plan_templates",
        db_index=False,
    )
    amount = models.BigIntegerField(null=True, blank=True)
    grant_kind = one_of(PlanGrantKind, default=PlanGrantKind.PLAN_BASE)
    effective_policy = one_of(EffectivePolicy, default=EffectivePolicy.ON_ASSIGNMENT_CURRENT)
    duration_policy = one_of(DurationPolicy, default=DurationPolicy.WHILE_CURRENT)
    duration_days = models.PositiveIntegerField(null=True, blank=True)
    metadata_json = metadata()

    class Meta:
        db_table = "billing_plan_entitlement_templates"
        verbose_name = "plan entitlement template"
        indexes = [models.Index(name="billing_plan_templates_definition_idx", fields=["definition"])]
        constraints = [
            models.UniqueConstraint(name="billing_plan_templates_uniq", fields=["plan", "definition", "grant_kind"]),
            models.CheckConstraint(
                name="billing_plan_templates_amount_positive",
                condition=Q(amount__isnull=True) | Q(amount__gt=0),
            ),
            models.CheckConstraint(
                name="billing_plan_templates_kind_valid", condition=in_values("grant_kind", PlanGrantKind)
            ),
            models.CheckConstraint(
                name="billing_plan_templates_effective_valid",
                condition=in_values("effective_policy", EffectivePolicy),
            ),
            models.CheckConstraint(
                name="billing_plan_templates_duration_valid",
                condition=in_values("duration_policy", DurationPolicy),
            ),
            models.CheckConstraint(
                name="billing_plan_templates_days_iff_fixed",
                condition=(
                    Q(duration_policy="fixed_duration", duration_days__isnull=False, duration_days__gt=0)
                    | (~Q(duration_policy="fixed_duration") & Q(duration_days__isnull=True))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"template {self.pk}"


class ProductTemplate(models.Model):
    """What one unit of a product grants of one definition. ``amount`` NULL is unlimited."""

    product = models.ForeignKey(
        Product,
        on_delete=models.CASCADE,
        db_column="billing_product_id",
        related_name="templates",
        db_index=False,
    )
    definition = models.ForeignKey(
        "billing.Definition",
        on_delete=models.PROTECT,
        db_column="entitlement_definition_id",
        related_name="product_templates",
        db_index=False,
    )
    amount = models.BigIntegerField(null=True, blank=True)
    grant_kind = one_of(ProductGrantKind)
    duration_days = models.PositiveIntegerField(null=True, blank=True)
    metadata_json = metadata()

    class Meta:
        db_table = "billing_product_entitlement_templates"
        verbose_name = "product entitlement template"
        indexes = [models.Index(name="billing_product_templates_definition_idx", fields=["definition"])]
        constraints = [
            models.UniqueConstraint(
                name="billing_product_templates_uniq", fields=["product", "definition", "grant_kind"]
            ),
            models.CheckConstraint(
                name="billing_product_templates_amount_positive",
                condition=Q(amount__isnull=True) | Q(amount__gt=0),
            ),
            models.CheckConstraint(
                name="billing_product_templates_kind_valid",
                condition=in_values("grant_kind", ProductGrantKind),
            ),
            models.CheckConstraint(
                name="billing_product_templates_days_iff_timeboxed",
                condition=(
                    Q(grant_kind="timeboxed_addon", duration_days__isnull=False, duration_days__gt=0)
                    | Q(grant_kind="one_off_topup", duration_days__isnull=True)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"template {self.pk}"
