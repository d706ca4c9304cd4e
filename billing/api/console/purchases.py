"""``/api/console/billing/purchases``: what was paid, and what staff do about it: refund, void, correct."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, ConsoleView
from billing.api.console.entries import (
    ConsoleAdjustment,
    ConsolePurchase,
    ConsolePurchasePage,
    present_adjustment,
    present_purchase,
)
from billing.api.console.filters import BY_ENTITY, YesOrNo, among, any_text, entity_of, text_of, word_of
from billing.api.console.once import DEED_FAILURES, KEY, PROVIDER_FAILURES, Reasoned, by_of, said_in
from billing.api.keyed import keyed_command_of
from billing.api.paging import PAGES, page_of
from billing.entitlements.manual import ByHand
from billing.errors import PurchaseNotFound
from billing.models import Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseKind, PurchaseStatus
from billing.payments import adjustments, by_hand
from mozaiks.kit.clock import now
from mozaiks.kit.commands import mark_replay
from mozaiks.kit.fields import WholeNumberField

TAGS = ["console: payments"]
LOOK = {"GET": ("billing.view_purchase",), "HEAD": ("billing.view_purchase",)}
FLAGGED = OpenApiParameter(
    "flagged",
    {"type": "boolean"},
    OpenApiParameter.QUERY,
    description="`true`: those that somebody has to look at; `false`: the others.",
)


MOST_MINOR = 2**63 - 1


class RefundBody(Reasoned):
    """How much goes back, in minor units; all that is left where it does not say."""

    amountMinor = WholeNumberField(source="amount_minor", min_value=1, max_value=MOST_MINOR, required=False)


class PurchaseCorrectionBody(Reasoned):
    """How much more (negative: less) was paid than the provider told, in minor units."""

    amountMinor = WholeNumberField(source="amount_minor", min_value=-MOST_MINOR, max_value=MOST_MINOR)


class AdjustedAnswer(serializers.Serializer[Any]):
    """What was done, and the purchase as it is now."""

    adjustment = ConsoleAdjustment()
    purchase = ConsolePurchase()


def whole(rows: QuerySet[Purchase]) -> QuerySet[Purchase]:
    """With what is told of each, in one more query."""
    oldest_first = PurchaseAdjustment.objects.order_by("pk")
    return rows.select_related("product", "plan").prefetch_related(Prefetch("adjustments", queryset=oldest_first))


class PurchasesView(ConsoleView):
    """All purchases."""

    permissions = LOOK

    @extend_schema(
        operation_id="list_console_purchases",
        tags=TAGS,
        summary="Confirmed payments, the newest first, with their refunds, voids, corrections and disputes",
        parameters=[
            BY_ENTITY,
            among("status", PurchaseStatus, "Where it stands."),
            among("purchaseKind", PurchaseKind, "What was paid for."),
            FLAGGED,
            any_text("provider", "Of this provider."),
            any_text("providerSubscriptionId", "Invoices of this subscription."),
            *PAGES,
        ],
        responses={200: ConsolePurchasePage, **LIST_FAILURES},
    )
    def get(self, request: Request) -> Response:
        return Response(page_of(request, whole(_chosen(request)).order_by("-pk"), present_purchase))


class AdjustmentView(ConsoleView):
    """Something that staff do about a purchase, once: a repeat is answered from the adjustment its key made."""

    permissions = {"POST": ("billing.adjust_purchases",)}
    body: type[Reasoned] = Reasoned

    def adjust(
        self, purchase: Purchase, said: dict[str, Any], *, by: ByHand, key: str, at: datetime
    ) -> PurchaseAdjustment:
        raise NotImplementedError

    def post(self, request: Request, purchase_id: int) -> Response:
        at, said = now(), said_in(request, self.body)
        key = keyed_command_of(request).operation_key or ""
        purchase = Purchase.objects.select_related("billable_entity").filter(pk=purchase_id).first()
        if purchase is None:
            raise PurchaseNotFound("There is no such purchase.")
        known = PurchaseAdjustment.objects.filter(request_idempotency_key=key).exists()
        made = self.adjust(purchase, said, by=by_of(request, said), key=key, at=at)
        present = whole(Purchase.objects.all()).get(pk=purchase.pk)
        response = Response({"adjustment": present_adjustment(made), "purchase": present_purchase(present)})
        mark_replay(response, replayed=known)
        return response


@extend_schema_view(
    post=extend_schema(
        operation_id="refund_purchase",
        tags=TAGS,
        summary="Refund a purchase, whole or in part, through its provider",
        description="What was granted for it is taken back in proportion; what is used stays used. A refund the provider has"
        " not decided yet has the status `recorded`. Every attempt leaves an adjustment, also one that is refused.",
        parameters=[KEY],
        request=RefundBody,
        responses={200: AdjustedAnswer, **PROVIDER_FAILURES},
    )
)
class RefundView(AdjustmentView):
    """Money back."""

    body = RefundBody

    def adjust(
        self, purchase: Purchase, said: dict[str, Any], *, by: ByHand, key: str, at: datetime
    ) -> PurchaseAdjustment:
        connector = by_hand.provider_of(purchase.provider)
        amount = said.get("amount_minor")
        return adjustments.refund(purchase, amount_minor=amount, by=by, operation_key=key, now=at, connector=connector)


@extend_schema_view(
    post=extend_schema(
        operation_id="void_purchase",
        tags=TAGS,
        summary="Declare a purchase void",
        description="What is left of its grants is taken and they end. No money moves.",
        parameters=[KEY],
        request=Reasoned,
        responses={200: AdjustedAnswer, **DEED_FAILURES},
    )
)
class VoidView(AdjustmentView):
    """Void."""

    def adjust(
        self, purchase: Purchase, said: dict[str, Any], *, by: ByHand, key: str, at: datetime
    ) -> PurchaseAdjustment:
        return adjustments.void(purchase, by=by, operation_key=key, now=at)


@extend_schema_view(
    post=extend_schema(
        operation_id="correct_purchase",
        tags=TAGS,
        summary="Note that more or less was paid than the provider told",
        description="Bookkeeping alone: no money moves, and no units.",
        parameters=[KEY],
        request=PurchaseCorrectionBody,
        responses={200: AdjustedAnswer, **DEED_FAILURES},
    )
)
class CorrectionView(AdjustmentView):
    """A correction."""

    body = PurchaseCorrectionBody

    def adjust(
        self, purchase: Purchase, said: dict[str, Any], *, by: ByHand, key: str, at: datetime
    ) -> PurchaseAdjustment:
        return adjustments.correct(purchase, amount_minor=said["amount_minor"], by=by, operation_key=key, now=at)


def _chosen(request: Request) -> QuerySet[Purchase]:
    """:raises Invalid: a filter that is none."""
    exactly: dict[str, Any] = {
        "billable_entity_id": entity_of(request),
        "status": word_of(request, "status", PurchaseStatus),
        "purchase_kind": word_of(request, "purchaseKind", PurchaseKind),
        "provider": text_of(request, "provider"),
        "provider_subscription_id": text_of(request, "providerSubscriptionId"),
    }
    rows = Purchase.objects.filter(**{name: value for name, value in exactly.items() if value is not None})
    flagged = word_of(request, "flagged", YesOrNo)
    if flagged is None:
        return rows
    return rows.exclude(flag="") if flagged == YesOrNo.YES else rows.filter(flag="")
