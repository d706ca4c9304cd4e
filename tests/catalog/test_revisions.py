"""The history of the catalog: every change once, with who and why, and enough to go back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.catalog import exchange
from billing.catalog.definitions import delete_definition, publish_definition
from billing.catalog.problems import CatalogInvalid
from billing.catalog.publishing import OMITTED, publish_plan, publish_product
from billing.catalog.revisions import Author
from billing.models import CatalogRevision, Plan, PlanTemplate, Product
from tests import NOON
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory, ProductTemplateFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=1)
DORA = Author(actor="dora", reason="Agreed in spring.")


def entry(code: str, amount: int | None) -> dict[str, Any]:
    return {"code": code, "valueJson": {"amount": amount}}


def told() -> list[tuple[str, int, str, str, str]]:
    rows = CatalogRevision.objects.order_by("pk")
    return [(row.code, row.number, row.action, row.actor, row.reason) for row in rows]


def test_a_new_plan_begins_its_history_with_all_that_it_says() -> None:
    DefinitionFactory(code="reports.monthly")

    publish_plan({"code": "gold", "name": "Gold"}, [entry("reports.monthly", 20)], now=NOON, by=Author(actor="dora"))

    (revision,) = CatalogRevision.objects.all()
    assert told() == [("gold", 1, "created", "dora", "")]
    assert (revision.kind, revision.created_at) == ("plan", NOON)
    assert revision.content["name"] == "Gold"
    assert [each["valueJson"] for each in revision.content["entitlements"]] == [{"amount": 20}]


def test_a_change_is_kept_with_who_when_and_why_and_with_what_was_before() -> None:
    plan = PlanTemplateFactory(plan__code="gold", definition__code="reports.monthly", amount=7).plan

    publish_plan({"code": "gold"}, [entry("reports.monthly", 20)], now=LATER, by=DORA)

    found, changed = CatalogRevision.objects.order_by("number")
    assert told() == [("gold", 1, "found", "", ""), ("gold", 2, "changed", "dora", "Agreed in spring.")]
    assert found.content["entitlements"][0]["valueJson"] == {"amount": 7}
    assert changed.content["entitlements"][0]["valueJson"] == {"amount": 20}
    assert (found.created_at, changed.created_at) == (plan.created_at, LATER)


@pytest.mark.parametrize("entitlements", [OMITTED, "the same"])
def test_saying_the_same_again_is_no_change_and_needs_no_reason(entitlements: Any) -> None:
    template = PlanTemplateFactory(plan__code="gold", plan__name="Gold", definition__code="reports.monthly", amount=7)
    said = [entry("reports.monthly", 7)] if entitlements == "the same" else entitlements

    publish_plan({"code": "gold", "name": "Gold"}, said, now=LATER, by=Author(actor="dora"))

    assert told() == []
    assert list(PlanTemplate.objects.values_list("pk", flat=True)) == [template.pk]
    assert Plan.objects.get().updated_at == template.plan.updated_at


def test_a_named_author_says_why() -> None:
    PlanFactory(code="gold", name="Gold")

    with pytest.raises(CatalogInvalid) as refused:
        publish_plan({"code": "gold", "name": "Gilded"}, now=LATER, by=Author(actor="dora", reason="  "))

    assert refused.value.field_errors == {"reason": ["is required: say why this changes"]}
    assert Plan.objects.get().name == "Gold"
    assert told() == []


def test_the_plan_that_loses_its_place_as_the_default_has_it_in_its_history() -> None:
    PlanFactory(code="old", is_default=True)

    publish_plan({"code": "gold", "name": "Gold", "is_default": True}, [], now=LATER, by=DORA)

    assert ("old", 2, "changed", "dora", "gold became the default plan. Agreed in spring.") in told()


def test_products_and_definitions_have_a_history_too() -> None:
    ProductTemplateFactory(product__code="pack", definition__code="reports.monthly", amount=7)

    publish_product({"code": "pack", "name": "Big pack"}, now=LATER, by=DORA)
    publish_definition({"code": "reports.monthly", "unit": "report"}, now=LATER, by=DORA)
    publish_definition({"code": "reports.monthly", "unit": "report"}, now=LATER, by=Author(actor="dora"))

    assert [(code, number, action) for code, number, action, _, _ in told()] == [
        ("pack", 1, "found"),
        ("pack", 2, "changed"),
        ("reports.monthly", 1, "found"),
        ("reports.monthly", 2, "changed"),
    ]
    assert Product.objects.get().name == "Big pack"


def test_what_was_deleted_can_still_be_read() -> None:
    definition = DefinitionFactory(code="reports.monthly", unit="report")

    delete_definition(definition, by=Author(actor="dora"), now=LATER)

    (revision,) = CatalogRevision.objects.all()
    assert (revision.action, revision.actor, revision.content["unit"]) == ("deleted", "dora", "report")


def test_a_refused_change_leaves_no_revision() -> None:
    PlanFactory(code="gold")

    with pytest.raises(CatalogInvalid):
        publish_plan({"code": "gold"}, [entry("nowhere", 1)], now=LATER, by=DORA)

    assert told() == []


def test_an_earlier_revision_applied_as_a_document_says_again_what_it_said() -> None:
    template = PlanTemplateFactory(plan__code="gold", plan__name="Gold", definition__code="reports.monthly", amount=7)
    publish_plan({"code": "gold", "name": "Gilded"}, [], now=LATER, by=DORA)
    first = CatalogRevision.objects.get(number=1)

    exchange.apply({"format": 1, "plans": [first.content]}, now=LATER, by=Author(actor="dora", reason="A mistake."))

    plan = Plan.objects.get()
    assert (plan.name, plan.grants_nothing) == ("Gold", False)
    assert list(plan.templates.values_list("definition", "amount")) == [(template.definition_id, 7)]
    assert told()[-1] == ("gold", 3, "changed", "dora", "A mistake.")
    assert CatalogRevision.objects.get(number=3).content == first.content
