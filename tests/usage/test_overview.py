"""What the overview reads: the right customers, found by indexes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing.entitlements.balances import note_verified
from billing.models import Balance, BillingEvent, Definition
from billing.usage import days, overview
from billing.usage.overview import Counted
from tests import NOON
from tests.factories import DefinitionFactory, GrantFactory
from tests.gadgets.factories import PressesFactory
from tests.gadgets.services import press
from tests.house.rows import insert
from tests.usage.facts import refusal, use

pytestmark = pytest.mark.django_db
TODAY = NOON.date()


def balance(subject: int, **said: Any) -> Balance:
    row: Balance = insert(
        Balance, **{"subject_id": subject, "definition_id": DefinitionFactory().pk, "granted_amount": 100, **said}
    )
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        ({"consumed_amount": 79}, None),
        ({"consumed_amount": 80}, 80),
        ({"consumed_amount": 70, "held_amount": 10}, 80),
        ({"consumed_amount": 90}, 90),
        ({"consumed_amount": 95}, 95),
        ({"consumed_amount": 99}, 95),
        ({"consumed_amount": 100}, 100),
        ({"consumed_amount": 130, "overage_amount": 30, "over_limit": True}, 100),
        ({"consumed_amount": 100, "closed_at": NOON}, None),
        ({"granted_amount": None, "is_unlimited": True, "consumed_amount": 10**12}, None),
        ({"granted_amount": 0}, None),
        ({"granted_amount": 0, "consumed_amount": 1, "overage_amount": 1, "over_limit": True}, 100),
        ({"granted_amount": 2**63 - 1, "consumed_amount": 2**63 - 1, "held_amount": 2**63 - 1}, 100),
        ({"granted_amount": 2**63 - 1, "consumed_amount": 2**62}, None),
    ],
)
def test_a_balance_notes_how_full_it_is(said: dict[str, Any], percent: int | None) -> None:
    assert balance(1, **said).full_percent == percent


def test_the_engine_keeps_it_true() -> None:
    grant = GrantFactory(amount=10)
    steps = []
    for number in range(10):
        press(grant.subject, str(number))
        steps.append(Balance.objects.get(subject=grant.subject).full_percent)

    assert steps == [None] * 7 + [80, 90, 100]


def test_the_nearest_are_those_at_a_limit_and_then_those_near_it() -> None:
    for subject, used in ((1, 100), (2, 99), (3, 85), (4, 20)):
        balance(subject, consumed_amount=used)
    balance(5, consumed_amount=120, over_limit=True)

    found = overview.nearest(now=NOON)

    assert [(each.subject_id, each.used) for each in found] == [(5, 120), (1, 100), (2, 99), (3, 85)]


def test_a_window_that_is_over_is_nobodys_limit() -> None:
    balance(1, consumed_amount=100, window_start_at=NOON - timedelta(days=30), window_end_at=NOON)

    assert overview.nearest(now=NOON) == []


def test_no_more_than_some_are_named() -> None:
    for subject in range(1, overview.NEAREST + 4):
        balance(subject, consumed_amount=100)
        balance(subject, consumed_amount=90)

    found = overview.nearest(now=NOON)

    assert [each.used for each in found] == [100] * overview.NEAREST + [90] * overview.NEAREST


def test_who_used_most_is_told_by_definition_over_the_last_days() -> None:
    presses: Definition = PressesFactory()
    other: Definition = DefinitionFactory()
    for subject in range(1, 6):
        for back in range(3):
            use(subject, presses.pk, amount=subject, hours=24 * back)
    use(9, presses.pk, amount=10**6, hours=24 * overview.TOP_DAYS)
    use(8, other.pk, amount=1)
    fold()

    found = overview.top([counted(presses), counted(other)], today=TODAY)

    assert [(each.definition.code, each.subject_id, each.used) for each in found] == [
        (presses.code, 5, 15),
        (presses.code, 4, 12),
        (presses.code, 3, 9),
        (other.code, 8, 1),
    ]


def test_usage_and_refusals_are_the_totals_of_days() -> None:
    presses: Definition = PressesFactory()
    use(1, presses.pk, amount=3)
    use(2, presses.pk, amount=4)
    refusal(1, presses.pk)
    refusal(1, presses.pk, advisory=True)
    use(2, presses.pk, amount=7, hours=24 * overview.DAYS)
    fold()

    (found,) = overview.usage(today=TODAY)

    assert found.definition.code == presses.code
    assert {day: (sums.used, sums.refused, sums.advisory) for day, sums in found.by_day.items()} == {TODAY: (7, 1, 1)}
    assert [(code, by_day[TODAY].refused) for code, by_day in found.by_code.items()] == [("BILLING_LIMIT_EXCEEDED", 1)]


def test_a_backlog_is_what_is_due_and_since_when() -> None:
    balance(1, next_change_at=NOON - timedelta(hours=2))
    balance(2, next_change_at=NOON)
    balance(3, next_change_at=NOON + timedelta(seconds=1))

    found = overview.backlog(now=NOON)

    assert (found.due, found.oldest_at) == (2, NOON - timedelta(hours=2))
    assert overview.backlog(now=NOON - timedelta(days=1)).oldest_at is None


def test_the_last_verification_and_the_last_failures_are_found() -> None:
    note_verified(subjects=3, differences=2, now=NOON - timedelta(days=1))
    note_verified(subjects=4, differences=0, now=NOON)
    for number in range(overview.EVENTS + 1):
        insert(BillingEvent, status="failed", error_text=f"Error {number}.", received_at=NOON + timedelta(hours=number))
    insert(BillingEvent, status="processed")

    found = overview.events()

    assert found.verified is not None
    assert found.verified.payload == {"subjects": 4, "differences": 0}
    assert [event.error for event in found.failed] == [f"Error {number}." for number in (5, 4, 3, 2, 1)]


@pytest.mark.server
@pytest.mark.django_db(transaction=True)  # ANALYZE TABLE commits: the rows must be emptied away, not rolled back
def test_the_nearest_are_read_by_their_index() -> None:
    """A full scan, or a sort of everybody on a step, would read more than is named."""
    rows = [balance(subject, consumed_amount=90) for subject in range(1, 4)]
    copy = {
        str(field.column): str(field.column) for field in Balance._meta.local_concrete_fields if not field.generated
    }
    copy |= {"subject_id": "subject_id + seq * 10", "consumed_amount": "seq % 101"}
    columns, values = (", ".join(f"`{each}`" for each in list(copy)[1:]), ", ".join(list(copy.values())[1:]))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO billing_entitlement_balances ({columns}) SELECT {values} FROM billing_entitlement_balances"
            f" JOIN seq_1_to_5000 WHERE id = {rows[0].pk}"
        )
        cursor.execute("ANALYZE TABLE billing_entitlement_balances")
        cursor.fetchall()
        cursor.execute("FLUSH STATUS")

        overview.nearest(now=NOON)

        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%%'")
        read = {name: int(number) for name, number in cursor.fetchall()}
    assert sum(read.values()) < 20 * overview.LOOKED_AT, read


def fold() -> None:
    days.project(now=NOON)
    days.project(now=NOON + days.SETTLE)


def counted(definition: Definition) -> Counted:
    return Counted(id=definition.pk, code=definition.code, name=definition.name, unit=definition.unit)
