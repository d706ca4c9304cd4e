"""Applying a plan to its current subscribers in the console: explained, looked at, confirmed with a reason, and gone through."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from billing.catalog.publishing import publish_plan
from billing.models import BillingEvent, Grant, Plan, PlanAssignment, Rollout
from billing.models.assignments import AssignmentSource
from billing.subscriptions import rollouts
from billing.subscriptions.assignments import assign
from console.admin import rollouts as pages
from tests import NOON
from tests.console.support import address, queries_of
from tests.factories import BillableEntityFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan() -> Plan:
    """A plan with three subscribers, whose ten presses became five."""
    row = PlanTemplateFactory(plan__code="gold", definition=PressesFactory(), amount=10)
    subscribe(row.plan, 3)
    entries = [{"code": row.definition.code, "valueJson": {"amount": 5}}]
    return publish_plan({"code": "gold"}, entries, now=NOON)


def subscribe(plan: Plan, number: int) -> None:
    for _ in range(number):
        assign(BillableEntityFactory(), plan, source=AssignmentSource.MANUAL, now=NOON)


def begin(plan: Plan) -> str:
    return address(Plan, "change", plan.pk).replace("/change/", "/roll-out/")


def page_of(rollout: Rollout) -> str:
    return address(Rollout, "change", rollout.pk)


def looked(operator: Client, plan: Plan) -> Rollout:
    answer = operator.post(begin(plan))
    assert answer.status_code == 302
    found = Rollout.objects.latest("pk")
    assert answer["Location"] == page_of(found)
    return found


def amounts() -> list[int | None]:
    return sorted(Grant.objects.filter(endings__isnull=True).values_list("amount", flat=True))  # type: ignore[type-var]


def test_the_first_page_says_what_it_means_and_changes_nothing(operator: Client, plan: Plan) -> None:
    page = operator.get(begin(plan)).content.decode()

    assert "3 customers are on this plan now" in page
    assert not Rollout.objects.exists()


def test_the_button_is_on_the_page_of_the_plan(operator: Client, plan: Plan) -> None:
    assert begin(plan) in operator.get(address(Plan, "change", plan.pk)).content.decode()


def test_a_look_shows_who_would_lose_with_the_way_to_each(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)
    page = operator.get(page_of(found))

    body = page.content.decode()
    assert "Everybody was looked at; nothing was changed yet." in body
    assert body.count("10 → 5, 0 used") == 3
    for assignment in PlanAssignment.objects.all():
        assert f"/admin/billing/billableentity/{assignment.billable_entity_id}/change/" in body
    assert amounts() == [10, 10, 10]


def test_it_is_applied_with_a_reason_and_not_without(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)

    refused = operator.post(page_of(found), {"do": "confirm", "reason": " "})
    done = operator.post(page_of(found), {"do": "confirm", "reason": "Fewer for all."})

    assert refused.status_code == 200
    assert refused.context["form"].errors == {"reason": ["This field is required."]}
    assert done.status_code == 302
    found.refresh_from_db()
    assert (found.status, found.changed, found.lost, found.actor) == ("done", 3, 3, "operator")
    assert amounts() == [5, 5, 5]
    assert set(BillingEvent.objects.filter(event_name="plan.rolled_out").values_list("actor", "reason")) == {
        ("operator", "Fewer for all.")
    }
    assert "Done." in operator.get(page_of(found)).content.decode()


def test_a_second_click_changes_nothing(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)
    for _ in range(2):
        operator.post(page_of(found), {"do": "confirm", "reason": "Fewer for all."})

    assert Grant.objects.count() == 6


def test_a_request_works_for_a_moment_and_the_next_goes_on(
    operator: Client, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SUBSCRIBERS_PER_PAGE", 1)
    monkeypatch.setattr(pages.work, "__kwdefaults__", {"seconds": -1})
    operator.post(begin(plan))
    found = Rollout.objects.get()

    steps: list[tuple[str, int]] = [(found.status, found.seen)]
    while found.status == "looking":
        body = operator.get(page_of(found)).content.decode()
        assert "console/rollout.js" in body
        assert 'value="go_on"' in body
        operator.post(page_of(found), {"do": "go_on"})
        found.refresh_from_db()
        steps.append((found.status, found.seen))

    assert steps == [("looking", 1), ("looking", 2), ("looking", 3), ("ready", 3)]


def test_it_can_be_stopped(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)

    operator.post(page_of(found), {"do": "drop"})

    found.refresh_from_db()
    assert found.status == "dropped"
    assert amounts() == [10, 10, 10]


def test_a_plan_that_was_changed_since_has_to_be_looked_at_again(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)
    publish_plan({"code": "gold"}, [], now=NOON)

    page = operator.get(page_of(found)).content.decode()
    operator.post(page_of(found), {"do": "confirm", "reason": "Fewer."})

    assert "The plan was changed since." in page
    assert 'value="confirm"' not in page
    assert amounts() == [10, 10, 10]


def test_who_begins_while_it_is_applied_is_led_to_it(operator: Client, plan: Plan) -> None:
    from billing.entitlements.manual import ByHand

    found = looked(operator, plan)
    rollouts.confirm(found, by=ByHand(actor="dora", reason="Fewer."), now=NOON)

    answer = operator.post(begin(plan))

    assert answer["Location"] == page_of(found)
    assert Rollout.objects.count() == 1


def test_nobody_to_change_is_said(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)
    operator.post(page_of(found), {"do": "confirm", "reason": "Fewer."})

    again = looked(operator, plan)

    assert "Nobody would see a change" in operator.get(page_of(again)).content.decode()


def test_the_list_is_paged(operator: Client, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SUBSCRIBERS_PER_PAGE", 2)
    found = looked(operator, plan)

    first = operator.get(page_of(found))
    rest = operator.get(page_of(found), {"after": first.context["next"]})

    assert [len(page.context["lines"]) for page in (first, rest)] == [2, 1]
    for odd in ("nobody", "9" * 40, "-1"):
        assert len(operator.get(page_of(found), {"after": odd}).context["lines"]) == 2


@pytest.mark.parametrize("key", ["999999", "nobody"])
def test_what_is_not_there_is_not_found(operator: Client, key: str) -> None:
    assert operator.get(f"/admin/billing/plan/{key}/roll-out/").status_code == 404
    assert operator.get(f"/admin/billing/rollout/{key}/change/").status_code == 404


def test_pages_cost_the_same_whatever_the_number_of_subscribers(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)
    operator.post(page_of(found), {"do": "confirm", "reason": "Fewer."})

    def prices() -> tuple[int, int]:
        return queries_of(operator, begin(plan)), queries_of(operator, page_of(found))

    prices()
    with_three = prices()
    subscribe(plan, 9)

    assert prices() == with_three
    assert max(with_three) <= 12


def test_a_word_nobody_knows_is_refused(operator: Client, plan: Plan) -> None:
    found = looked(operator, plan)

    answers: list[Any] = [operator.post(page_of(found), {"do": word}) for word in ("", "burn")]

    assert [answer.status_code for answer in answers] == [403, 403]
