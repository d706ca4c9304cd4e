"""
The floor: what the bare driver needs to write the same rows.

BEGIN, SELECT … FOR UPDATE, INSERT of the ledger row, INSERT of the domain row, UPDATE of the balance, COMMIT. No decision, no
key, no check: nobody can be faster and still write them.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

from django.db import connection

from billing.models import Balance, Grant
from mozaiks.kit.db import db_time
from tests import NOON

_LOCK = (
    "SELECT id, consumed_amount, effective_amount, head_remaining, version FROM billing_entitlement_balances"
    " WHERE subject_type = 'billable_entity' AND subject_id = %s AND entitlement_definition_id = %s"
    " ORDER BY window_start_at DESC LIMIT 1 FOR UPDATE"
)
_LEDGER = (
    "INSERT INTO billing_entitlement_consumptions (subject_type, subject_id, entitlement_definition_id, amount,"
    " overage_amount, grant_id, advisory, occurred_at, window_start_at, reason_code, operation_key, usage_event_key,"
    " provider_event_id, request_id, dedupe_key, fingerprint, metadata_json, created_at)"
    " VALUES ('billable_entity', %s, %s, 1, 0, %s, 0, %s, %s, 'gadget.press', '', '', '', '', %s, '', '{}', %s)"
)
_DOMAIN = "INSERT INTO gadgets_presses (entity_id, `key`, created_at) VALUES (%s, %s, %s)"
_BALANCE = (
    "UPDATE billing_entitlement_balances SET consumed_amount = %s, effective_amount = %s, head_remaining = %s,"
    " version = %s, updated_at = %s WHERE id = %s"
)


class Floor:
    """A bare connection that books uses of one grant as fast as they can be written."""

    def __init__(self, grant: Grant) -> None:
        import MySQLdb

        options = connection.get_connection_params()
        self._isolation = options.pop("isolation_level", "read committed")
        self._connection: Any = MySQLdb.connect(**options)
        self._connection.autocommit(False)
        self._cursor = self._connection.cursor()
        self._cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {self._isolation}")
        self._connection.commit()
        self.subject_id, self.definition_id, self.grant_id = grant.subject_id, grant.definition_id, grant.pk
        row = Balance.objects.running().get(subject=grant.subject, definition=grant.definition)
        self._window, self._now = db_time(row.window_start_at), db_time(NOON)
        self._keys = (f"floor:{os.getpid()}:{grant.pk}:{number}" for number in itertools.count())

    def book(self, _: int = 0) -> None:
        """One use of one unit, with its domain row."""
        cursor, key = self._cursor, next(self._keys)
        cursor.execute("BEGIN")
        cursor.execute(_LOCK, (self.subject_id, self.definition_id))
        balance_id, consumed, effective, remaining, version = cursor.fetchone()
        cursor.execute(
            _LEDGER, (self.subject_id, self.definition_id, self.grant_id, self._now, self._window, key, self._now)
        )
        cursor.execute(_DOMAIN, (self.subject_id, key, self._now))
        cursor.execute(_BALANCE, (consumed + 1, effective - 1, remaining - 1, version + 1, self._now, balance_id))
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()
