"""``GET /api/billing/plan-state``: the plan somebody is on, what comes next, what could be chosen, what was before."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.answers import INTERVALS
from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.subject import read_subject
from billing.engine.types import EntitlementType
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, PriceInterval
from billing.subscriptions.state import read_plan_state
from mozaiks.kit.clock import now
from mozaiks.kit.fields import InstantField, presenter


class PriceAnswer(serializers.Serializer[Any]):
    """A price in minor units of the currency; an amount of null is not for sale here, 0 is free."""

    amountMinor = serializers.IntegerField(source="amount_minor", allow_null=True)
    currency = serializers.CharField()
    interval = serializers.ChoiceField(choices=[interval.value for interval in PriceInterval], allow_null=True)
    intervalCount = serializers.IntegerField(source="interval_count")


class PlanEntitlementAnswer(serializers.Serializer[Any]):
    """What a plan gives of one limit, in its units."""

    code = serializers.CharField()
    name = serializers.CharField()
    entitlementType = serializers.ChoiceField(
        source="entitlement_type", choices=[kind.value for kind in EntitlementType]
    )
    unit = serializers.CharField()
    windowInterval = serializers.ChoiceField(source="window_interval", choices=INTERVALS, allow_null=True)
    amount = serializers.IntegerField(allow_null=True)
    unlimited = serializers.BooleanField()
    grantKind = serializers.ChoiceField(source="grant_kind", choices=[kind.value for kind in PlanGrantKind])
    effectivePolicy = serializers.ChoiceField(
        source="effective_policy", choices=[policy.value for policy in EffectivePolicy]
    )
    durationPolicy = serializers.ChoiceField(
        source="duration_policy", choices=[policy.value for policy in DurationPolicy]
    )
    durationDays = serializers.IntegerField(source="duration_days", allow_null=True)


class PlanAnswer(serializers.Serializer[Any]):
    """A plan as people see it."""

    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    price = PriceAnswer()
    trialDays = serializers.IntegerField(source="trial_days")
    isDefault = serializers.BooleanField(source="is_default")
    isCurrent = serializers.BooleanField(source="is_current")
    entitlements = PlanEntitlementAnswer(many=True)


class AssignmentAnswer(serializers.Serializer[Any]):
    """A plan somebody is, will be or was on, for the period from start to end (null: open)."""

    id = serializers.IntegerField()
    planCode = serializers.CharField(source="plan_code")
    planName = serializers.CharField(source="plan_name")
    status = serializers.ChoiceField(choices=[status.value for status in AssignmentStatus])
    subscriptionStatus = serializers.ChoiceField(
        source="subscription_status", choices=[status.value for status in SubscriptionStatus]
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=[source.value for source in AssignmentSource]
    )
    periodStartAt = InstantField(source="period_start_at")
    periodEndAt = InstantField(source="period_end_at", allow_null=True)
    billingCycle = serializers.CharField(source="billing_cycle")
    nextBillingAt = InstantField(source="next_billing_at", allow_null=True)
    trialEndAt = InstantField(source="trial_end_at", allow_null=True)
    pastDueSinceAt = InstantField(source="past_due_since_at", allow_null=True)
    cancelAtPeriodEnd = serializers.BooleanField(source="cancel_at_period_end")


class CurrentPlanAnswer(serializers.Serializer[Any]):
    """The plan somebody is on, with what it grants, and when it will be left by itself (null: it goes on)."""

    assignment = AssignmentAnswer()
    plan = PlanAnswer()
    accessUntilAt = InstantField(source="access_until_at", allow_null=True)


class NextPlanChangeAnswer(serializers.Serializer[Any]):
    """A change that is scheduled: to which plan, and when."""

    effectiveAt = InstantField(source="effective_at")
    assignment = AssignmentAnswer()
    plan = PlanAnswer()


class PlanSettingsAnswer(serializers.Serializer[Any]):
    """What the installation says about plans."""

    defaultPlanCode = serializers.CharField(source="default_plan_code", allow_null=True)
    mode = serializers.ChoiceField(choices=["self-hosted", "platform"])
    enforceQuotas = serializers.BooleanField(source="enforce_quotas")


class PlanStateAnswer(serializers.Serializer[Any]):
    """Everything a page about somebody's plan shows. The history has the latest first."""

    currentPlan = CurrentPlanAnswer(source="current_plan", allow_null=True)
    nextPlanChange = NextPlanChangeAnswer(source="next_plan_change", allow_null=True)
    availablePlans = PlanAnswer(source="available_plans", many=True)
    history = AssignmentAnswer(many=True)
    settings = PlanSettingsAnswer()


present = presenter(PlanStateAnswer)


class PlanStateView(BillingView):
    """The plan of an entity."""

    @extend_schema(
        operation_id="read_plan_state",
        tags=["plans"],
        summary="The current plan, the next change, the plans to choose from, and the history",
        description="What has begun by itself is shown as done; a renewal is no change of plan. Nothing is written.",
        parameters=[*SELECTORS],
        responses={200: PlanStateAnswer, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        at = now()
        return Response(present(read_plan_state(read_subject(request, now=at), now=at)))
