"""What was retired, what fails and what somebody else has taken blocks nobody, and is passed once when its time comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from billing.entitlements import boundaries, leases
from billing.entitlements.boundaries import roll, roll_due
from billing.entitlements.resolvers import forget_definitions
from billing.errors import LimitExceeded
from billing.models import BillableEntity, Definition, OpenLot
from tests import NOON
from tests.entitlements.looking import Numbers, balance_of, numbers
from tests.entitlements.working import let_pass, read
from tests.factories import GrantFactory
from tests.gadgets.factories import (
    CreditsFactory,
    PressesFactory,
)
from tests.gadgets.services import charge

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def codes(passed: list[boundaries.Passed]) -> list[str]:
    return [each.code for each in passed]


def retire(definition: Definition, *, active: bool = False) -> None:
    definition.is_active = active
    definition.updated_at += timedelta(seconds=1)
    definition.save()
    forget_definitions()


def test_what_was_retired_is_left_alone_and_blocks_nobody() -> None:
    retired = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    GrantFactory(expires_at=NOON + DAY)
    retire(retired.definition)

    seen = let_pass(NOON + DAY)

    assert codes(seen) == [PressesFactory().code]
    assert balance_of(retired.subject, retired.definition).next_change_at is None


def test_what_comes_back_is_looked_at_again() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    retire(grant.definition)
    let_pass(NOON + DAY)

    retire(grant.definition, active=True)

    assert read(grant.subject, grant.definition, NOON + 2 * DAY).effective_amount == 0
    with pytest.raises(LimitExceeded):
        charge(grant.subject, 1, now=NOON + 2 * DAY)


def poison(entity: BillableEntity) -> None:
    """Its row cannot be rolled: what its grant is of is a word nobody knows."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_entitlement_open_lots SET pool = 'venom' WHERE subject_id = %s", [entity.pk])


def heal(entity: BillableEntity) -> None:
    OpenLot.objects.filter(subject=entity).update(pool=None)


def test_a_row_that_fails_is_put_off_and_the_others_go_on() -> None:
    grants = GrantFactory.create_batch(4, definition=CreditsFactory(), expires_at=NOON + DAY)
    bad = grants[1]
    poison(bad.subject)

    rolled = roll_due(now=NOON + DAY)

    row = balance_of(bad.subject, bad.definition)
    assert (rolled.taken, len(rolled.passed), rolled.put_off) == (4, 3, 1)
    assert (row.attempts, row.retry_at, row.lease_token) == (1, NOON + DAY + leases.FIRST_PAUSE, None)
    heal(bad.subject)


def test_it_is_tried_again_later_and_later() -> None:
    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    poison(grant.subject)
    now, pauses = NOON + DAY, []

    for _ in range(9):
        assert roll_due(now=now).put_off == 1
        assert roll_due(now=now).taken == 0
        retry_at = balance_of(grant.subject, grant.definition).retry_at
        assert retry_at is not None
        pauses.append((retry_at - now).total_seconds())
        now = retry_at
    heal(grant.subject)
    let_pass(now)

    row = balance_of(grant.subject, grant.definition)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert (row.attempts, row.retry_at, row.effective_amount) == (0, None, 0)


def test_a_row_that_is_leased_is_left_to_who_has_it_until_the_lease_runs_out() -> None:
    GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    now = NOON + DAY
    leases.lease_due(now=now, limit=10, duration=timedelta(seconds=60))

    early = roll_due(now=now + timedelta(seconds=59))
    late = roll_due(now=now + timedelta(seconds=60))

    assert (early.taken, len(late.passed)) == (0, 1)


def test_a_worker_that_overslept_leaves_the_rows_to_who_has_them_now() -> None:
    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    now, minute = NOON + DAY, timedelta(seconds=60)
    stalled = leases.lease_due(now=now, limit=10, duration=minute)
    taken_over = leases.lease_due(now=now + minute, limit=10, duration=minute)

    rolled = roll(stalled, now=now)

    assert rolled.passed == ()
    assert balance_of(grant.subject, grant.definition).lease_token == taken_over.token
    assert len(roll(taken_over, now=now + minute).passed) == 1
    assert roll(stalled, now=now).passed == ()


def test_a_row_is_written_only_under_the_lease_it_was_taken_with() -> None:
    """The compare in the statement itself: what a second node would meet that does not see our row locks."""
    from mozaiks.kit.db import run_in_transaction

    grant = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY)
    lease = leases.lease_due(now=NOON + DAY, limit=10, duration=timedelta(seconds=60))
    stored = balance_of(grant.subject, grant.definition)

    def write(token: str) -> None:
        (allowance,) = leases.lock(lease.fresh, lease.token, now=NOON + DAY)
        allowance.row.version = 77
        leases.save([allowance.row], token, now=NOON + DAY)

    run_in_transaction(lambda: write("of somebody else"))

    after = balance_of(grant.subject, grant.definition)
    assert (after.version, after.lease_token) == (stored.version, lease.token)
    run_in_transaction(lambda: write(lease.token))
    assert balance_of(grant.subject, grant.definition).version == 77


def test_a_use_between_lease_and_work_has_done_the_work() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=100, expires_at=NOON + DAY)
    other = GrantFactory(subject=grant.subject, definition=grant.definition, amount=50)
    lease = leases.lease_due(now=NOON + DAY, limit=10, duration=timedelta(seconds=60))
    charge(grant.subject, 1, now=NOON + DAY)

    rolled = roll(lease, now=NOON + DAY)

    assert (rolled.taken, rolled.passed) == (1, ())
    assert numbers(other.subject, other.definition) == Numbers(50, 1, 49)
