"""``/api/billing/payment-methods``: the cards and accounts a provider keeps for a customer."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.bodies import KEY, SitePathField, StrictBody, base_url, home_of, validated
from billing.api.checkout import PROVIDER_FAILURES, respond
from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.keyed import keyed_command_of
from billing.api.subject import may_read, read_subject, write_subject
from billing.models import BillableEntity, PaymentMethod
from billing.payments import customers
from billing.payments.connectors import choosing
from billing.payments.connectors.base import Ability, PaymentConnector, ProviderError
from billing.payments.idempotency import Answer
from billing.payments.keyed import perform_once
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Unavailable
from mozaiks.kit.fields import presenter


class PaymentMethodAnswer(serializers.Serializer[Any]):
    """A way to pay, by what people recognise it by."""

    id = serializers.IntegerField()
    methodType = serializers.CharField(source="method_type")
    brand = serializers.CharField()
    last4 = serializers.CharField()
    expMonth = serializers.IntegerField(source="exp_month", allow_null=True)
    expYear = serializers.IntegerField(source="exp_year", allow_null=True)
    isDefault = serializers.BooleanField(source="is_default")


class PaymentMethodsAnswer(serializers.Serializer[Any]):
    """Ways to pay. ``stale``: the provider does not answer, and this is what it last told."""

    paymentMethods = PaymentMethodAnswer(many=True)
    stale = serializers.BooleanField()


class AddMethodBody(StrictBody):
    """Where the customer comes back to from the provider's page."""

    returnPath = SitePathField(required=False)


class AddMethodAnswer(serializers.Serializer[Any]):
    """The provider's page on which one is added: what a card says never comes here."""

    url = serializers.CharField()


present = presenter(PaymentMethodAnswer)


class PaymentMethodsView(BillingView):
    """All of them, and a new one."""

    @extend_schema(
        operation_id="list_payment_methods",
        tags=["payments"],
        summary="The ways to pay, as the provider tells them now",
        description="Empty where nothing was bought yet.",
        parameters=[*SELECTORS],
        responses={200: PaymentMethodsAnswer, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        at = now()
        entity = read_subject(request, now=at)
        found, stale = _methods(entity, choosing.connector(), at)
        return Response({"paymentMethods": [present(method) for method in found], "stale": stale})

    @extend_schema(
        operation_id="add_payment_method",
        tags=["payments"],
        summary="Send the customer to the provider's page for a new one",
        description="Needs the permission `workspace.billing.manage`, and something bought before.",
        parameters=[*SELECTORS, KEY],
        request=AddMethodBody,
        responses={200: AddMethodAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)
        back = base_url(request) + validated(AddMethodBody, request).get("returnPath", home_of(entity))

        def ask(operation_key: str) -> str:
            chosen = _able_connector()
            customer_id = customers.require_customer(entity, chosen.name)
            return chosen.add_payment_method(customer_id, return_url=back, operation_key=operation_key)

        def keep(url: str) -> Answer:
            return Answer(status_code=status.HTTP_200_OK, body={"url": url})

        return respond(perform_once(entity, "payment-methods.add", command, ask=ask, keep=keep, now=at))


class PaymentMethodView(BillingView):
    """One of them."""

    @extend_schema(
        operation_id="remove_payment_method",
        tags=["payments"],
        summary="Have the provider charge it no more",
        description="The default one stays while a subscription is paid by it (`BILLING_DEPENDENCY_CONFLICT`).",
        parameters=[*SELECTORS, KEY],
        responses={204: OpenApiResponse(description="It is gone."), **PROVIDER_FAILURES},
    )
    def delete(self, request: Request, method_id: int) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)

        def ask(operation_key: str) -> PaymentMethod:
            method = _of(request, entity, method_id)
            chosen = _able_connector()
            customers.require_removable(method)
            chosen.remove_payment_method(method.provider_payment_method_id, operation_key=operation_key)
            return method

        def keep(method: PaymentMethod) -> Answer:
            customers.note_removed(method, now=at)
            return Answer(status_code=status.HTTP_204_NO_CONTENT, body=None)

        return respond(perform_once(entity, "payment-methods.remove", command, ask=ask, keep=keep, now=at))


class DefaultPaymentMethodView(BillingView):
    """Which of them is charged."""

    @extend_schema(
        operation_id="default_payment_method",
        tags=["payments"],
        summary="Charge this one from now on",
        parameters=[*SELECTORS, KEY],
        request=None,
        responses={200: PaymentMethodAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request, method_id: int) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)

        def ask(operation_key: str) -> PaymentMethod:
            method = _of(request, entity, method_id)
            chosen = _able_connector()
            customer_id, method_name = (
                customers.require_customer(entity, chosen.name),
                method.provider_payment_method_id,
            )
            chosen.default_payment_method(customer_id, method_name, operation_key=operation_key)
            return method

        def keep(method: PaymentMethod) -> Answer:
            customers.note_default(method, now=at)
            return Answer(status_code=status.HTTP_200_OK, body=present(method))

        return respond(perform_once(entity, "payment-methods.default", command, ask=ask, keep=keep, now=at))


def _of(request: Request, entity: BillableEntity, method_id: int) -> PaymentMethod:
    return customers.payment_method(entity, method_id, may_see=lambda other: may_read(request, other))


def _able_connector() -> PaymentConnector:
    """:raises OperationNotSupported: it keeps no payment methods."""
    chosen = choosing.connector()
    customers.require_ability(chosen, Ability.PAYMENT_METHODS)
    return chosen


def _methods(entity: BillableEntity, connector: PaymentConnector, at: datetime) -> tuple[list[PaymentMethod], bool]:
    """What the provider tells, written down; or what it last told, where it is silent."""
    customer_id = customers.customer_of(entity, connector.name)
    if customer_id is None or Ability.PAYMENT_METHODS not in connector.abilities:
        return customers.known_methods(entity, connector.name), False
    try:
        seen = connector.payment_methods(customer_id)
    except (ProviderError, Unavailable):
        return customers.known_methods(entity, connector.name), True
    return customers.bring_methods(entity, connector.name, seen, now=at), False
