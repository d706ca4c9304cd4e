"""``/api/billing/plan-change``: another plan for who is on one, at once, later, or by a checkout."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.bodies import KEY, SitePathField, StrictBody, validated
from billing.api.checkout import CODE_LENGTH, PROVIDER_FAILURES, respond, wanted_of
from billing.api.doors import SELECTORS, BillingView
from billing.api.keyed import keyed_command_of
from billing.api.subject import write_subject
from billing.payments import plan_changes
from billing.payments.connectors import choosing
from billing.payments.connectors.base import PaymentConnector
from billing.payments.idempotency import Answer
from billing.payments.keyed import perform_once
from billing.payments.plan_changes import Asked
from billing.subscriptions.changes import LimitChange, Mode
from billing.subscriptions.looking import Subscription
from billing.subscriptions.scheduling import cancel_scheduled
from mozaiks.kit.clock import now
from mozaiks.kit.fields import InstantField, TextField, presenter


class PlanBody(StrictBody):
    """A plan of the catalog."""

    planCode = TextField(max_length=CODE_LENGTH)


class PlanChangeBody(PlanBody):
    """And where the customer comes back to, if a checkout is needed."""

    successPath = SitePathField(required=False)
    cancelPath = SitePathField(required=False)


class PlanChangeAnswer(serializers.Serializer[Any]):
    """
    What became of it. ``applied``: with a subscription as soon as the provider confirms it; ``scheduled``: from ``effectiveAt``
    on; ``checkout_required``: after paying at ``checkoutUrl``.
    """

    mode = serializers.ChoiceField(source="decision.mode", choices=[mode.value for mode in Mode])
    planCode = serializers.CharField(source="decision.plan.code")
    effectiveAt = InstantField(source="decision.effective_at", allow_null=True)
    checkoutUrl = serializers.CharField(source="checkout_url", allow_null=True)
    sessionId = serializers.CharField(source="session_id", allow_null=True)


class PlanChangeCanceledAnswer(serializers.Serializer[Any]):
    """Whether something was booked that is taken back now."""

    canceled = serializers.BooleanField()


class LimitChangeAnswer(serializers.Serializer[Any]):
    """A limit before and after, in units; null is unlimited. ``overBy``: how far it would be exceeded."""

    code = serializers.CharField(source="after.code")
    name = serializers.CharField(source="after.name")
    unit = serializers.CharField(source="after.unit")
    grantedBefore = serializers.IntegerField(source="before.granted_amount", allow_null=True)
    grantedAfter = serializers.IntegerField(source="after.granted_amount", allow_null=True)
    used = serializers.IntegerField(source="after.consumed_amount")
    overBy = serializers.SerializerMethodField()

    def get_overBy(self, change: LimitChange) -> int:  # noqa: N802 - as it is on the wire
        return max(0, -(change.after.effective_amount or 0))


class PlanChangePreviewAnswer(serializers.Serializer[Any]):
    """What a change would come to from ``effectiveAt`` on, and the limits it would move."""

    mode = serializers.ChoiceField(source="decision.mode", choices=[mode.value for mode in Mode])
    planCode = serializers.CharField(source="decision.plan.code")
    effectiveAt = InstantField(source="decision.effective_at", allow_null=True)
    limitations = LimitChangeAnswer(source="changes", many=True)


present = presenter(PlanChangeAnswer)


class PlanChangeView(BillingView):
    """Another plan."""

    @extend_schema(
        operation_id="change_plan",
        tags=["plans"],
        summary="Change the plan",
        description="Needs the permission `workspace.billing.manage`. What costs more by the month, the same, or another"
        " currency, begins at once; what costs less, with the end of the period; what costs something and has no"
        " subscription behind it yet, after a checkout.",
        parameters=[*SELECTORS, KEY],
        request=PlanChangeBody,
        responses={200: PlanChangeAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)
        said = validated(PlanChangeBody, request)

        def ask(operation_key: str) -> Asked:
            plan = plan_changes.plan_to_change_to(said["planCode"])
            decision = plan_changes.decide(entity, plan, now=at)
            wanted = wanted_of(request, entity, said, plan=plan)
            return plan_changes.ask_provider(
                entity,
                decision,
                wanted,
                connector=_keeper_of(decision.subscription),
                operation_key=operation_key,
                now=at,
            )

        def keep(asked: Asked) -> Answer:
            done = plan_changes.carry_out(entity, asked, now=at)
            return Answer(status_code=status.HTTP_200_OK, body=present(done))

        return respond(perform_once(entity, "plan-change", command, ask=ask, keep=keep, now=at))


class PlanChangeCancelView(BillingView):
    """No other plan after all."""

    @extend_schema(
        operation_id="cancel_plan_change",
        tags=["plans"],
        summary="Take back the change, or the end, that is booked for the end of the period",
        parameters=[*SELECTORS, KEY],
        request=None,
        responses={200: PlanChangeCanceledAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)

        def ask(operation_key: str) -> bool:
            booked = plan_changes.booked_with_provider(entity, now=at)
            if booked is not None:
                _keeper_of(booked).resume(booked.subscription_id, operation_key=operation_key)
            return booked is not None

        def keep(resumed: bool) -> Answer:
            canceled = resumed or cancel_scheduled(entity, now=at)
            return Answer(status_code=status.HTTP_200_OK, body={"canceled": canceled})

        return respond(perform_once(entity, "plan-change.cancel", command, ask=ask, keep=keep, now=at))


class PlanChangePreviewView(BillingView):
    """What another plan would come to."""

    @extend_schema(
        operation_id="preview_plan_change",
        tags=["plans"],
        summary="What would change, and over which limits one would be",
        description="The real change, made and taken back: nothing stays of it. What has to be paid counts as paid.",
        parameters=[*SELECTORS],
        request=PlanBody,
        responses={200: PlanChangePreviewAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        plan = plan_changes.plan_to_change_to(validated(PlanBody, request)["planCode"])
        return Response(PlanChangePreviewAnswer(plan_changes.preview(entity, plan, now=at)).data)


def _keeper_of(subscription: Subscription | None) -> PaymentConnector:
    """Who keeps a subscription, also where payments are taken by another by now; else who takes payments."""
    if subscription is None:
        return choosing.connector()
    return choosing.connector_named(subscription.provider)
