"""
Many customers at once, for measuring: ``fill(subjects=100_000)`` writes them set-based into a MariaDB of your own.

``python -m tests.benchmarks.generate --database mozaiks_many`` makes that database, migrates it and fills it; it must not exist.
The rows look like those of a year-old installation and are the same at every run. They are for reading: ids and amounts fit
together, but nobody has proven these balances.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

#: Uses of each subject of each definition; days they are spread over.
USES = 5
DAYS = 30


def fill(*, subjects: int, now: datetime, tell: Callable[[str], None] = lambda _: None) -> None:
    """Write ``subjects`` customers with two limits each, and everything that hangs on them; times end at ``now``."""
    from billing import models as billing
    from mozaiks.workspaces.models import Membership, User, Workspace
    from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory, ProductFactory

    definitions = [DefinitionFactory(code=f"many.calls.{name}", name=f"Calls {name}") for name in ("fast", "slow")]
    plan, product = PlanFactory(code="many"), ProductFactory(code="many")
    for definition in definitions:
        PlanTemplateFactory(plan=plan, definition=definition, amount=100)
    many = Rows(subjects=subjects, now=now)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ends = (month + timedelta(days=32)).replace(day=1)
    stamps = {"created_at": many.past(), "updated_at": many.past()}

    tell("people and workspaces")
    many.write(User, "seq", id="seq + 1000", username="CONCAT('person', seq)", password="'!'", is_active="1")
    many.write(
        Workspace,
        "seq",
        id="seq + 1000",
        name="CONCAT('Company ', seq)",
        slug="CONCAT('company-', seq)",
        created_at=many.past(),
    )
    many.write(
        Membership, "seq", workspace_id="seq + 1000", user_id="seq + 1000", role="'owner'", created_at=many.past()
    )
    many.write(
        billing.BillableEntity,
        "seq",
        id="seq + 1000",
        entity_type="'workspace'",
        workspace_id="seq + 1000",
        owner_user_id="seq + 1000",
        **stamps,
    )
    many.write(
        billing.PlanAssignment,
        "seq",
        id="seq + 1000",
        billable_entity_id="seq + 1000",
        plan_id=str(plan.pk),
        source="'internal'",
        status="'current'",
        period_start_at=many.past(),
        anchor_at=many.past(),
        **stamps,
    )
    many.write(
        billing.AssignmentProviderDetail,
        "seq",
        assignment_id="seq + 1000",
        provider="'mock'",
        provider_subscription_id="CONCAT('sub_', seq)",
    )
    for position, definition in enumerate(definitions):
        tell(f"what {definition.code} gave and took")
        _limit(many, definition.pk, position=position, month=month, ends=ends)
    tell("commerce, refusals and the rest")
    _commerce(many, product_id=product.pk)
    _others(many, definition_id=definitions[0].pk)


def _limit(many: Rows, definition_id: int, *, position: int, month: datetime, ends: datetime) -> None:
    """Grants, balances, lots and uses of one definition. One balance in a hundred is nearly full, and one in five is asleep."""
    from billing import models as billing

    first = 1000 + position * many.subjects
    subject = {"subject_id": "seq + 1000", "entitlement_definition_id": str(definition_id)}
    used = "IF(seq % 5 = 0, 100, IF(seq % 100 = 1, 80 + seq % 21, seq % 80))"
    asleep = "IF(seq % 5 = 0, {0}, {1})"
    many.write(
        billing.Grant,
        "seq",
        id=f"seq + {first}",
        **subject,
        amount="100",
        kind="'plan_base'",
        replenish="'per_window'",
        effective_at=many.past(),
        source_type="'plan_assignment'",
        source_id="seq + 1000",
        dedupe_key=f"CONCAT('g1:many:{position}:', seq)",
        fingerprint="''",
        created_at=many.past(),
    )
    many.write(
        billing.Balance,
        "seq",
        **subject,
        window_start_at=asleep.format(many.at(month - timedelta(days=40)), many.at(month)),
        window_end_at=asleep.format(many.at(month), many.at(ends)),
        next_change_at=asleep.format(many.at(month), many.at(ends)),
        granted_amount="100",
        consumed_amount=used,
        effective_amount=f"100 - {used}",
        hard_limit_amount="100",
        head_grant_id=f"seq + {first}",
        head_pool="'base'",
        plan_granted="100",
        plan_used=used,
        last_event_at=many.past(),
        last_recomputed_at=many.past(),
        created_at=many.past(),
        updated_at=many.past(),
    )
    many.write(
        billing.OpenLot,
        "seq",
        grant_id=f"seq + {first}",
        window_start_at=many.at(month),
        **subject,
        granted="100",
        remaining="NULL",
        pool="'base'",
        burn_class="1",
        effective_at=many.past(),
        expires_sort=many.at(ends),
    )
    for use in range(USES):
        many.write(
            billing.Consumption,
            "seq",
            **subject,
            amount=f"1 + CRC32(CONCAT(seq, '-', {use})) % 7 * POW(10, seq % 1000 = 7)",
            grant_id=f"seq + {first}",
            occurred_at=many.past(salt=use, days=DAYS),
            window_start_at=many.at(month),
            reason_code="'many.call'",
            dedupe_key=f"CONCAT('c1:many:{position}:{use}:', seq)",
            fingerprint="''",
            created_at=many.past(salt=use, days=DAYS),
        )


def _commerce(many: Rows, *, product_id: int) -> None:
    from billing import models as billing

    stamps = {"created_at": many.past(), "updated_at": many.past()}
    many.write(
        billing.BillingEvent,
        "seq",
        id="seq + 1000",
        event_type="IF(seq % 2, 'webhook', 'operator')",
        event_name="IF(seq % 2, 'invoice.paid', 'grant.created')",
        billable_entity_id="seq + 1000",
        provider="IF(seq % 2, 'mock', '')",
        provider_event_id="IF(seq % 2, CONCAT('evt_', seq), NULL)",
        status="IF(seq % 5000 = 1, 'failed', 'processed')",
        error_text="IF(seq % 5000 = 1, 'The customer of the invoice is not known here.', '')",
        attempt_count="1",
        received_at=many.past(),
        occurred_at=many.past(),
    )
    many.write(
        billing.Purchase,
        "seq",
        id="seq + 1000",
        billable_entity_id="seq + 1000",
        provider="'mock'",
        purchase_kind="'one_off'",
        amount_minor="500",
        currency="'EUR'",
        product_id=str(product_id),
        provider_payment_id="CONCAT('pay_', seq)",
        billing_event_id="seq + 1000",
        dedupe_key="CONCAT('p1:many:', seq)",
        purchased_at=many.past(),
        **stamps,
    )
    many.write(
        billing.PurchaseAdjustment,
        "seq",
        purchase_id="seq + 1000",
        action="'refund'",
        status="'succeeded'",
        amount_minor="-500",
        currency="'EUR'",
        request_idempotency_key="CONCAT('r1:many:', seq)",
        **stamps,
    )


def _others(many: Rows, *, definition_id: int) -> None:
    """A row per subject of every other table of the engine."""
    from billing import models as billing

    subject = {"subject_id": "seq + 1000"}
    limit = {**subject, "entitlement_definition_id": str(definition_id)}
    at = {"created_at": many.past(), "occurred_at": many.past()}
    grant, end = "seq + 1000", many.at(many.now + timedelta(days=1))
    code = "IF(seq % 9 = 0, 'STATE_NOT_GRANTED', 'BILLING_LIMIT_EXCEEDED')"
    source = {"source_type": "'manual_console'", "source_id": "'many'"}
    made = {"created_at": many.past()}
    written: list[tuple[Any, dict[str, str]]] = [
        (
            billing.Decision,
            {
                **limit,
                "capability": "'many.call'",
                "code": code,
                "reason": "'exhausted'",
                "requested": "1",
                "`limit`": "100",
                "used": "100",
                "advisory": "seq % 3 = 0",
                "occurred_at": many.past(days=14),
            },
        ),
        (
            billing.GrantEnding,
            {
                **subject,
                "grant_id": grant,
                "ended_at": end,
                "reason": "'replaced'",
                **source,
                **made,
                "dedupe_key": "seq",
            },
        ),
        (
            billing.GrantAdjustment,
            {
                **limit,
                "grant_id": grant,
                "kind": "'take'",
                "amount": "1",
                "reason": "'refunded'",
                **source,
                **at,
                "dedupe_key": "seq",
            },
        ),
        (
            billing.Allocation,
            {
                **limit,
                "kind": "'share'",
                "consumption_id": "seq",
                "window_start_at": many.past(),
                "grant_id": grant,
                "amount": "1",
                **at,
            },
        ),
        (
            billing.Hold,
            {
                **limit,
                "id": "seq + 1000",
                "window_start_at": many.past(),
                "amount": "5",
                "status": "'released'",
                "expires_at": end,
                "dedupe_key": "seq",
                "fingerprint": "''",
                "created_at": many.past(),
                "updated_at": many.past(),
            },
        ),
        (
            billing.HoldEvent,
            {**subject, "hold_id": "seq + 1000", "kind": "'opened'", "amount": "5", "expires_at": end, **at},
        ),
        (
            billing.Operation,
            {**subject, "`key`": "seq", "fingerprint": "''", "capability": "'many.call'", "result": "'{}'", **made},
        ),
        (
            billing.ResourceSnapshot,
            {
                **subject,
                "resource_code": "'seats'",
                "resource_count": "3",
                "snapshot_at": many.past(),
                "source": "'event_driven'",
            },
        ),
    ]
    for model, columns in written:
        many.write(model, "seq", **columns)


class Rows:
    """Writes rows of a model for every number up to ``subjects``; a column that is not named gets its default."""

    def __init__(self, *, subjects: int, now: datetime) -> None:
        self.subjects = int(subjects)
        self.now = now

    def at(self, instant: datetime) -> str:
        return f"'{instant.astimezone(self.now.tzinfo).replace(tzinfo=None)}'"

    def past(self, *, salt: int = 0, days: int = 300) -> str:
        """Some instant of the last ``days``, the same for the same number."""
        return f"{self.at(self.now)} - INTERVAL CRC32(CONCAT(seq, ':', {salt})) % {days * 86_400} SECOND"

    def write(self, model: Any, number: str, **columns: str) -> None:
        from django.db import connection

        given = {name.strip("`"): sql for name, sql in columns.items()}
        for field in model._meta.local_concrete_fields:
            if not field.generated and field.column not in given and not field.primary_key and not field.null:
                given[field.column] = self._default(field)
        names = ", ".join(f"`{name}`" for name in given)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(given.values())}"
                f" FROM seq_1_to_{self.subjects}"
            )

    def _default(self, field: Any) -> str:
        internal = field.get_internal_type()
        if internal == "JSONField":
            return f"'{json.dumps(field.get_default())}'"
        if internal == "DateTimeField":
            return self.at(self.now)
        value = field.get_default()
        return str(int(value)) if isinstance(value, bool | int) else f"'{value or ''}'"


def main() -> int:
    """Make a database, migrate it, and fill it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.generate", description=__doc__)
    parser.add_argument("--database", required=True, help="its name; it must not exist")
    parser.add_argument("--server", default="mysql://root@127.0.0.1:3306", help="URL without the database")
    parser.add_argument("--subjects", type=int, default=100_000)
    given = parser.parse_args()
    os.environ["TEST_DATABASE_URL"] = f"{given.server}/{given.database}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.core.management import call_command

    django.setup()
    make_database(given.database)
    call_command("migrate", verbosity=0)
    from mozaiks.kit import clock

    fill(subjects=given.subjects, now=clock.now(), tell=lambda what: print(f"writing {what} …", flush=True))
    project_days(now=clock.now())
    print(f"{given.database} has {given.subjects:,} subjects.")
    return 0


def make_database(name: str) -> None:
    """Make an empty one, with the collation ours need. :raises ProgrammingError: it is there."""
    import MySQLdb
    from django.db import connection

    options = {key: value for key, value in connection.get_connection_params().items() if key in CONNECTING}
    server = MySQLdb.connect(**options)
    server.cursor().execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    server.close()


CONNECTING = ("host", "port", "user", "password")


def project_days(*, now: datetime) -> None:
    """Fold what was written into days, and say how long it took."""
    from billing.usage import days
    from mozaiks.kit import clock

    days.project(now=now - days.SETTLE)
    started = clock.monotonic()
    projected = days.project(now=now)
    print(f"folded {projected.folded:,} facts into days in {clock.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
