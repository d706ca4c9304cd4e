"""The history of the catalog in the console: what changed, who, when, why; and the way back, seen before it is gone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from billing.catalog.definitions import publish_definition
from billing.catalog.publishing import publish_plan
from billing.catalog.revisions import Author
from billing.models import CatalogRevision, Definition, Plan
from tests import NOON
from tests.console.support import address, queries_of
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory

pytestmark = pytest.mark.django_db

DORA = Author(actor="dora", reason="<b>Agreed</b> in spring.")


@pytest.fixture
def plan() -> Plan:
    """Gold granted 7 reports, then 20, and is called Gilded since."""
    PlanTemplateFactory(plan__code="gold", plan__name="Gold", definition__code="reports.monthly", amount=7)
    entries = [{"code": "reports.monthly", "valueJson": {"amount": 20}}]
    return publish_plan({"code": "gold", "name": "Gilded"}, entries, now=NOON, by=DORA)


def history(row: Any) -> str:
    return address(type(row), "history", row.pk)


def revision(row: Any, number: int) -> str:
    return f"{history(row)}{number}/"


def test_every_change_is_told_with_who_when_why_and_what(operator: Client, plan: Plan) -> None:
    page = operator.get(history(plan)).content.decode()

    for words in (
        "dora",
        "&lt;b&gt;Agreed&lt;/b&gt; in spring.",
        "2026-",
        "Gold",
        "Gilded",
        "reports.monthly (plan_base)",
    ):
        assert words in page
    assert "as it was when its history began" in page
    assert revision(plan, 1) in page
    assert revision(plan, 2) not in page, "it is as it is now"


def test_a_row_that_never_changed_says_so(operator: Client) -> None:
    assert "Nothing was changed here" in operator.get(history(PlanFactory())).content.decode()


def test_going_back_shows_first_what_it_would_change(operator: Client, plan: Plan) -> None:
    page = operator.get(revision(plan, 1))

    (change,) = page.context["changes"]
    assert {each.field for each in change.differences} == {"name", "reports.monthly (plan_base)"}
    assert Plan.objects.get().name == "Gilded"


def test_going_back_is_a_change_with_a_reason(operator: Client, plan: Plan) -> None:
    template = plan.templates.get()

    refused = operator.post(revision(plan, 1), {"reason": ""})
    done = operator.post(revision(plan, 1), {"reason": "It was a mistake."})

    assert refused.status_code == 200
    assert done.status_code == 302
    assert [str(message) for message in get_messages(done.wsgi_request)] == [
        "gold says again what it said in revision 1."
    ]
    plan.refresh_from_db()
    assert plan.name == "Gold"
    assert list(plan.templates.values_list("pk", "amount")) == [(template.pk, 7)]
    latest = CatalogRevision.objects.latest("number")
    assert (latest.number, latest.actor, latest.reason) == (3, "operator", "It was a mistake.")


def test_what_cannot_be_again_is_said_and_left_alone(operator: Client, plan: Plan) -> None:
    publish_plan({"code": "gold"}, [], now=NOON, by=DORA)
    publish_definition({"code": "reports.monthly", "is_active": False}, now=NOON)

    page = operator.get(revision(plan, 2))
    answer = operator.post(revision(plan, 2), {"reason": "Try."})

    assert "is inactive" in page.content.decode()
    assert page.context["form"] is None
    assert answer.status_code == 200
    assert not plan.templates.exists()


def test_a_definition_goes_back_too(operator: Client) -> None:
    definition = DefinitionFactory(code="reports.monthly", name="Reports")
    publish_definition({"code": "reports.monthly", "name": "Papers"}, now=NOON, by=DORA)

    operator.post(revision(definition, 1), {"reason": "Nobody says papers."})

    definition.refresh_from_db()
    assert definition.name == "Reports"


@pytest.mark.parametrize("number", [0, 7, 99_999_999])
def test_a_revision_that_is_not_there_is_not_found(operator: Client, plan: Plan, number: int) -> None:
    assert operator.get(revision(plan, number)).status_code == 404
    assert operator.get(f"/admin/billing/plan/999999/history/{number}/").status_code == 404


def test_the_history_costs_the_same_however_long_it_is(operator: Client, plan: Plan) -> None:
    queries_of(operator, history(plan))
    with_two = queries_of(operator, history(plan))

    for number in range(10):
        publish_plan({"code": "gold", "name": f"Gold {number}"}, now=NOON, by=DORA)

    assert queries_of(operator, history(plan)) == with_two <= 6


def test_what_is_gone_is_still_in_the_table_of_revisions(operator: Client) -> None:
    definition = DefinitionFactory(code="reports.monthly", unit="report")
    operator.post(address(Definition, "delete", definition.pk), {"post": "yes"})

    kept = CatalogRevision.objects.get()

    page = operator.get(address(CatalogRevision, "change", kept.pk)).content.decode()
    assert (kept.action, kept.actor) == ("deleted", "operator")
    assert "&quot;unit&quot;: &quot;report&quot;" in page
