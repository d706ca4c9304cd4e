"""Something to sell, and somebody who wants it."""

from __future__ import annotations

from typing import Any

from billing.models import Plan, Product
from billing.payments.checkout import Wanted
from mozaiks.kit.commands import Command
from tests.factories import PlanFactory, ProductFactory


def pro(**fields: Any) -> Plan:
    """A plan for 9.00 EUR a month that Stripe sells."""
    sold = {"checkout_provider": "stripe", "checkout_provider_price_id": "price_pro", "checkout_interval": "month"}
    priced = {"checkout_unit_amount_minor": 900, "checkout_currency": "EUR"}
    made: Plan = PlanFactory(**{"code": "pro", **sold, **priced, **fields})
    return made


def pack(**fields: Any) -> Product:
    """A product for 5.00 EUR that Stripe sells."""
    made: Product = ProductFactory(
        **{"code": "pack", "provider": "stripe", "provider_price_id": "price_pack", **fields}
    )
    return made


def wanted(**what: Any) -> Wanted:
    home = {"base_url": "https://billing.example.org", "success_path": "/paid", "cancel_path": "/not-paid"}
    return Wanted(**{**home, "email": "alice@example.org", "requested_by": "alice", **what})


def command(key: str = "k", fingerprint: str = "f") -> Command:
    return Command(operation_key=key, fingerprint=fingerprint, request_id="")
