"""Another plan for somebody, by staff over HTTP: with a reason, once, and in the customer's timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import BillableEntity, BillingEvent, Grant, PlanAssignment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from mozaiks.kit import clock
from mozaiks.kit.times import utc_z
from tests.api.world import client_of
from tests.console.support import staff
from tests.factories import BillableEntityFactory, PlanFactory, PlanTemplateFactory
from tests.house.rows import insert

pytestmark = pytest.mark.django_db

DOOR = "/api/console/billing/plan-assignments"


@pytest.fixture
def bert() -> APIClient:
    """Somebody who may set plans."""
    return client_of(staff("billing.set_plan", username="bert"))


@pytest.fixture
def entity() -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


def send(client: APIClient, body: Any, *, path: str = "", method: str = "post", key: str = "a-key") -> Any:
    call = getattr(client, method)
    return call(f"{DOOR}{path}", body, format="json", headers={"Idempotency-Key": key} if key else {})


def wish(entity: BillableEntity, **said: Any) -> dict[str, Any]:
    return {"billableEntityId": entity.pk, "planCode": "gold", "reason": "Agreed by telephone.", **said}


def test_a_plan_is_assigned_with_what_it_grants(bert: APIClient, entity: BillableEntity) -> None:
    PlanTemplateFactory(plan__code="gold", amount=7)

    answer = send(bert, wish(entity))

    row = PlanAssignment.objects.get()
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["planCode"], answer.json()["source"]) == (row.pk, "gold", "manual")
    assert [grant.amount for grant in Grant.objects.filter(subject=entity)] == [7]
    noted = BillingEvent.objects.get(event_name="plan.assigned")
    assert (noted.event_type, noted.actor, noted.reason) == ("operator", "bert", "Agreed by telephone.")


def test_a_repeat_gets_the_first_answer_and_does_not_undo_what_came_between(
    bert: APIClient, entity: BillableEntity
) -> None:
    PlanFactory(code="gold")
    silver = PlanFactory(code="silver")
    first = send(bert, wish(entity))
    assign(entity, silver, source=AssignmentSource.MANUAL, now=clock.now())

    again = send(bert, wish(entity))

    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert PlanAssignment.objects.current().get().plan == silver
    assert send(bert, wish(entity, planCode="silver")).json()["code"] == "IDEMPOTENCY_CONFLICT"


def test_a_plan_begins_later_and_its_start_is_moved(bert: APIClient, entity: BillableEntity) -> None:
    assign(entity, PlanFactory(code="free"), source=AssignmentSource.MANUAL, now=clock.now())
    PlanFactory(code="gold")
    soon, later = (utc_z(clock.now() + timedelta(days=days)) for days in (3, 9))

    scheduled = send(bert, wish(entity, startsAt=soon)).json()
    moved = send(
        bert, {"startsAt": later, "reason": "Not yet."}, path=f"/{scheduled['id']}", method="patch", key="another"
    )

    assert (scheduled["status"], scheduled["periodStartAt"]) == ("upcoming", soon)
    assert (moved.status_code, moved.json()["periodStartAt"], moved.json()["planCode"]) == (200, later, "gold")
    assert [row.pk for row in PlanAssignment.objects.filter(status="upcoming")] == [moved.json()["id"]]


def test_terms_of_a_current_assignment_are_changed(bert: APIClient, entity: BillableEntity) -> None:
    row = assign(entity, PlanFactory(), source=AssignmentSource.MANUAL, now=clock.now())
    body = {"subscriptionStatus": "past_due", "billingCycle": "yearly", "reason": "The invoice is open."}

    answer = send(bert, body, path=f"/{row.pk}", method="patch")

    told = answer.json()
    assert (answer.status_code, told["id"], told["billingCycle"]) == (200, row.pk, "yearly")
    assert (told["subscriptionStatus"], told["pastDueSinceAt"] is not None) == ("past_due", True)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"planCode": "nothing"}, "planCode"),
        ({"planCode": "old"}, "planCode"),
        ({"reason": " "}, "reason"),
        ({"when": "tomorrow"}, "when"),
        ({"startsAt": "2001-01-01T00:00:00Z"}, "startsAt"),
        ({"periodEndAt": "2001-01-01T00:00:00Z"}, "periodEndAt"),
        ({"when": "period_end", "periodEndAt": "2101-01-01T00:00:00Z"}, "periodEndAt"),
        ({"billableEntityId": "7"}, "billableEntityId"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(
    bert: APIClient, entity: BillableEntity, said: dict[str, Any], field: str
) -> None:
    PlanFactory(code="gold")
    PlanFactory(code="old", is_active=False)

    answer = send(bert, wish(entity, **said))

    assert (answer.status_code, list(answer.json()["fieldErrors"])) == (400, [field])
    assert not PlanAssignment.objects.exists()
    assert not BillingEvent.objects.exists()


def test_what_belongs_to_the_other_kind_of_assignment_is_refused(bert: APIClient, entity: BillableEntity) -> None:
    current = assign(entity, PlanFactory(), source=AssignmentSource.MANUAL, now=clock.now())
    past = insert(PlanAssignment, status="past")
    theirs = insert(PlanAssignment, source="provider")
    because = {"reason": "Why not."}

    wrong = send(bert, because | {"planCode": "gold"}, path=f"/{current.pk}", method="patch", key="1")
    over = send(bert, because | {"billingCycle": "yearly"}, path=f"/{past.pk}", method="patch", key="2")
    foreign = send(bert, because | {"billingCycle": "yearly"}, path=f"/{theirs.pk}", method="patch", key="3")

    assert (wrong.status_code, list(wrong.json()["fieldErrors"])) == (400, ["planCode"])
    assert (over.status_code, foreign.status_code) == (409, 409)


def test_nobody_and_nothing_are_not_found(bert: APIClient, entity: BillableEntity) -> None:
    PlanFactory(code="gold")

    nobody = send(bert, wish(entity, billableEntityId=entity.pk + 1))
    nothing = send(bert, {"reason": "Why not."}, path="/999999", method="patch")

    assert (nobody.status_code, nobody.json()["code"]) == (404, "NOT_FOUND")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "PLAN_ASSIGNMENT_NOT_FOUND")


def test_a_key_and_the_permission_are_needed(bert: APIClient, entity: BillableEntity) -> None:
    PlanFactory(code="gold")
    looking = client_of(staff("billing.view_planassignment"))

    keyless, denied = send(bert, wish(entity), key=""), send(looking, wish(entity))

    assert (keyless.status_code, keyless.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert (denied.status_code, denied.json()["details"]["permission"]) == (403, "billing.set_plan")
    assert not PlanAssignment.objects.exists()
