"""``/api/console/billing/subscriptions``: what providers call subscriptions, the plans that come of them, and their ends."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, ConsoleView
from billing.api.console.entries import ConsoleSubscription, ConsoleSubscriptionPage, present_subscription
from billing.api.console.filters import BY_ENTITY, any_text, entity_of, text_of
from billing.api.console.once import KEY, PROVIDER_FAILURES, Reasoned, by_of, replied, said_in
from billing.api.console.plan_assignments import When, plan_called
from billing.api.keyed import keyed_command_of
from billing.api.paging import PAGES, page_of
from billing.errors import BillingDependencyConflict, SubscriptionNotFound
from billing.models import AssignmentProviderDetail, BillableEntity, ProviderSubscription
from billing.models.assignments import AssignmentStatus
from billing.models.fields import CODE_LENGTH, KEY_LENGTH
from billing.payments import steering
from billing.payments.idempotency import Answer
from billing.payments.steering import Order
from billing.subscriptions.looking import Subscription
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Conflict
from mozaiks.kit.fields import TextField

TAGS = ["console: payments"]
VIEW, SET_PLAN = ("billing.view_providersubscription",), ("billing.set_plan",)
BY_PROVIDER = any_text("provider", "Whose subscription it is, where two providers have one of this name.")


class SubscriptionChange(Reasoned):
    """Another plan; where `when` is not said, one that costs less waits for the end of the period."""

    planCode = TextField(source="plan_code", max_length=CODE_LENGTH)
    when = serializers.ChoiceField(choices=[word.value for word in When], required=False)


class SubscriptionsView(ConsoleView):
    """All subscriptions of providers."""

    permissions = {"GET": VIEW, "HEAD": VIEW}

    @extend_schema(
        operation_id="list_console_subscriptions",
        tags=TAGS,
        summary="Subscriptions of providers, the newest first, each with the current plan that comes of it",
        parameters=[
            BY_ENTITY,
            any_text("provider", "Of this provider."),
            any_text("providerCustomerId", "Of this customer of the provider."),
            *PAGES,
        ],
        responses={200: ConsoleSubscriptionPage, **LIST_FAILURES},
    )
    def get(self, request: Request) -> Response:
        exactly: dict[str, Any] = {
            "billable_entity_id": entity_of(request),
            "provider": text_of(request, "provider"),
            "provider_customer_id": text_of(request, "providerCustomerId"),
        }
        chosen = {name: value for name, value in exactly.items() if value is not None}
        rows = ProviderSubscription.objects.filter(**chosen).order_by("-pk")
        return Response(page_of(request, rows, present_subscription, prepare=with_assignments))


def with_assignments(rows: list[Any]) -> None:
    """Give each row the ``assignment`` that is current by it, or None; all of them in one query."""
    named = Q(pk__in=[])
    for row in rows:
        named |= Q(provider=row.provider, provider_subscription_id=row.provider_subscription_id)
    details = AssignmentProviderDetail.objects.filter(named, assignment__status=AssignmentStatus.CURRENT)
    found = {
        (detail.provider, detail.provider_subscription_id): detail.assignment
        for detail in details.select_related("assignment__plan")
    }
    for row in rows:
        row.assignment = found.get((row.provider, row.provider_subscription_id))


class SteeringView(ConsoleView):
    """
    Something that is said to the provider of a subscription, once. Its report moves the plan, so that the answer shows what
    was known before it.
    """

    permissions = {"POST": SET_PLAN}
    body: type[Reasoned] = Reasoned

    def steer(self, entity: BillableEntity, order: Order, subscription: Subscription, said: dict[str, Any]) -> Answer:
        raise NotImplementedError

    def post(self, request: Request, subscription_id: str) -> Response:
        said = said_in(request, self.body)
        row = _found(request, subscription_id)
        order = Order(by=by_of(request, said), command=keyed_command_of(request), told=lambda: _told(row))
        named = Subscription(provider=row.provider, subscription_id=row.provider_subscription_id)
        if row.billable_entity is None:
            raise BillingDependencyConflict("Nobody knows whose subscription this is.")
        return replied(self.steer(row.billable_entity, order, named, said))


def _found(request: Request, subscription_id: str) -> ProviderSubscription:
    """:raises SubscriptionNotFound: there is none. :raises Conflict: two providers have one of this name."""
    rows = ProviderSubscription.objects.filter(provider_subscription_id=subscription_id[:KEY_LENGTH])
    provider = text_of(request, "provider")
    if provider is not None:
        rows = rows.filter(provider=provider)
    found = list(rows.select_related("billable_entity")[:2])
    if not found:
        raise SubscriptionNotFound("There is no such subscription.")
    if len(found) > 1:
        raise Conflict("Two providers have a subscription of this name: say which by ?provider=.")
    return found[0]


def _told(row: ProviderSubscription) -> dict[str, Any]:
    with_assignments([row])
    return present_subscription(row)


def _described(**said: Any) -> Any:
    """The description of a door here."""
    shared: dict[str, Any] = {"tags": TAGS, "parameters": [KEY, BY_PROVIDER]}
    return extend_schema_view(
        post=extend_schema(responses={200: ConsoleSubscription, **PROVIDER_FAILURES}, **shared, **said)
    )


@_described(
    operation_id="change_subscription_plan",
    summary="Book another plan with the provider, now or from the next period on",
    request=SubscriptionChange,
)
class SubscriptionChangeView(SteeringView):
    """Another price."""

    body = SubscriptionChange

    def steer(self, entity: BillableEntity, order: Order, subscription: Subscription, said: dict[str, Any]) -> Answer:
        plan, when = plan_called(said["plan_code"]), said.get("when")
        later = None if when is None else when == When.PERIOD_END
        return steering.change_price(
            entity, order, subscription=subscription, plan=plan, at_period_end=later, now=now()
        )


@_described(
    operation_id="cancel_subscription",
    summary="End a subscription at the provider now; what was paid for lasts to the end of its period",
    request=Reasoned,
)
class SubscriptionCancelView(SteeringView):
    """An end at once."""

    at_period_end = False

    def steer(self, entity: BillableEntity, order: Order, subscription: Subscription, said: dict[str, Any]) -> Answer:
        end = self.at_period_end
        return steering.cancel(entity, order, at_period_end=end, now=now(), subscription=subscription)


@_described(
    operation_id="cancel_subscription_at_period_end",
    summary="Let a subscription end with its period",
    request=Reasoned,
)
class SubscriptionEndView(SubscriptionCancelView):
    """An end with the period."""

    at_period_end = True
