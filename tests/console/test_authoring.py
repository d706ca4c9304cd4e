"""The editor of what a plan or product grants: text that is never lost, a gallery, and a table of what the text becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from billing.catalog.authoring import parse_plan_entries, parse_product_entries
from billing.catalog.definitions import known_definitions
from billing.models import CatalogRevision, Definition, Plan, PlanTemplate, Product
from console.admin.editor import LIBRARY
from tests.console.support import address, grant, queries_of
from tests.console.test_catalog_forms import definition_form, entry, errors_of, plan_form, product_form
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory, ProductTemplateFactory

pytestmark = pytest.mark.django_db

PREVIEW = "/admin/billing/plan/entitlements/"
OF_PRODUCTS = "/admin/billing/product/entitlements/"


def preview(operator: Client, text: object, *, row: object = "", url: str = PREVIEW) -> dict[str, Any]:
    typed = text if isinstance(text, str) else json.dumps(text)
    answer = operator.post(url, {"text": typed, "row": row})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def one_of_each() -> list[Definition]:
    return [
        DefinitionFactory(code="reports.monthly", unit="report"),
        DefinitionFactory(code="seats.max", capacity=True),
        DefinitionFactory(code="credits", balance=True),
        DefinitionFactory(code="sso", state=True),
    ]


def test_the_table_tells_in_words_what_the_text_becomes(operator: Client) -> None:
    one_of_each()

    found = preview(operator, [entry("reports.monthly", 1000), entry("sso", 1), entry("seats.max", None)])

    assert found["errors"] == []
    for words in ("1,000 per month", "unit: report", "granted", "unlimited", "while the plan is current"):
        assert words in found["html"]
    assert found["html"].count(">new<") == 3


def test_the_table_tells_what_saving_would_do_to_each_template(operator: Client) -> None:
    plan = PlanFactory()
    for code, amount in (("same", 1), ("more", 5), ("gone", 7)):
        PlanTemplateFactory(plan=plan, definition__code=code, amount=amount)
    DefinitionFactory(code="fresh")

    found = preview(operator, [entry("same", 1), entry("more", 50), entry("fresh", 3)], row=plan.pk)

    for change in ("unchanged", "changed", "new", "removed"):
        assert found["html"].count(f">{change}<") == 1
    assert "was 5 per month" in found["html"]
    assert list(PlanTemplate.objects.order_by("amount").values_list("amount", flat=True)) == [1, 5, 7]


def test_errors_come_with_their_paths_for_the_editor_and_for_people(operator: Client) -> None:
    one_of_each()

    found = preview(operator, [entry("reports.monthly", -1), entry("report.monthly", 1)])

    assert [error["path"] for error in found["errors"]] == ["entitlements[0].valueJson.amount", "entitlements[1].code"]
    assert "entitlements[1].code" in found["html"]
    assert "nearest known: reports.monthly" in found["html"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Nothing is written here yet"),
        ("[]", "it grants nothing, and says so"),
        ("[{", "This is no JSON (line 1, column 3)"),
        ("{}", "must be an array"),
        ('[{"code": "<script>alert(1)</script>"}]', "&lt;script&gt;"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_any_text_has_an_answer(operator: Client, text: str, said: str) -> None:
    found = preview(operator, text)

    assert said in found["html"]
    assert "<script>" not in found["html"]


@pytest.mark.parametrize("row", ["", "0", "999999", "9" * 40, "nobody", "²"])
def test_a_row_that_is_not_there_is_a_new_one(operator: Client, row: str) -> None:
    DefinitionFactory(code="reports.monthly")

    assert ">new<" in preview(operator, [entry("reports.monthly", 1)], row=row)["html"]


def test_products_are_shown_by_their_own_rules(operator: Client) -> None:
    template = ProductTemplateFactory(definition__code="reports.monthly", amount=7)
    pack = {"code": "reports.monthly", "amount": 7, "grantKind": "one_off_topup"}

    same = preview(operator, [pack], row=template.product_id, url=OF_PRODUCTS)
    wrong = preview(operator, [entry("reports.monthly", 7)], url=OF_PRODUCTS)

    assert ">unchanged<" in same["html"]
    assert "top-up, once" in same["html"]
    assert {error["path"] for error in wrong["errors"]} >= {"entitlements[0].valueJson", "entitlements[0].grantKind"}


def test_the_preview_is_asked_by_posting_only(operator: Client) -> None:
    assert operator.get(PREVIEW).status_code == 405


def test_the_preview_costs_the_same_with_one_entry_and_with_many(operator: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    plan = PlanTemplateFactory().plan

    def price() -> int:
        entries = [entry(code, 3) for code in Definition.objects.values_list("code", flat=True)]
        with CaptureQueriesContext(connection) as captured:
            preview(operator, entries, row=plan.pk)
        return len(captured)

    with_few = price()
    DefinitionFactory.create_batch(20)

    assert price() == with_few <= 8


@pytest.mark.parametrize(
    ("model", "parse"), [(Plan, parse_plan_entries), (Product, parse_product_entries)], ids=["plan", "product"]
)
def test_the_gallery_has_a_valid_entry_for_every_active_definition(operator: Client, model: Any, parse: Any) -> None:
    one_of_each()
    DefinitionFactory(code="retired", is_active=False)

    page = operator.get(address(model, "add"))

    editor = page.context["adminform"].form["entitlements"].field.widget.get_context("entitlements", "", {})["editor"]
    codes = {example["code"] for example in editor["gallery"]}
    assert codes >= {"reports.monthly", "seats.max", "credits", "sso"}
    assert "retired" not in codes
    assert len(parse([json.loads(example["entry"]) for example in editor["gallery"]], known_definitions())) == len(
        codes
    )
    assert page.content.decode().count("data-insert") == len(codes)


def test_a_page_without_scripts_keeps_what_was_typed_and_tells_what_is_wrong(operator: Client) -> None:
    typed = '[{"code": "nowhere",\r\n  "valueJson": {"amount": 1}}]'

    page = operator.post(address(Plan, "add"), plan_form(typed))

    body = page.content.decode()
    assert page.context["adminform"].form["entitlements"].value() == typed
    assert "&quot;code&quot;: &quot;nowhere&quot;" in body
    assert "<textarea" in body
    assert body.count("unknown entitlement definition") == 2, "under the field, and in the table"


def test_the_editor_comes_with_its_package_and_asks_nobody_else(operator: Client) -> None:
    page = operator.get(address(Plan, "add"))

    assert f"/static/{LIBRARY}" in page.content.decode()
    found = finders.find(LIBRARY)
    assert found is not None
    assert Path(found).stat().st_size > 1_000_000
    policy = page.headers["Content-Security-Policy"]
    assert "connect-src 'self'" in policy
    assert "http" not in policy


def test_a_plan_that_never_said_what_it_grants_shows_an_empty_text(operator: Client) -> None:
    silent, nothing = PlanFactory(code="gold", is_active=False), PlanFactory(grants_nothing=True)

    def text(plan: Plan) -> object:
        return operator.get(address(Plan, "change", plan.pk)).context["adminform"].form["entitlements"].value()

    assert (text(silent), text(nothing)) == ("", "[]")
    form = {name: value for name, value in plan_form("", name="Golden").items() if name != "is_active"}
    assert operator.post(address(Plan, "change", silent.pk), form).status_code == 302
    silent.refresh_from_db()
    assert (silent.name, silent.grants_nothing) == ("Golden", False)


def test_a_change_needs_a_reason_and_the_same_again_does_not(operator: Client) -> None:
    PlanTemplateFactory(plan__code="gold", plan__name="Gold", definition__code="reports.monthly", amount=7)
    plan = Plan.objects.get()
    url = address(Plan, "change", plan.pk)
    text = operator.get(url).context["adminform"].form["entitlements"].value()

    refused = operator.post(url, plan_form([entry("reports.monthly", 8)], reason=" "))
    same = operator.post(url, plan_form([entry("reports.monthly", 7)], reason=""))
    untouched = operator.post(url, plan_form(text, reason=""))

    assert errors_of(refused) == {"reason": ["is required: say why this changes"]}
    assert (same.status_code, untouched.status_code) == (302, 302)
    assert not CatalogRevision.objects.exists()
    changed = operator.post(url, plan_form([entry("reports.monthly", 8)], reason="More for all."))
    assert changed.status_code == 302
    assert list(CatalogRevision.objects.order_by("number").values_list("action", "actor", "reason")) == [
        ("found", "", ""),
        ("changed", "operator", "More for all."),
    ]


def test_what_is_new_needs_no_reason(operator: Client) -> None:
    assert operator.post(address(Plan, "add"), plan_form([], reason="")).status_code == 302
    assert operator.post(address(Product, "add"), product_form([], reason="")).status_code == 302
    assert operator.post(address(Definition, "add"), definition_form(reason="")).status_code == 302
    assert set(CatalogRevision.objects.values_list("kind", "action", "actor")) == {
        ("plan", "created", "operator"),
        ("product", "created", "operator"),
        ("definition", "created", "operator"),
    }


@pytest.mark.parametrize("model", [Plan, Product])
def test_a_page_costs_the_same_with_few_entries_and_with_many(operator: Client, model: type[Plan | Product]) -> None:
    make: Any = PlanTemplateFactory if model is Plan else ProductTemplateFactory
    owner = "plan" if model is Plan else "product"
    row = getattr(make(), owner)
    url = address(model, "change", row.pk)
    queries_of(operator, url)
    with_one = queries_of(operator, url)

    for _ in range(12):
        make(**{owner: row})

    assert queries_of(operator, url) == with_one <= 12


def test_a_definition_with_facts_costs_no_more_than_one_without(operator: Client) -> None:
    free, kept = DefinitionFactory(), DefinitionFactory()
    for _ in range(3):
        grant(definition=kept)
    queries_of(operator, address(Definition, "change", free.pk))

    assert queries_of(operator, address(Definition, "change", kept.pk)) <= 10
    assert queries_of(operator, address(Definition, "change", free.pk)) <= 12
