"""Plans, products and definitions are written by the rules of the catalog; what was typed is never lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from billing.models import Definition, Plan, PlanTemplate, Product, ProductTemplate
from tests.console.support import address, grant
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory, ProductTemplateFactory

pytestmark = pytest.mark.django_db


def entry(code: str, amount: int | None, **more: Any) -> dict[str, Any]:
    return {"code": code, "valueJson": {"amount": amount}, **more}


def plan_form(entitlements: object, **fields: Any) -> dict[str, Any]:
    """What a browser posts for a plan."""
    return {
        "code": "gold",
        "name": "Gold",
        "description": "",
        "applies_to": "workspace",
        "is_active": "on",
        "trial_days": "0",
        "entitlements": entitlements if isinstance(entitlements, str) else json.dumps(entitlements, indent=2),
        "checkout_unit_amount_minor": "0",
        "checkout_currency": "",
        "checkout_interval": "",
        "checkout_interval_count": "1",
        "plugins": "[]",
        "plugin_tiers": "{}",
        "reason": "Agreed in spring.",
        "metadata_json": "{}",
        "templates-TOTAL_FORMS": "0",
        "templates-INITIAL_FORMS": "0",
        **fields,
    }


def definition_form(**fields: Any) -> dict[str, Any]:
    return {
        "code": "seats.max",
        "name": "Seats",
        "description": "",
        "entitlement_type": "capacity",
        "unit": "seat",
        "window_interval": "",
        "window_anchor": "",
        "aggregation_mode": "sum",
        "reason": "Agreed in spring.",
        "enforcement_mode": "hard_lock_resource",
        "lock_state_name": "",
        "scope_type": "billable_entity",
        "alert_thresholds": "[80]",
        "is_active": "on",
        "metadata_json": "{}",
        **fields,
    }


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200, "the form was not shown again"
    errors: dict[str, list[str]] = {name: list(said) for name, said in answer.context["adminform"].form.errors.items()}
    return errors


def granted(plan: Plan) -> dict[str, int | None]:
    return dict(plan.templates.values_list("definition__code", "amount"))


def test_a_plan_and_what_it_grants_are_saved_together(operator: Client) -> None:
    DefinitionFactory(code="reports.monthly")

    answer = operator.post(address(Plan, "add"), plan_form([entry("reports.monthly", 20)]))

    assert answer.status_code == 302
    plan = Plan.objects.get(code="gold")
    assert granted(plan) == {"reports.monthly": 20}
    assert str(plan.pk) in operator.get(address(Plan, "changelist")).content.decode()


def test_every_broken_rule_stands_under_the_field_with_its_path_and_the_text_stays(operator: Client) -> None:
    DefinitionFactory(code="reports.monthly")
    typed = [entry("reports.monthly", -1), entry("report.monthly", 3), entry("reports.monthly", 5, grantKind="gift")]

    answer = operator.post(address(Plan, "add"), plan_form(typed))

    said = " ".join(errors_of(answer)["entitlements"])
    assert "entitlements[0].valueJson.amount: " in said
    assert "entitlements[1].code: unknown entitlement definition" in said
    assert "entitlements[2].grantKind: " in said
    assert answer.context["adminform"].form["entitlements"].value() == json.dumps(typed, indent=2)
    assert "entitlements[1].code" in answer.content.decode()
    assert not Plan.objects.filter(code="gold").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("[{", "line 1, column 3"),
        ("", "is required for an active plan"),
        ('{"code": "reports.monthly"}', "must be an array"),
        ('[{"code": "a", "code": "b"}]', "stands twice"),
        ('[{"code": "a", "valueJson": {"amount": NaN}}]', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_such_json_is_told_and_kept(operator: Client, typed: str, said: str) -> None:
    answer = operator.post(address(Plan, "add"), plan_form(typed))

    assert said in " ".join(errors_of(answer)["entitlements"])
    assert answer.context["adminform"].form["entitlements"].value() == typed
    assert not Plan.objects.exists()


def test_errors_of_plain_fields_stand_under_them(operator: Client) -> None:
    answer = operator.post(
        address(Plan, "add"),
        plan_form([], code="not a code", checkout_unit_amount_minor="1900", plugins='{"a": 1}', metadata_json="[]"),
    )

    errors = errors_of(answer)
    assert set(errors) == {"code", "checkout_currency", "checkout_interval", "plugins", "metadata_json"}


def test_an_error_in_a_field_does_not_hide_those_in_the_entitlements(operator: Client) -> None:
    answer = operator.post(address(Plan, "add"), plan_form([entry("nowhere", 1)], trial_days="many"))

    errors = errors_of(answer)
    assert set(errors) == {"trial_days", "entitlements"}


def test_a_code_that_is_taken_is_told(operator: Client) -> None:
    PlanFactory(code="gold", name="Old gold")

    answer = operator.post(address(Plan, "add"), plan_form([]))

    assert errors_of(answer)["code"] == ["is taken"]
    assert Plan.objects.get(code="gold").name == "Old gold"


def test_a_plan_shows_what_it_grants_and_keeps_its_templates_when_nothing_was_typed(operator: Client) -> None:
    template = PlanTemplateFactory(plan__code="gold", definition__code="reports.monthly", amount=7)
    url = address(Plan, "change", template.plan_id)
    shown = operator.get(url).context["adminform"].form["entitlements"].value()

    answer = operator.post(url, plan_form(shown.replace("\n", "\r\n"), name="Gilded"))

    assert json.loads(shown)[0]["code"] == "reports.monthly"
    assert answer.status_code == 302
    assert Plan.objects.get(pk=template.plan_id).name == "Gilded"
    assert list(PlanTemplate.objects.values_list("pk", "amount")) == [(template.pk, 7)]


def test_a_changed_amount_keeps_the_template(operator: Client) -> None:
    template = PlanTemplateFactory(plan__code="gold", definition__code="reports.monthly", amount=7)

    operator.post(address(Plan, "change", template.plan_id), plan_form([entry("reports.monthly", None)]))

    assert list(PlanTemplate.objects.values_list("pk", "amount")) == [(template.pk, None)]


def test_an_emptied_text_is_no_way_to_take_everything_away(operator: Client) -> None:
    template = PlanTemplateFactory(plan__code="gold", definition__code="reports.monthly", amount=7)
    url = address(Plan, "change", template.plan_id)

    empty = operator.post(url, plan_form(" \n"))
    meant = operator.post(url, plan_form([]))

    assert errors_of(empty)["entitlements"] == ["Write [] where it shall grant nothing any more."]
    assert meant.status_code == 302
    assert not PlanTemplate.objects.exists()
    assert Plan.objects.get(pk=template.plan_id).grants_nothing


def test_two_operators_do_not_overwrite_each_other(operator: Client) -> None:
    plan = PlanTemplateFactory(plan__code="gold").plan
    url = address(Plan, "change", plan.pk)
    seen = operator.get(url).context["adminform"].form["seen_updated_at"].value()
    text = operator.get(url).context["adminform"].form["entitlements"].value()

    first = operator.post(url, plan_form(text, name="First", seen_updated_at=seen))
    second = operator.post(url, plan_form(text, name="Second", seen_updated_at=seen))

    assert first.status_code == 302
    assert "Somebody changed this meanwhile" in errors_of(second)["__all__"][0]
    assert Plan.objects.get(pk=plan.pk).name == "First"


def test_a_new_default_plan_takes_the_place_of_the_old_one(operator: Client) -> None:
    old = PlanFactory(code="old", is_default=True)

    answer = operator.post(address(Plan, "add"), plan_form([], is_default="on"))

    assert answer.status_code == 302
    old.refresh_from_db()
    assert (old.is_default, Plan.objects.get(code="gold").is_default) == (False, True)


def test_the_code_of_a_plan_stays(operator: Client) -> None:
    plan = PlanTemplateFactory(plan__code="gold").plan
    text = operator.get(address(Plan, "change", plan.pk)).context["adminform"].form["entitlements"].value()

    operator.post(address(Plan, "change", plan.pk), plan_form(text, code="silver"))

    assert list(Plan.objects.values_list("code", flat=True)) == ["gold"]


def test_who_may_only_look_sees_the_templates(operator: Client) -> None:
    from tests.console.support import signed_in, staff

    plan = PlanTemplateFactory(plan__code="gold", definition__code="reports.monthly", amount=1234).plan
    looking = signed_in(staff("billing.view_plan", "billing.view_plantemplate", "billing.view_definition"))

    page = looking.get(address(Plan, "change", plan.pk))

    assert page.status_code == 200
    assert "1,234" in page.content.decode()
    assert looking.post(address(Plan, "change", plan.pk), plan_form([])).status_code == 403


def product_form(entitlements: object, **fields: Any) -> dict[str, Any]:
    return {
        "code": "pack",
        "name": "Pack",
        "product_kind": "one_off",
        "is_active": "on",
        "unit_amount_minor": "500",
        "currency": "EUR",
        "price_interval": "",
        "reason": "Agreed in spring.",
        "entitlements": entitlements if isinstance(entitlements, str) else json.dumps(entitlements),
        "metadata_json": "{}",
        "templates-TOTAL_FORMS": "0",
        "templates-INITIAL_FORMS": "0",
        **fields,
    }


def test_a_product_is_published_by_its_own_rules(operator: Client) -> None:
    DefinitionFactory(code="reports.monthly")
    pack = [{"code": "reports.monthly", "amount": 5, "grantKind": "timeboxed_addon"}]

    refused = operator.post(address(Product, "add"), product_form(pack))
    made = operator.post(address(Product, "add"), product_form([pack[0] | {"durationDays": 60}]))

    assert errors_of(refused)["entitlements"] == [
        "entitlements[0].durationDays: is required for timeboxed_addon",
    ]
    assert made.status_code == 302
    assert list(ProductTemplate.objects.values_list("amount", "duration_days")) == [(5, 60)]


def test_a_product_shows_what_it_grants_as_it_would_be_written(operator: Client) -> None:
    template = ProductTemplateFactory(product__code="pack", definition__code="reports.monthly", amount=7)

    page = operator.get(address(Product, "change", template.product_id))

    assert json.loads(page.context["adminform"].form["entitlements"].value()) == [
        {"code": "reports.monthly", "amount": 7, "grantKind": "one_off_topup"}
    ]


def test_a_definition_is_published_with_its_rules_under_the_fields(operator: Client) -> None:
    refused = operator.post(address(Definition, "add"), definition_form(window_interval="month"))
    made = operator.post(address(Definition, "add"), definition_form())

    assert errors_of(refused) == {"window_interval": ["must be absent for a capacity"]}
    assert made.status_code == 302
    assert Definition.objects.get(code="seats.max").alert_thresholds == [80]


def test_adding_a_definition_never_changes_another(operator: Client) -> None:
    DefinitionFactory(code="seats.max", name="Chairs", capacity=True)

    answer = operator.post(address(Definition, "add"), definition_form())

    assert errors_of(answer) == {"code": ["is taken"]}
    assert Definition.objects.get(code="seats.max").name == "Chairs"


def test_what_was_recorded_keeps_the_meaning_of_a_definition(operator: Client) -> None:
    definition = DefinitionFactory(code="seats.max", capacity=True)
    grant(definition=definition)
    url = address(Definition, "change", definition.pk)

    page = operator.get(url)
    answer = operator.post(url, definition_form(entitlement_type="balance", enforcement_mode="hard_deny"))

    assert "what they mean cannot change any more" in page.content.decode()
    assert {"entitlement_type", "aggregation_mode"}.isdisjoint(page.context["adminform"].form.fields)
    assert answer.status_code == 302
    definition.refresh_from_db()
    assert (definition.entitlement_type, definition.enforcement_mode) == ("capacity", "hard_deny")


def test_a_definition_in_use_is_deactivated_not_deleted(operator: Client) -> None:
    definition = DefinitionFactory(code="seats.max", capacity=True)
    grant(definition=definition)
    url = address(Definition, "delete", definition.pk)

    for answer in (operator.get(url, follow=True), operator.post(url, {"post": "yes"}, follow=True)):
        assert [str(message) for message in answer.context["messages"]] == [
            "seats.max cannot be deleted: units of it were granted. Deactivate it instead."
        ]
    operator.post(
        address(Definition, "change", definition.pk),
        {
            name: value
            for name, value in definition_form(lock_state_name="locked_over_cap").items()
            if name != "is_active"
        },
    )

    definition.refresh_from_db()
    assert not definition.is_active


def test_a_definition_nothing_points_to_may_go(operator: Client) -> None:
    definition = DefinitionFactory()

    shown = operator.get(address(Definition, "delete", definition.pk))
    gone = operator.post(address(Definition, "delete", definition.pk), {"post": "yes"})

    assert shown.status_code == 200
    assert gone.status_code == 302
    assert not Definition.objects.filter(pk=definition.pk).exists()
