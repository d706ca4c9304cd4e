"""``GET /api/wallet``: what the registered wallet says; null where nobody keeps wallets."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.doors import FAILURES, SELECTORS, BillingView
from billing.api.subject import read_subject
from billing.wallet import read_balance
from mozaiks.kit.clock import now
from mozaiks.kit.fields import presenter


class WalletBalanceAnswer(serializers.Serializer[Any]):
    """Money in the wallet, in minor units of the currency."""

    amountMinor = serializers.IntegerField(source="amount_minor")
    currency = serializers.CharField()


class WalletAnswer(serializers.Serializer[Any]):
    """The wallet of an entity; null where there is none."""

    wallet = WalletBalanceAnswer(allow_null=True)


present_balance = presenter(WalletBalanceAnswer)


class WalletView(BillingView):
    """The wallet of an entity."""

    @extend_schema(
        operation_id="read_wallet",
        tags=["wallet"],
        summary="What is in the wallet",
        parameters=[*SELECTORS],
        responses={200: WalletAnswer, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        balance = read_balance(read_subject(request, now=now()).pk)
        return Response({"wallet": None if balance is None else present_balance(balance)})
