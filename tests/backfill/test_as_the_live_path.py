"""What the backfill writes is what the live path would have written, key by key and row by row."""

from functools import partial

import pytest

from billing.backfill import chunks
from billing.backfill.pending import next_subjects, read_offers
from billing.backfill.run import Progress, project
from billing.engine import keys
from billing.entitlements.balances import recompute, verify
from billing.models import Balance, BillableEntity, Grant, PlanAssignment, Purchase
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.backfill.doing import backfill, counts, forget_everything, picture
from tests.backfill.old_style import population

pytestmark = pytest.mark.django_db


def one_by_one() -> None:
    """Every waiting subject by the live path."""
    offers, last = read_offers(), 0
    while subject_ids := next_subjects(offers, after=last, size=100):
        for subject_id in subject_ids:
            run_in_transaction(partial(chunks._project_one, subject_id, offers, now=NOON))
        last = subject_ids[-1]


def test_every_row_is_the_same() -> None:
    population(150)
    _, progress = backfill(chunk=40)
    set_based = picture()
    forget_everything()

    one_by_one()

    live = picture()
    assert progress.written.one_by_one == 30, "those on the plan with windows of their own, and nobody else"
    for what in ("grants", "balances", "lots"):
        assert len(set_based[what]) == len(live[what])
        for ours, theirs in zip(set_based[what], live[what], strict=True):
            assert ours == theirs


def test_keys_made_in_sql_are_those_the_engine_makes() -> None:
    population(150)

    backfill()

    assignments, purchases = PlanAssignment.objects.in_bulk(), Purchase.objects.in_bulk()
    kinds = set()
    for grant in Grant.objects.all():
        made = grant.dedupe_key
        source, template = int(grant.source_id), grant.template_id or 0
        kinds.add(made.split(":")[1])
        if grant.source_type == "billing_purchase":
            assert made == keys.purchase_grant_key(source, template)
            assert purchases[source].purchased_at == grant.effective_at
        elif made.startswith("g1:fixed:"):
            assert made == keys.fixed_grant_key(grant.subject_id, template)
        else:
            assert made == keys.assignment_grant_key(source, template, assignments[source].period_start_at)
        assert grant.fingerprint == keys.fingerprint(
            {
                "source": [grant.source_type, grant.source_id],
                "subject": grant.subject_id,
                "template": template,
                "period": [grant.effective_at, grant.expires_at],
            }
        )
    assert kinds == {"assignment", "fixed", "purchase"}


def test_projections_are_those_a_rebuild_gives() -> None:
    population(60)

    backfill()

    assert verify() == []
    before = picture()
    for entity in BillableEntity.objects.all():
        recompute(entity, now=NOON)
    assert picture() == before


def test_somebody_the_engine_knows_already_is_granted_by_the_live_path() -> None:
    population(20)
    prepared, _ = backfill()
    everything = picture()
    forget_everything()
    assignment = PlanAssignment.objects.filter(plan__code="free").order_by("pk")[0]
    entity = BillableEntity.objects.get(pk=assignment.billable_entity_id)
    run_in_transaction(lambda: chunks._project_one(entity.pk, read_offers(), now=NOON))
    PlanAssignment.objects.filter(pk=assignment.pk).update(projected_at=None)
    versions = dict(Balance.objects.values_list("pk", "version"))

    progress = Progress()
    project(progress, now=NOON)

    assert prepared.prospect.sources == 20 + Purchase.objects.count()
    assert picture() == everything
    assert progress.written.known == 1
    assert {pk: Balance.objects.get(pk=pk).version for pk in versions} == versions


def test_a_balance_that_is_missing_is_rebuilt() -> None:
    population(10)
    backfill()
    before = picture()
    Balance.objects.filter(definition__code="places.max").delete()

    _, progress = backfill()

    assert progress.rebuilt > 0
    assert picture() == before
    assert counts()[0] == len(before["grants"])
