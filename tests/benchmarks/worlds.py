"""Subjects to measure on: with one grant, with a thousand, with a million rows of history."""

from __future__ import annotations

from django.db import connection

from billing.engine.types import GrantKind, Replenish, SourceType
from billing.entitlements import grants
from billing.entitlements.balances import recompute
from billing.entitlements.resolvers import definition_by_id
from billing.models import BillableEntity, Definition, Grant
from mozaiks.kit.db import db_time, run_in_transaction
from tests import NOON
from tests.factories import BillableEntityFactory, GrantFactory
from tests.gadgets.factories import PressesFactory

PLENTY = 10**12
HISTORY = 1_000_000


def with_one_grant(amount: int = PLENTY) -> Grant:
    """A subject with one lasting grant of presses."""
    grant: Grant = GrantFactory(amount=amount)
    return grant


def with_many_grants(number: int, amount: int = PLENTY) -> Grant:
    """A subject with ``number`` open grants; returns the one that pays first."""
    entity: BillableEntity = BillableEntityFactory()
    definition: Definition = PressesFactory()
    new = [
        grants.NewGrant(
            info=definition_by_id(definition.pk),
            amount=amount,
            kind=GrantKind.TOPUP,
            replenish=Replenish.ONCE,
            effective_at=NOON,
            source_type=SourceType.MANUAL_CONSOLE,
            source_id="benchmarks",
            dedupe_key=f"g1:benchmark:{entity.pk}:{index}",
        )
        for index in range(number)
    ]
    run_in_transaction(lambda: grants.record(entity.pk, new=new, now=NOON))
    return Grant.objects.filter(subject=entity).order_by("pk")[0]


def with_history(rows: int = HISTORY) -> Grant:
    """A subject whose running window has ``rows`` uses in the ledger already; the balance is rebuilt from them."""
    grant = with_one_grant()
    now = db_time(NOON)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_entitlement_consumptions (subject_type, subject_id, entitlement_definition_id, amount,"
            " overage_amount, grant_id, advisory, occurred_at, window_start_at, reason_code, operation_key,"
            " usage_event_key, provider_event_id, request_id, dedupe_key, fingerprint, metadata_json, created_at)"
            " SELECT 'billable_entity', %s, %s, 1, 0, %s, 0, %s, %s, 'gadget.press', '', '', '', '',"
            " CONCAT('c1:history:', %s, ':', seq), '', '{}', %s FROM seq_1_to_" + str(int(rows)),
            [grant.subject_id, grant.definition_id, grant.pk, now, db_time(NOON.replace(day=1, hour=0)), grant.pk, now],
        )
    recompute(grant.subject, now=NOON)
    return grant
