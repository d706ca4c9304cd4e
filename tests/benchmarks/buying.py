"""
A purchase with three templates beside its floor.

The floor is what the bare driver needs to write the same rows: BEGIN, SELECT … FOR UPDATE of three balances, one INSERT of the
purchase, one of its three grants, one of their lots, an UPDATE of each balance with numbers of its own, COMMIT. Nothing is looked
up and nothing decided. Every run buys for a customer of its own who has bought once before, as most have.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

from django.db import connection

from billing.engine.types import LIFETIME_END
from billing.entitlements.scheduled import perform
from billing.models import Balance, BillableEntity, Definition
from billing.payments import purchases
from billing.payments.connectors.facts import PaymentConfirmed, Whose
from mozaiks.kit.db import db_time
from tests import NOON
from tests.benchmarks.measuring import Operation
from tests.factories import BillableEntityFactory, DefinitionFactory, ProductFactory, ProductTemplateFactory

TEMPLATES = 3
_keys = (f"bench-{os.getpid()}-{number}" for number in itertools.count())

_LOCK = (
    "SELECT id, granted_amount, effective_amount, version FROM billing_entitlement_balances"
    " WHERE subject_type = 'billable_entity' AND subject_id = %s AND entitlement_definition_id IN (%s, %s, %s)"
    " ORDER BY id FOR UPDATE"
)
_PURCHASE = (
    "INSERT INTO billing_purchases (billable_entity_id, provider, purchase_kind, status, amount_minor, currency, quantity,"
    " product_id, operation_key, provider_payment_id, provider_price_id, flag, display_name, dedupe_key, purchased_at,"
    " projected_at, metadata_json, created_at, updated_at)"
    " VALUES (%s, 'stripe', 'topup', 'confirmed', 1000, 'EUR', 1, %s, '', %s, %s, '', 'Pack', %s, %s, %s, '{}', %s, %s)"
)
_GRANT = (
    "('billable_entity', %s, %s, 10, 'topup', 'once', %s, 'billing_purchase', %s, %s, '', 'stripe', '', %s,"
    " REPEAT('0', 64), '{}', %s)"
)
_GRANTS = (
    "INSERT INTO billing_entitlement_grants (subject_type, subject_id, entitlement_definition_id, amount, kind, replenish,"
    " effective_at, source_type, source_id, template_id, operation_key, provider, provider_event_id, dedupe_key,"
    " fingerprint, metadata_json, created_at) VALUES " + ", ".join([_GRANT] * TEMPLATES)
)
_LOT = "(%s, %s, 'billable_entity', %s, %s, 10, 10, 2, %s, %s)"
_LOTS = (
    "INSERT INTO billing_entitlement_open_lots (grant_id, window_start_at, subject_type, subject_id,"
    " entitlement_definition_id, granted, remaining, burn_class, effective_at, expires_sort) VALUES "
    + ", ".join([_LOT] * TEMPLATES)
)
_BALANCE = (
    "UPDATE billing_entitlement_balances SET granted_amount = %s, effective_amount = %s, hard_limit_amount = %s, version = %s,"
    " last_event_at = %s, updated_at = %s WHERE id = %s"
)


class Shop:
    """A product with three templates, and customers who have bought it once."""

    def __init__(self, customers: int) -> None:
        self.product = ProductFactory(
            code=next(_keys), provider="stripe", provider_price_id=next(_keys), unit_amount_minor=1000
        )
        self.definitions: list[Definition] = DefinitionFactory.create_batch(TEMPLATES)
        for definition in self.definitions:
            ProductTemplateFactory(product=self.product, definition=definition, amount=10)
        self.customers: list[BillableEntity] = BillableEntityFactory.create_batch(customers)
        for customer in self.customers:
            self.buy(customer)

    def buy(self, customer: BillableEntity) -> None:
        """A payment is confirmed."""
        paid = PaymentConfirmed(
            whose=Whose(),
            paid_at=NOON,
            amount_minor=1000,
            currency="EUR",
            price_id=self.product.provider_price_id,
            payment_id=next(_keys),
        )
        perform(
            lambda: purchases.confirm(paid, provider="stripe", entity_id=customer.pk, event=None, now=NOON), now=NOON
        )

    def operation(self) -> Operation:
        return lambda number: self.buy(self.customers[number])


class Floor:
    """A bare connection that writes the rows of a purchase as fast as they can be written."""

    def __init__(self, shop: Shop) -> None:
        import MySQLdb

        options = connection.get_connection_params()
        isolation = options.pop("isolation_level", "read committed")
        self._connection: Any = MySQLdb.connect(**options)
        self._connection.autocommit(False)
        self._cursor = self._connection.cursor()
        self._cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
        self._connection.commit()
        self._customers = [customer.pk for customer in shop.customers]
        self._product = shop.product
        self._definitions = [definition.pk for definition in shop.definitions]
        row = Balance.objects.running().get(subject=shop.customers[0], definition=shop.definitions[0])
        self._window, self._now = db_time(row.window_start_at), db_time(NOON)

    def buy(self, number: int) -> None:
        """One purchase of three templates."""
        cursor, subject, now = self._cursor, self._customers[number], self._now
        payment = next(_keys)
        cursor.execute("BEGIN")
        cursor.execute(_LOCK, [subject, *self._definitions])
        balances = cursor.fetchall()
        price = self._product.provider_price_id
        cursor.execute(_PURCHASE, [subject, self._product.pk, payment, price, f"payment:stripe:{payment}"] + [now] * 4)
        purchase = cursor.lastrowid
        grants: list[Any] = []
        for place, definition in enumerate(self._definitions):
            grants += [subject, definition, now, str(purchase), place, f"g1:purchase:{purchase}:{place}", now]
        cursor.execute(_GRANTS, grants)
        first, lots = cursor.lastrowid, []
        for place, definition in enumerate(self._definitions):
            lots += [first + place, self._window, subject, definition, now, db_time(LIFETIME_END)]
        cursor.execute(_LOTS, lots)
        for balance, granted, effective, version in balances:
            cursor.execute(_BALANCE, [granted + 10, effective + 10, granted + 10, version + 1, now, now, balance])
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()
