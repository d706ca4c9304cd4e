"""``/api/billing/checkout``, ``/portal`` and ``/payment-links``: a customer is sent to the provider's pages."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.bodies import KEY, SitePathField, StrictBody, base_url, home_of, validated
from billing.api.doors import SELECTORS, WRITE_FAILURES, BillingView
from billing.api.keyed import keyed_command_of
from billing.api.subject import write_subject
from billing.models import BillableEntity, CheckoutSession
from billing.models.checkouts import CheckoutStatus
from billing.payments import checkout
from billing.payments.checkout import MOST_PIECES, Wanted
from billing.payments.connectors import choosing
from billing.payments.connectors.base import Ability
from billing.payments.customers import require_ability, require_customer
from billing.payments.idempotency import Answer, answer_once
from mozaiks.kit.clock import now
from mozaiks.kit.commands import mark_replay
from mozaiks.kit.fields import InstantField, TextField, WholeNumberField
from mozaiks.workspaces.models import User

CODE_LENGTH = 120
#: The refusals of doors that call a provider.
PROVIDER_FAILURES = WRITE_FAILURES | {
    409: OpenApiResponse(
        OpenApiTypes.OBJECT, "The state of things contradicts it, or the key does; `code` says which."
    ),
    501: OpenApiResponse(OpenApiTypes.OBJECT, "The payment provider of this installation cannot do this."),
    502: OpenApiResponse(OpenApiTypes.OBJECT, "The provider refused, or did not answer: repeat with the same key."),
    503: OpenApiResponse(OpenApiTypes.OBJECT, "The database, or the secret of a provider, is not there now."),
}


class CheckoutBody(StrictBody):
    """One plan, or one product in a quantity. What it costs is said by the catalog alone."""

    planCode = TextField(max_length=CODE_LENGTH, required=False)
    productCode = TextField(max_length=CODE_LENGTH, required=False)
    quantity = WholeNumberField(min_value=1, max_value=MOST_PIECES, default=1, help_text="Of a product.")
    successPath = SitePathField(required=False, help_text="Where the customer comes back to after paying.")
    cancelPath = SitePathField(required=False, help_text="And without.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """:raises ValidationError: neither or both are named, or several of a plan."""
        if len(attrs.keys() & {"planCode", "productCode"}) != 1:
            raise serializers.ValidationError("Give either a planCode or a productCode.")
        if "planCode" in attrs and attrs["quantity"] != 1:
            raise serializers.ValidationError({"quantity": ["A plan is chosen once."]})
        return attrs


class PaymentLinkBody(StrictBody):
    """A product in a quantity."""

    productCode = TextField(max_length=CODE_LENGTH)
    quantity = WholeNumberField(min_value=1, max_value=MOST_PIECES, default=1)
    successPath = SitePathField(required=False, help_text="Where whoever paid comes to.")


class PortalBody(StrictBody):
    """Where the customer comes back to."""

    returnPath = SitePathField(required=False)


class CheckoutAnswer(serializers.Serializer[Any]):
    """A checkout. The page at ``checkoutUrl`` is the provider's; what was bought is there when the payment is confirmed."""

    checkoutUrl = serializers.CharField(source="checkout_url")
    sessionId = serializers.CharField(source="provider_session_id", allow_null=True)
    status = serializers.ChoiceField(choices=[status.value for status in CheckoutStatus])
    planCode = serializers.CharField(source="plan.code", allow_null=True, default=None)
    productCode = serializers.CharField(source="product.code", allow_null=True, default=None)
    quantity = serializers.IntegerField()
    expiresAt = InstantField(source="expires_at", allow_null=True)


class ClosedAnswer(serializers.Serializer[Any]):
    """Whether a checkout was open."""

    closed = serializers.BooleanField()


class PortalAnswer(serializers.Serializer[Any]):
    """The provider's page on which customers manage what they have."""

    portalUrl = serializers.CharField()


class PaymentLinkAnswer(serializers.Serializer[Any]):
    """A link to pay under, any number of times."""

    paymentLinkUrl = serializers.CharField()
    paymentLinkId = serializers.CharField()


def present_checkout(row: CheckoutSession) -> dict[str, Any]:
    return dict(CheckoutAnswer(row).data)


