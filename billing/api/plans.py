"""``GET /api/billing/plans``: what can be chosen and bought here, for anybody who looks at the prices."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.answers import INTERVALS
from billing.api.doors import FAILURES, BillingView
from billing.catalog.offers import public_offers
from billing.engine.types import EntitlementType
from billing.models.catalog import (
    DurationPolicy,
    EffectivePolicy,
    PlanGrantKind,
    PriceInterval,
    ProductGrantKind,
    ProductKind,
)

PRICE_INTERVALS = [interval.value for interval in PriceInterval]


class GivenAnswer(serializers.Serializer[Any]):
    """What is given of one limit, in its units; an amount of null is unlimited."""

    code = serializers.CharField(source="definition.code")
    name = serializers.CharField(source="definition.name")
    entitlementType = serializers.ChoiceField(
        source="definition.entitlement_type", choices=[kind.value for kind in EntitlementType]
    )
    unit = serializers.CharField(source="definition.unit")
    windowInterval = serializers.ChoiceField(source="definition.window_interval", choices=INTERVALS, allow_null=True)
    amount = serializers.IntegerField(allow_null=True)
    unlimited = serializers.SerializerMethodField()
    durationDays = serializers.IntegerField(source="duration_days", allow_null=True)

    def get_unlimited(self, template: Any) -> bool:
        return template.amount is None


class GivenByPlanAnswer(GivenAnswer):
    """What a plan gives of one limit."""

    grantKind = serializers.ChoiceField(source="grant_kind", choices=[kind.value for kind in PlanGrantKind])
    effectivePolicy = serializers.ChoiceField(
        source="effective_policy", choices=[policy.value for policy in EffectivePolicy]
    )
    durationPolicy = serializers.ChoiceField(
        source="duration_policy", choices=[policy.value for policy in DurationPolicy]
    )


class GivenByProductAnswer(GivenAnswer):
    """What one piece of a product gives of one limit."""

    grantKind = serializers.ChoiceField(source="grant_kind", choices=[kind.value for kind in ProductGrantKind])


class PlanPriceAnswer(serializers.Serializer[Any]):
    """In minor units of the currency; an amount of null is not for sale here, 0 is free."""

    amountMinor = serializers.IntegerField(source="checkout_unit_amount_minor", allow_null=True)
    currency = serializers.CharField(source="checkout_currency")
    interval = serializers.ChoiceField(source="checkout_interval", choices=PRICE_INTERVALS, allow_null=True)
    intervalCount = serializers.IntegerField(source="checkout_interval_count")


class ProductPriceAnswer(serializers.Serializer[Any]):
    """Of one piece, in minor units of the currency; an amount of null is not for sale here."""

    amountMinor = serializers.IntegerField(source="unit_amount_minor", allow_null=True)
    currency = serializers.CharField()
    interval = serializers.ChoiceField(source="price_interval", choices=PRICE_INTERVALS, allow_null=True)


class OfferedPlanAnswer(serializers.Serializer[Any]):
    """A plan that can be chosen."""

    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    price = PlanPriceAnswer(source="*")
    trialDays = serializers.IntegerField(source="trial_days")
    isDefault = serializers.BooleanField(source="is_default")
    entitlements = GivenByPlanAnswer(source="told_templates", many=True)


class OfferedProductAnswer(serializers.Serializer[Any]):
    """A product that can be bought."""

    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(source="product_kind", choices=[kind.value for kind in ProductKind])
    price = ProductPriceAnswer(source="*")
    entitlements = GivenByProductAnswer(source="told_templates", many=True)


class PlansAnswer(serializers.Serializer[Any]):
    """The public part of the catalog, cheapest first and unpriced last."""

    plans = OfferedPlanAnswer(many=True)
    products = OfferedProductAnswer(many=True)


class PlansView(BillingView):
    """Prices are no secret: nobody needs to sign in."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="list_plans",
        tags=["plans"],
        summary="Plans to choose from, products to buy, and what they give",
        description="The active ones, cheapest first. What somebody is on is in the plan state.",
        responses={200: PlansAnswer, 401: FAILURES[401]},
    )
    def get(self, request: Request) -> Response:
        return Response(PlansAnswer(public_offers()).data)
