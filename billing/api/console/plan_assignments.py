"""``/api/console/billing/plan-assignments``: who is on which plan, and another plan for somebody."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, ConsoleView
from billing.api.console.entries import ConsoleAssignment, ConsoleAssignmentPage, present_assignment
from billing.api.console.filters import BY_ENTITY, among, any_text, entity_of, text_of, word_of
from billing.api.console.once import (
    DEED_FAILURES,
    KEY,
    PROVIDER_FAILURES,
    Reasoned,
    answer_once,
    by_of,
    replied,
    said_in,
)
from billing.api.keyed import keyed_command_of
from billing.api.paging import PAGES, page_of
from billing.entitlements.manual import ByHand
from billing.errors import PlanAssignmentNotFound
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.models.fields import CODE_LENGTH
from billing.payments import steering
from billing.payments.steering import Order
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import cancel_scheduled, schedule
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Conflict, Invalid, NotFound
from mozaiks.kit.fields import TextField, WholeNumberField

TAGS = ["console: customers"]
VIEW, SET_PLAN = ("billing.view_planassignment",), ("billing.set_plan",)


#: How the fields are called in a body.
WIRE_NAMES = {
    "plan": "planCode",
    "plan_code": "planCode",
    "starts_at": "startsAt",
    "period_end_at": "periodEndAt",
    "billing_cycle": "billingCycle",
    "subscription_status": "subscriptionStatus",
}


class When(StrEnum):
    """When a plan begins or ends."""

    NOW = "now"
    PERIOD_END = "period_end"


class AssignmentBody(Reasoned):
    """Another plan for an entity: now, at the end of its period, or at an instant to come."""

    billableEntityId = WholeNumberField(source="entity_id", min_value=1, max_value=2**63 - 1)
    planCode = TextField(source="plan_code", max_length=CODE_LENGTH)
    when = serializers.ChoiceField(choices=[word.value for word in When], default=When.NOW.value)
    startsAt = serializers.DateTimeField(source="starts_at", required=False, help_text="Instead of `when`.")
    periodEndAt = serializers.DateTimeField(
        source="period_end_at", required=False, help_text="When a plan that begins now ends; by default never."
    )


class AssignmentChanges(Reasoned):
    """What shall be different: terms of a current assignment, plan and start of an upcoming one."""

    planCode = TextField(source="plan_code", max_length=CODE_LENGTH, required=False)
    startsAt = serializers.DateTimeField(source="starts_at", required=False)
    billingCycle = TextField(source="billing_cycle", max_length=32, required=False)
    subscriptionStatus = serializers.ChoiceField(
        source="subscription_status",
        choices=[SubscriptionStatus.ACTIVE.value, SubscriptionStatus.PAST_DUE.value],
        required=False,
    )


class AssignmentEnd(Reasoned):
    """When it ends; an upcoming one is dropped whatever is said."""

    when = serializers.ChoiceField(choices=[word.value for word in When], default=When.PERIOD_END.value)


def whole(rows: QuerySet[PlanAssignment]) -> QuerySet[PlanAssignment]:
    """With plan and provider."""
    return rows.select_related("plan", "provider_detail")


@extend_schema_view(
    get=extend_schema(
        operation_id="list_plan_assignments",
        tags=TAGS,
        summary="Who is, was and will be on which plan, the newest first",
        parameters=[
            BY_ENTITY,
            among("status", AssignmentStatus, "Where it is in its life."),
            among("subscriptionStatus", SubscriptionStatus, "How the subscription behind it stands."),
            among("source", AssignmentSource, "Who said so."),
            any_text("planCode", "On this plan."),
            *PAGES,
        ],
        responses={200: ConsoleAssignmentPage, **LIST_FAILURES},
    ),
    post=extend_schema(
        operation_id="assign_plan",
        tags=TAGS,
        summary="Put an entity on a plan, now or later",
        description="The assignment before ends and what is granted changes in the same transaction. A plan that begins"
        " later is scheduled, in place of one that was. Nothing is said to a payment provider.",
        parameters=[KEY],
        request=AssignmentBody,
        responses={201: ConsoleAssignment, **DEED_FAILURES},
    ),
)
class PlanAssignmentsView(ConsoleView):
    """All assignments, and a new one."""

    permissions = {"GET": VIEW, "HEAD": VIEW, "POST": SET_PLAN}

    def get(self, request: Request) -> Response:
        exactly: dict[str, Any] = {
            "billable_entity_id": entity_of(request),
            "status": word_of(request, "status", AssignmentStatus),
            "subscription_status": word_of(request, "subscriptionStatus", SubscriptionStatus),
            "source": word_of(request, "source", AssignmentSource),
            "plan__code": text_of(request, "planCode"),
        }
        chosen = {name: value for name, value in exactly.items() if value is not None}
        rows = whole(PlanAssignment.objects.filter(**chosen)).order_by("-pk")
        return Response(page_of(request, rows, present_assignment))

    def post(self, request: Request) -> Response:
        at, said = now(), said_in(request, AssignmentBody)
        entity = BillableEntity.objects.filter(pk=said["entity_id"]).first()
        if entity is None:
            raise NotFound("There is no such billable entity.")

        def work() -> dict[str, Any]:
            with on_the_wire():
                return _told(_begin(entity, said, by=by_of(request, said), at=at))

        return answer_once(request, entity, "plan.assign", work, now=at, made=True)


@extend_schema_view(
    patch=extend_schema(
        operation_id="change_plan_assignment",
        tags=TAGS,
        summary="Change the terms of a current assignment, or plan and start of an upcoming one",
        description="Answers the assignment that holds from now on: an upcoming one that moves is dropped for a new one."
        " What a payment provider says of its own is changed there.",
        parameters=[KEY],
        request=AssignmentChanges,
        responses={200: ConsoleAssignment, **DEED_FAILURES},
    ),
)
class PlanAssignmentView(ConsoleView):
    """One assignment."""

    permissions = {"PATCH": SET_PLAN}

    def patch(self, request: Request, assignment_id: int) -> Response:
        at, said = now(), said_in(request, AssignmentChanges)
        entity = entity_with(assignment_id)

        def work() -> dict[str, Any]:
            with on_the_wire():
                return _told(_change(_still(assignment_id), said, by=by_of(request, said), at=at))

        return answer_once(request, entity, "plan.change", work, now=at)


@contextmanager
def on_the_wire() -> Iterator[None]:
    """What the rooms refuse is told under the names that fields have in the body."""
    try:
        yield
    except Invalid as refused:
        errors = {WIRE_NAMES.get(name, name): rules for name, rules in refused.field_errors.items()}
        raise Invalid(refused.message, code=refused.code, details=refused.details, field_errors=errors) from None


@extend_schema_view(
    post=extend_schema(
        operation_id="cancel_plan_assignment",
        tags=TAGS,
        summary="End a current assignment, or drop an upcoming one",
        description="A current one ends with its period, or `now`; then the default plan follows. Where a payment provider"
        " keeps the subscription it is told, and its report moves the plan: what is paid for lasts.",
        parameters=[KEY],
        request=AssignmentEnd,
        responses={200: ConsoleAssignment, **PROVIDER_FAILURES},
    )
)
class PlanAssignmentCancelView(ConsoleView):
    """The end of one."""

    permissions = {"POST": SET_PLAN}

    def post(self, request: Request, assignment_id: int) -> Response:
        at, said = now(), said_in(request, AssignmentEnd)
        entity, by = entity_with(assignment_id), by_of(request, said)
        row = PlanAssignment.objects.get(pk=assignment_id)
        if row.status == AssignmentStatus.UPCOMING or (
            row.status == AssignmentStatus.CANCELED and not row.projected_at
        ):
            return answer_once(request, entity, "plan.unschedule", lambda: _drop(row, by=by, at=at), now=at)
        order = Order(by=by, command=keyed_command_of(request), told=lambda: _told(row))
        at_period_end = said["when"] == When.PERIOD_END
        return replied(steering.cancel(entity, order, at_period_end=at_period_end, now=at))


def _drop(row: PlanAssignment, *, by: ByHand, at: datetime) -> dict[str, Any]:
    """:raises Conflict: it was dropped, or has begun meanwhile."""
    _still(row.pk)
    cancel_scheduled(row.billable_entity, now=at, actor=by.actor, reason=by.reason)
    return _told(row)


def entity_with(assignment_id: int) -> BillableEntity:
    """Whose assignment it is. :raises PlanAssignmentNotFound: there is none."""
    row = PlanAssignment.objects.select_related("billable_entity").filter(pk=assignment_id).first()
    if row is None:
        raise PlanAssignmentNotFound("There is no such plan assignment.")
    return row.billable_entity


def _still(assignment_id: int) -> PlanAssignment:
    """The assignment as it is now. :raises Conflict: it is over."""
    row = whole(PlanAssignment.objects.all()).select_related("billable_entity").get(pk=assignment_id)
    if row.status not in (AssignmentStatus.CURRENT, AssignmentStatus.UPCOMING):
        raise Conflict(f"This assignment is {row.status}: nothing of it changes any more.")
    return row


def _told(row: PlanAssignment) -> dict[str, Any]:
    return present_assignment(whole(PlanAssignment.objects.all()).get(pk=row.pk))


def _begin(entity: BillableEntity, said: dict[str, Any], *, by: ByHand, at: datetime) -> PlanAssignment:
    plan, starts_at, ends_at = plan_called(said["plan_code"]), said.get("starts_at"), said.get("period_end_at")
    who: dict[str, Any] = {"actor": by.actor, "reason": by.reason}
    if starts_at is None and said["when"] == When.NOW:
        return assign(entity, plan, source=AssignmentSource.MANUAL, now=at, period_end_at=ends_at, **who)
    if ends_at is not None:
        rule = "Is for a plan that begins now."
        raise Invalid(f"periodEndAt: {rule}", field_errors={"periodEndAt": [rule]})
    return schedule(entity, plan, source=AssignmentSource.MANUAL, now=at, starts_at=starts_at, **who)


def _change(row: PlanAssignment, said: dict[str, Any], *, by: ByHand, at: datetime) -> PlanAssignment:
    """:raises Invalid: it says something about the other kind of assignment."""
    who: dict[str, Any] = {"actor": by.actor, "reason": by.reason}
    upcoming = row.status == AssignmentStatus.UPCOMING
    others = ("billing_cycle", "subscription_status") if upcoming else ("plan_code", "starts_at")
    wrong = [name for name in others if name in said]
    if wrong:
        rule = f"Cannot be said of {'an upcoming' if upcoming else 'a current'} assignment."
        raise Invalid(f"{WIRE_NAMES[wrong[0]]}: {rule}", field_errors={name: [rule] for name in wrong})
    if upcoming:
        plan = plan_called(said["plan_code"]) if "plan_code" in said else row.plan
        starts_at = said.get("starts_at", row.period_start_at)
        return schedule(row.billable_entity, plan, source=AssignmentSource.MANUAL, now=at, starts_at=starts_at, **who)
    if row.source == AssignmentSource.PROVIDER:
        raise Conflict("The payment provider says this of its own subscription: change it there.")
    status = SubscriptionStatus(said.get("subscription_status", row.subscription_status))
    return assign(
        row.billable_entity,
        row.plan,
        source=AssignmentSource(row.source),
        now=at,
        billing_cycle=said.get("billing_cycle", ""),
        subscription_status=status,
        **who,
    )


def plan_called(code: str) -> Plan:
    """:raises Invalid: there is none with this code."""
    plan = Plan.objects.filter(code=code).first()
    if plan is None:
        rule = "There is no plan with this code."
        raise Invalid(f"planCode: {rule}", field_errors={"planCode": [rule]})
    return plan
