"""A workspace whose access has run out: who is refused, who is not, and what it costs those who have access."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from billing.catalog.publishing import publish_product
from billing.engine.types import AdjustmentKind, AdjustmentReason, SourceType
from billing.entitlements import decisions, expiry
from billing.entitlements.balances import recompute
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.entitlements.manual import ByHand, end_grant
from billing.errors import WorkspaceExpired
from billing.models import Balance, BillableEntity, Decision, Definition, Grant, GrantAdjustment
from mozaiks.workspaces.access import enter
from mozaiks.workspaces.models import Membership
from mozaiks.workspaces.roles import PROJECTS_READ, PROJECTS_WRITE
from tests import NOON
from tests.factories import BillableEntityFactory, GrantFactory, MembershipFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=10)
END = NOON + timedelta(days=5)
ACME = "acme"


@pytest.fixture
def bob() -> Membership:
    """Somebody who uses a workspace."""
    entity: BillableEntity = BillableEntityFactory(workspace__slug=ACME, workspace__name="Acme")
    member: Membership = MembershipFactory(workspace=entity.workspace)
    return member


def access(of: Membership, **fields: Any) -> Grant:
    """Access from noon on; the days after its end are ``LATER``."""
    definition = Definition.objects.get(code=WORKSPACE_ACCESS)
    entity = BillableEntity.objects.for_workspace(of.workspace_id).get()
    grant: Grant = GrantFactory(subject=entity, definition=definition, amount=1, **{"expires_at": END, **fields})
    return grant


def test_a_workspace_that_was_never_given_access_is_not_gated(bob: Membership) -> None:
    assert enter(bob.user, ACME, PROJECTS_WRITE, now=NOON) == bob.workspace


def test_while_access_is_granted_everything_is_open(bob: Membership) -> None:
    access(bob)

    assert enter(bob.user, ACME, PROJECTS_WRITE, now=END - timedelta(milliseconds=1)) == bob.workspace


def test_from_the_very_end_on_writes_are_refused_and_looking_is_not(bob: Membership) -> None:
    access(bob)

    with pytest.raises(WorkspaceExpired) as refused:
        enter(bob.user, ACME, PROJECTS_WRITE, now=END)

    assert enter(bob.user, ACME, PROJECTS_READ, now=END) == bob.workspace
    assert refused.value.details == {"workspaceSlug": ACME, "expiredAt": "2026-02-26T12:00:00.000Z", "unlock": []}
    assert "Acme" in refused.value.message


def test_where_the_settings_lock_looking_is_refused_too(bob: Membership, settings: Settings) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"
    access(bob)

    with pytest.raises(WorkspaceExpired):
        enter(bob.user, ACME, PROJECTS_READ, now=LATER)


def test_a_new_grant_opens_at_once(bob: Membership) -> None:
    access(bob)
    with pytest.raises(WorkspaceExpired):
        enter(bob.user, ACME, PROJECTS_WRITE, now=LATER)

    access(bob, effective_at=LATER, expires_at=None, recorded_at=LATER)

    assert enter(bob.user, ACME, PROJECTS_WRITE, now=LATER) == bob.workspace


def test_a_later_grant_that_has_not_begun_does_not_gate_and_one_that_was_voided_never_does(bob: Membership) -> None:
    coming = access(bob, effective_at=END, expires_at=None)
    before = enter(bob.user, ACME, PROJECTS_WRITE, now=NOON)

    end_grant(coming, by=ByHand(actor="bert", reason="It was a mistake."), now=NOON)

    assert before == enter(bob.user, ACME, PROJECTS_WRITE, now=LATER) == bob.workspace


def test_of_two_grants_the_one_that_lasts_keeps_it_open(bob: Membership) -> None:
    access(bob)
    access(bob, expires_at=LATER)

    assert enter(bob.user, ACME, PROJECTS_WRITE, now=END) == bob.workspace
    with pytest.raises(WorkspaceExpired) as refused:
        enter(bob.user, ACME, PROJECTS_WRITE, now=LATER)
    assert refused.value.details["expiredAt"] == "2026-03-03T12:00:00.000Z"


def test_access_that_is_disputed_is_gone_and_its_end_is_not_known(bob: Membership) -> None:
    grant = access(bob, expires_at=None)
    GrantAdjustment.objects.create(
        subject=grant.subject,
        definition=grant.definition,
        grant=grant,
        kind=AdjustmentKind.FREEZE,
        amount=0,
        reason=AdjustmentReason.DISPUTED,
        source_type=SourceType.BILLING_EVENT,
        source_id="1",
        occurred_at=NOON,
        dedupe_key="freeze",
        created_at=NOON,
    )
    recompute(grant.subject, now=NOON)

    with pytest.raises(WorkspaceExpired) as refused:
        enter(bob.user, ACME, PROJECTS_WRITE, now=NOON)

    assert refused.value.details["expiredAt"] is None


def test_a_wiped_balance_shuts_nobody_out(bob: Membership) -> None:
    access(bob)

    Balance.objects.all().delete()

    assert enter(bob.user, ACME, PROJECTS_WRITE, now=NOON) == bob.workspace
    with pytest.raises(WorkspaceExpired):
        enter(bob.user, ACME, PROJECTS_WRITE, now=LATER)
    recompute(BillableEntity.objects.get(), now=NOON)


def test_the_refusal_says_what_would_open_it_again(bob: Membership) -> None:
    fields = {"code": "season", "name": "A season", "unit_amount_minor": 4900, "currency": "EUR"}
    entry = {"code": WORKSPACE_ACCESS, "amount": 1, "grantKind": "timeboxed_addon", "durationDays": 90}
    publish_product(fields, [entry], now=NOON)
    access(bob)

    with pytest.raises(WorkspaceExpired) as refused:
        enter(bob.user, ACME, PROJECTS_WRITE, now=LATER)

    assert [way["code"] for way in refused.value.details["unlock"]] == ["season"]


@pytest.mark.django_db(transaction=True)
def test_in_advisory_mode_they_are_let_through_and_it_is_noted(bob: Membership, settings: Settings) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    settings.BILLING_RECORD_DECISIONS = True
    access(bob)

    entered = enter(bob.user, ACME, PROJECTS_WRITE, now=LATER)

    decisions.flush()
    noted = Decision.objects.get()
    assert entered == bob.workspace
    assert (noted.code, noted.reason, noted.capability) == ("WORKSPACE_EXPIRED", expiry.REASON, PROJECTS_WRITE)
    assert noted.advisory


def test_access_and_its_absence_cost_the_one_statement_of_the_membership(
    bob: Membership, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        enter(bob.user, ACME, PROJECTS_WRITE, now=NOON)

    access(bob)

    with django_assert_num_queries(1):
        enter(bob.user, ACME, PROJECTS_WRITE, now=NOON)
    with django_assert_num_queries(1):
        enter(bob.user, ACME, PROJECTS_READ, now=LATER)