def wanted_of(request: Request, entity: BillableEntity, said: dict[str, Any], **what: Any) -> Wanted:
    """What is to be bought, with the ways back."""
    user = request.user
    home = home_of(entity)
    return Wanted(
        base_url=base_url(request),
        success_path=said.get("successPath", home),
        cancel_path=said.get("cancelPath", home),
        email=user.email if isinstance(user, User) else "",
        requested_by=user.get_username() if isinstance(user, User) else "service",
        quantity=said.get("quantity", 1),
        **what,
    )


class CheckoutView(BillingView):
    """Buy a plan or a product."""

    @extend_schema(
        operation_id="open_checkout",
        tags=["payments"],
        summary="Send the customer to the provider's page",
        description="Needs the permission `workspace.billing.manage`. Nothing is granted by it, nor by the way back: what is"
        " bought is there when the payment is confirmed. One at a time: while one is open the very same is answered again,"
        " another is a 409 `checkout_session_open` that says which one and where.",
        parameters=[*SELECTORS, KEY],
        request=CheckoutBody,
        responses={201: CheckoutAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)
        said = validated(CheckoutBody, request)

        def work(operation_key: str) -> Answer:
            what = _what(said)
            wanted = wanted_of(request, entity, said, **what)
            opened = checkout.open_checkout(
                entity, wanted, connector=choosing.connector(), operation_key=operation_key, now=at
            )
            return Answer(status_code=201, body=present_checkout(opened))

        return respond(answer_once(entity, "checkout", command, work=work, now=at))

    @extend_schema(
        operation_id="close_checkout",
        tags=["payments"],
        summary="Close the checkout that is open",
        description="At the provider too. Where none is open nothing happens, so that it may be repeated.",
        parameters=[*SELECTORS],
        request=None,
        responses={200: ClosedAnswer, **PROVIDER_FAILURES},
    )
    def delete(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        closed = checkout.close_open(entity, connector=choosing.connector(), now=at)
        return Response({"closed": closed is not None})


class PortalView(BillingView):
    """Manage a subscription at the provider."""

    @extend_schema(
        operation_id="open_portal",
        tags=["payments"],
        summary="The provider's page for invoices, cards and the subscription",
        description="Needs the permission `workspace.billing.manage`, and something bought before.",
        parameters=[*SELECTORS, KEY],
        request=PortalBody,
        responses={200: PortalAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)
        back = base_url(request) + validated(PortalBody, request).get("returnPath", home_of(entity))

        def work(operation_key: str) -> Answer:
            chosen = choosing.connector()
            require_ability(chosen, Ability.PORTAL)
            url = chosen.portal(require_customer(entity, chosen.name), return_url=back, operation_key=operation_key)
            return Answer(status_code=200, body={"portalUrl": url})

        return respond(answer_once(entity, "portal", command, work=work, now=at))


class PaymentLinksView(BillingView):
    """Sell a product by a link."""

    @extend_schema(
        operation_id="create_payment_link",
        tags=["payments"],
        summary="A link under which a product may be paid for this entity",
        description="Needs the permission `workspace.billing.manage`. Whoever has the link may pay, any number of times; each"
        " payment counts for this entity. Plans are chosen by checkout.",
        parameters=[*SELECTORS, KEY],
        request=PaymentLinkBody,
        responses={201: PaymentLinkAnswer, **PROVIDER_FAILURES},
    )
    def post(self, request: Request) -> Response:
        at = now()
        entity = write_subject(request, now=at)
        command = keyed_command_of(request)
        said = validated(PaymentLinkBody, request)
        return respond(answer_once(entity, "payment-links", command, work=_linking(request, entity, said, at), now=at))


def _linking(request: Request, entity: BillableEntity, said: dict[str, Any], at: datetime) -> Any:
    def work(operation_key: str) -> Answer:
        chosen = choosing.connector()
        require_ability(chosen, Ability.PAYMENT_LINKS)
        wanted = wanted_of(request, entity, said, product=checkout.product_for_sale(said["productCode"]))
        link = checkout.payment_link(entity, wanted, connector=chosen, operation_key=operation_key, now=at)
        return Answer(status_code=201, body={"paymentLinkUrl": link.url, "paymentLinkId": link.session_id})

    return work


def _what(said: dict[str, Any]) -> dict[str, Any]:
    if "planCode" in said:
        return {"plan": checkout.plan_for_sale(said["planCode"])}
    return {"product": checkout.product_for_sale(said["productCode"])}


def respond(answer: Answer) -> Response:
    """The answer over HTTP, marked where it was given before."""
    response = Response(answer.body, status=answer.status_code)
    mark_replay(response, replayed=answer.replayed)
    return response
