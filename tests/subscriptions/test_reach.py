"""What becomes of a current subscriber when the templates of today are applied, and what is left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.engine.types import AdjustmentKind
from billing.entitlements.balances import verify
from billing.entitlements.limitations import resolve_effective_limitations
from billing.limits import Use, consume_entitlement
from billing.models import BillableEntity, Definition, Grant, GrantAdjustment, Plan, PlanAssignment, PlanTemplate
from billing.models.assignments import AssignmentSource
from billing.models.catalog import DurationPolicy, EffectivePolicy
from billing.subscriptions.assignments import assign
from billing.subscriptions.reach import Effect, foresee, reach
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.limits import PRESS

pytestmark = pytest.mark.django_db

TODAY = NOON + timedelta(days=1)


def subscriber(plan: Plan, *, period_end_at: datetime | None = None) -> BillableEntity:
    entity = BillableEntityFactory()
    assign(entity, plan, source=AssignmentSource.MANUAL, now=NOON, period_end_at=period_end_at)
    return entity


def apply(plan: Plan, entity: BillableEntity, *, revision: int = 1, now: datetime = TODAY) -> Effect | None:
    return run_in_transaction(lambda: reach(plan, entity.pk, revision=revision, now=now))


def template(definition: Definition, amount: int | None = 10, **said: Any) -> PlanTemplate:
    made: PlanTemplate = PlanTemplateFactory(definition=definition, amount=amount, **said)
    return made


def change(row: PlanTemplate, **said: Any) -> None:
    PlanTemplate.objects.filter(pk=row.pk).update(**said)


def limit(entity: BillableEntity, definition: Definition, *, now: datetime = TODAY) -> Any:
    (found,) = resolve_effective_limitations(entity, now=now, codes=[definition.code]).limitations
    return found


def live(entity: BillableEntity, *, now: datetime = TODAY) -> list[Grant]:
    return list(Grant.objects.for_subject(entity.pk).active_at(now).order_by("pk"))


@pytest.mark.parametrize(("amount", "left", "gains", "loses"), [(100, 92, True, False), (9, 1, False, True)])
def test_the_pool_keeps_what_was_used(amount: int, left: int, gains: bool, loses: bool) -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    consume_entitlement(entity, Use(capability=PRESS, amount=8), now=NOON)
    change(row, amount=amount)

    effect = apply(row.plan, entity)

    assert effect is not None
    assert (effect.gains, effect.loses, effect.over_limit) == (gains, loses, False)
    found = limit(entity, row.definition)
    assert (found.granted_amount, found.consumed_amount, found.effective_amount) == (amount, 8, left)
    assert verify([entity.pk]) == []


def test_who_used_more_than_is_left_is_over_limit() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    consume_entitlement(entity, Use(capability=PRESS, amount=8), now=NOON)
    change(row, amount=5)

    effect = apply(row.plan, entity)

    assert effect is not None
    assert effect.over_limit
    assert [(shift.before, shift.after, shift.used) for shift in effect.shifts] == [(10, 5, 8)]
    assert limit(entity, row.definition).over_limit


def test_the_old_grant_ends_replaced_and_the_new_one_has_the_key_of_the_revision() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    change(row, amount=20)

    apply(row.plan, entity, revision=7)

    old, new = Grant.objects.order_by("pk")
    assignment = PlanAssignment.objects.get()
    assert new.dedupe_key == f"{old.dedupe_key}:r7"
    assert new.dedupe_key.startswith(f"g1:assignment:{assignment.pk}:{row.pk}:")
    assert (new.effective_at, new.expires_at, new.source_id) == (TODAY, None, str(assignment.pk))
    assert [(ending.reason, ending.ended_at) for ending in old.endings.all()] == [("replaced", TODAY)]


def test_doing_it_again_does_nothing() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    change(row, amount=20)
    apply(row.plan, entity)

    assert apply(row.plan, entity) is None
    assert apply(row.plan, entity, revision=2) is None
    assert Grant.objects.count() == 2


def test_a_preview_tells_what_will_be_and_writes_nothing() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    change(row, amount=20)

    foreseen = foresee(row.plan, entity.pk, revision=1, now=TODAY)

    assert foreseen is not None
    assert [(grant.amount, grant.endings.count()) for grant in Grant.objects.all()] == [(10, 0)]
    assert limit(entity, row.definition).granted_amount == 10
    done = apply(row.plan, entity)
    assert done is not None
    assert done.shifts == foreseen.shifts


def test_a_template_that_came_is_granted_and_one_that_went_ends() -> None:
    old = template(PressesFactory())
    entity = subscriber(old.plan)
    new = template(PlacesFactory(), 3, plan=old.plan)
    old.delete()

    effect = apply(new.plan, entity)

    assert effect is not None
    assert (effect.gains, effect.loses) == (True, True)
    assert [grant.template_id for grant in live(entity)] == [new.pk]
    assert verify([entity.pk]) == []


def test_unlimited_is_more_than_any_number() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    change(row, amount=None)

    effect = apply(row.plan, entity)

    assert effect is not None
    assert (effect.gains, effect.loses) == (True, False)
    change(row, amount=2**40)
    effect = apply(row.plan, entity, revision=2)
    assert effect is not None
    assert (effect.gains, effect.loses) == (False, True)


def test_credits_are_not_filled_again() -> None:
    row = template(
        CreditsFactory(),
        effective_policy=EffectivePolicy.ON_PERIOD_PAID,
        duration_policy=DurationPolicy.PERIOD_WINDOW,
    )
    entity = subscriber(row.plan)
    change(row, amount=1000)

    assert apply(row.plan, entity) is None
    assert [grant.amount for grant in live(entity)] == [10]


def test_what_a_payment_grants_is_not_granted_to_those_who_did_not_pay() -> None:
    row = template(PressesFactory(), effective_policy=EffectivePolicy.ON_PERIOD_PAID)
    entity = subscriber(row.plan)

    assert apply(row.plan, entity) is None


def test_a_grant_for_some_days_lives_its_days_and_is_given_once() -> None:
    row = template(PressesFactory(), duration_policy=DurationPolicy.FIXED_DURATION, duration_days=30)
    entity = subscriber(row.plan)
    change(row, amount=500)

    assert apply(row.plan, entity) is None
    assert [grant.amount for grant in live(entity)] == [10]


def test_a_new_gift_for_some_days_begins_today() -> None:
    plan = template(PlacesFactory(), 3).plan
    entity = subscriber(plan)
    gift = template(PressesFactory(), plan=plan, duration_policy=DurationPolicy.FIXED_DURATION, duration_days=30)

    effect = apply(plan, entity)

    assert effect is not None
    given = Grant.objects.get(template_id=gift.pk)
    assert (given.effective_at, given.expires_at) == (TODAY, TODAY + timedelta(days=30))
    assert given.dedupe_key == f"g1:fixed:{entity.pk}:{gift.pk}"
    assert apply(plan, entity, revision=2) is None


def test_a_grant_for_the_period_ends_with_it() -> None:
    row = template(PressesFactory(), duration_policy=DurationPolicy.PERIOD_WINDOW)
    end = NOON + timedelta(days=30)
    entity = subscriber(row.plan, period_end_at=end)
    change(row, amount=20)

    apply(row.plan, entity)

    assert [(grant.amount, grant.expires_at) for grant in live(entity)] == [(20, end)]
    change(row, amount=30)
    assert apply(row.plan, entity, revision=2, now=end) is None


def test_what_a_dispute_froze_stays_frozen() -> None:
    row = template(PressesFactory())
    entity = subscriber(row.plan)
    GrantAdjustment.objects.create(
        subject=entity,
        definition=row.definition,
        grant=Grant.objects.get(),
        kind=AdjustmentKind.FREEZE,
        reason="disputed",
        source_type="billing_purchase",
        occurred_at=NOON,
        dedupe_key="a1:test",
        created_at=NOON,
    )
    change(row, amount=20)

    assert apply(row.plan, entity) is None


def test_who_is_on_another_plan_or_should_be_is_left_out() -> None:
    row = template(PressesFactory())
    left, leaving = subscriber(row.plan), subscriber(row.plan)
    assign(left, PlanFactory(grants_nothing=True), source=AssignmentSource.MANUAL, now=NOON)
    PlanAssignment.objects.create(
        billable_entity=leaving,
        plan=PlanFactory(grants_nothing=True),
        source="manual",
        status="upcoming",
        period_start_at=TODAY,
        anchor_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )
    change(row, amount=20)

    assert apply(row.plan, left) is None
    assert apply(row.plan, leaving) is None


def test_who_never_got_what_the_plan_grants_gets_it_and_is_not_granted_again() -> None:
    plan = PlanFactory()
    entity = subscriber(plan)
    row = template(PressesFactory(), plan=plan)
    assert PlanAssignment.objects.get().projected_at is None

    apply(plan, entity)

    assert [grant.template_id for grant in live(entity)] == [row.pk]
    assert PlanAssignment.objects.get().projected_at == TODAY
