"""A changed plan on its way to its subscribers: looked at, confirmed, applied; interrupted anywhere, nothing happens twice."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.catalog.publishing import publish_plan
from billing.entitlements.balances import verify
from billing.entitlements.manual import ByHand
from billing.models import BillingEvent, CatalogRevision, Grant, Plan, PlanTemplate, Rollout
from billing.models.assignments import AssignmentSource
from billing.subscriptions import rollouts
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.errors import Conflict, Invalid
from tests import NOON
from tests.factories import BillableEntityFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory

pytestmark = pytest.mark.django_db

TODAY = NOON + timedelta(days=1)
DORA = ByHand(actor="dora", reason="More for everybody.")


@pytest.fixture
def plan() -> Plan:
    """A plan with three subscribers, whose ten presses became twenty."""
    row = PlanTemplateFactory(plan__code="gold", definition=PressesFactory(), amount=10)
    for _ in range(3):
        assign(BillableEntityFactory(), row.plan, source=AssignmentSource.MANUAL, now=NOON)
    grant_now(row.plan, 20)
    plan: Plan = row.plan
    return plan


def grant_now(plan: Plan, amount: int) -> None:
    code = plan.templates.get().definition.code
    publish_plan({"code": plan.code}, [{"code": code, "valueJson": {"amount": amount}}], now=TODAY)


def looked(plan: Plan) -> Rollout:
    return finished(rollouts.begin(plan, actor="dora", now=TODAY))


def finished(rollout: Rollout, *, most: int = rollouts.BATCH) -> Rollout:
    while rollout.status in ("looking", "applying"):
        rollout = rollouts.advance(rollout, now=TODAY, most=most)
    return rollout


def applied(plan: Plan) -> Rollout:
    return finished(rollouts.confirm(looked(plan), by=DORA, now=TODAY))


def counts(rollout: Rollout) -> tuple[int, ...]:
    return (rollout.subscribers, rollout.seen, rollout.changed, rollout.gained, rollout.lost, rollout.over_limit)


def given() -> dict[int | None, int]:
    """How many grants each amount has."""
    amounts = list(Grant.objects.values_list("amount", flat=True))
    return {amount: amounts.count(amount) for amount in set(amounts)}


def test_a_look_counts_everybody_and_changes_nobody(plan: Plan) -> None:
    found = looked(plan)

    assert (found.status, counts(found)) == ("ready", (3, 3, 3, 3, 0, 0))
    assert given() == {10: 3}
    assert not BillingEvent.objects.filter(event_name="plan.rolled_out").exists()


def test_what_was_foreseen_is_what_happens(plan: Plan) -> None:
    foreseen = looked(plan)

    done = finished(rollouts.confirm(foreseen, by=DORA, now=TODAY))

    assert (done.status, counts(done)) == ("done", counts(foreseen))
    assert done.foreseen_json["changed"] == 3
    assert given() == {10: 3, 20: 3}
    assert verify() == []


def test_every_changed_customer_hears_who_and_why(plan: Plan) -> None:
    done = applied(plan)

    events = BillingEvent.objects.filter(event_name="plan.rolled_out")
    assert {(event.event_type, event.actor, event.reason) for event in events} == {
        ("operator", "dora", "More for everybody.")
    }
    assert len({event.billable_entity_id for event in events}) == 3
    assert {event.payload_json["rolloutId"] for event in events} == {done.pk}


def test_interrupted_after_any_subscriber_it_goes_on_with_the_next(plan: Plan) -> None:
    rollout = rollouts.confirm(looked(plan), by=DORA, now=TODAY)

    steps = []
    while rollout.status == "applying":
        rollout = rollouts.advance(Rollout.objects.get(pk=rollout.pk), now=TODAY, most=1)
        steps.append((rollout.seen, rollout.changed))

    assert steps == [(1, 1), (2, 2), (3, 3), (3, 3)]
    assert given() == {10: 3, 20: 3}


def test_a_second_runner_changes_and_counts_nobody_again(plan: Plan) -> None:
    rollout = rollouts.confirm(looked(plan), by=DORA, now=TODAY)
    behind = Rollout.objects.select_related("plan").get(pk=rollout.pk)
    rollouts.advance(rollout, now=TODAY, most=2)

    with pytest.raises(rollouts._Overtaken):
        run_in_transaction(lambda: rollouts._move(behind, behind.last_entity_id + 1, None, passed=1, now=TODAY))
    done = finished(behind)

    assert counts(done) == (3, 3, 3, 3, 0, 0)
    assert given() == {10: 3, 20: 3}


def test_a_plan_that_is_changed_meanwhile_stops_its_rollout(plan: Plan) -> None:
    rollout = rollouts.advance(rollouts.confirm(looked(plan), by=DORA, now=TODAY), now=TODAY, most=1)
    grant_now(plan, 30)

    dropped = finished(rollout)

    assert (dropped.status, dropped.changed) == ("dropped", 1)
    assert given() == {10: 3, 20: 1}
    again = applied(plan)
    assert counts(again) == (3, 3, 3, 3, 0, 0)
    assert given() == {10: 3, 20: 1, 30: 3}
    assert verify() == []


def test_a_look_at_what_is_no_more_cannot_be_confirmed(plan: Plan) -> None:
    found = looked(plan)
    grant_now(plan, 30)

    with pytest.raises(Conflict, match="was changed since"):
        rollouts.confirm(found, by=DORA, now=TODAY)


def test_without_a_reason_or_a_look_nothing_is_applied(plan: Plan) -> None:
    begun = rollouts.begin(plan, actor="dora", now=TODAY)

    with pytest.raises(Conflict, match="not waiting"):
        rollouts.confirm(begun, by=DORA, now=TODAY)
    with pytest.raises(Invalid):
        rollouts.confirm(finished(begun), by=ByHand(actor="dora", reason=" "), now=TODAY)
    assert given() == {10: 3}


def test_a_new_look_takes_the_place_of_one_nobody_acted_upon(plan: Plan) -> None:
    first, second = looked(plan), looked(plan)

    first.refresh_from_db()
    assert (first.status, second.status) == ("dropped", "ready")


def test_a_plan_is_applied_once_at_a_time(plan: Plan) -> None:
    rollouts.confirm(looked(plan), by=DORA, now=TODAY)

    with pytest.raises(Conflict, match="already"):
        rollouts.begin(plan, actor="erik", now=TODAY)


def test_who_stops_it_leaves_the_changed_changed(plan: Plan) -> None:
    rollout = rollouts.advance(rollouts.confirm(looked(plan), by=DORA, now=TODAY), now=TODAY, most=1)

    assert rollouts.drop(rollout, now=TODAY).status == "dropped"

    assert finished(rollout).status == "dropped"
    assert given() == {10: 3, 20: 1}


def test_a_second_rollout_of_the_same_plan_finds_nothing_to_do(plan: Plan) -> None:
    applied(plan)

    assert counts(looked(plan)) == (3, 3, 0, 0, 0, 0)


def test_a_plan_without_a_history_begins_one(plan: Plan) -> None:
    row = PlanTemplateFactory(plan__code="silver", definition=PressesFactory(), amount=10)
    entity = BillableEntityFactory()
    assign(entity, row.plan, source=AssignmentSource.MANUAL, now=NOON)
    PlanTemplate.objects.filter(pk=row.pk).update(amount=11)

    done = applied(row.plan)

    assert (done.revision, done.changed) == (1, 1)
    assert CatalogRevision.objects.filter(code="silver").count() == 1


def test_the_list_comes_in_pages_of_those_who_would_see_a_change(plan: Plan) -> None:
    found = looked(plan)

    first, after = rollouts.effects(found, after=0, most=2, now=TODAY)
    assert after is not None
    rest, end = rollouts.effects(found, after=after, most=2, now=TODAY)

    assert [len(first), len(rest), end] == [2, 1, None]
    assert len({effect.entity_id for effect in (*first, *rest)}) == 3


def test_those_who_have_it_all_cost_next_to_nothing(plan: Plan) -> None:
    applied(plan)

    def price() -> int:
        begun = rollouts.begin(plan, actor="dora", now=TODAY)
        with CaptureQueriesContext(connection) as captured:
            rollouts.advance(begun, now=TODAY)
        return len(captured)

    with_three = price()
    for _ in range(5):
        assign(BillableEntityFactory(), plan, source=AssignmentSource.MANUAL, now=TODAY)

    assert price() == with_three <= 14


class TestTheCommand:
    """``manage.py apply_plan_to_subscribers``."""

    def run(self, *args: str, **options: Any) -> str:
        out = StringIO()
        call_command("apply_plan_to_subscribers", *args, stdout=out, **options)
        return out.getvalue()

    def test_a_dry_run_tells_and_changes_nothing(self, plan: Plan) -> None:
        told = self.run("gold", "--dry-run")

        assert "3 of 3 subscribers would change; 3 gain, 0 lose, 0 over limit." in told
        assert "gadgets.presses.monthly: 10 → 20" in told
        assert given() == {10: 3}
        assert not Rollout.objects.open().exists()

    def test_it_applies_with_a_reason_and_a_name(self, plan: Plan) -> None:
        told = self.run("gold", "--reason", "More for everybody.", "--actor", "dora")

        assert "3 of 3 subscribers changed; 3 gain" in told
        assert given() == {10: 3, 20: 3}
        assert Rollout.objects.get().actor == "dora"

    def test_it_goes_on_where_it_was_interrupted(self, plan: Plan) -> None:
        rollouts.advance(rollouts.confirm(looked(plan), by=DORA, now=TODAY), now=TODAY, most=1)

        told = self.run("gold", "--reason", "Again.")

        assert "Going on after 1 of 3 subscribers: More for everybody." in told
        assert given() == {10: 3, 20: 3}
        assert Rollout.objects.count() == 1

    def test_a_second_run_changes_nothing(self, plan: Plan) -> None:
        self.run("gold", "--reason", "More.")

        assert "0 of 3 subscribers would change" in self.run("gold", "--reason", "More.")
        assert given() == {10: 3, 20: 3}

    @pytest.mark.parametrize(
        ("args", "said"), [(("gold",), "--reason is required"), (("lead", "--dry-run"), "There is no plan")]
    )
    def test_what_is_missing_is_told(self, plan: Plan, args: tuple[str, ...], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            self.run(*args)
