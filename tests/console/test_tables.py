"""Every table of the console: there, found, looked at, at a price that does not grow with it."""

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client

from console.site import SECTIONS
from tests.console.support import LEDGERS, MAKERS, address, customer, grant, named, queries_of, tables

pytestmark = pytest.mark.django_db
ALL = sorted(tables(), key=named)
ELSEWHERE = re.compile(rb"""(?:src|href|action|hx-get|hx-post)\s*=\s*["']?(?:https?:)?//""")


@pytest.mark.parametrize("app", ["billing", "workspaces"])
def test_every_table_is_shown_in_one_section(app: str) -> None:
    shown = [label for section in SECTIONS for label in section.tables]

    for model in apps.get_app_config(app).get_models():
        assert model in admin.site._registry, f"{named(model)} needs a ModelAdmin in console/admin"
        assert shown.count(named(model)) == 1, f"{named(model)} needs a place in console/site.py"


def test_every_table_can_be_filled_by_these_tests() -> None:
    assert {named(model) for model in ALL} == {named(model) for model in MAKERS}


@pytest.mark.parametrize("model", ALL, ids=named)
def test_an_empty_table_is_shown(operator: Client, model: type[models.Model]) -> None:
    page = operator.get(address(model, "changelist"))

    assert page.status_code == 200
    assert not ELSEWHERE.search(page.content)


@pytest.mark.parametrize("model", ALL, ids=named)
def test_a_list_costs_the_same_with_three_rows_and_with_twelve(operator: Client, model: type[models.Model]) -> None:
    make, url = MAKERS[model], address(model, "changelist")
    for _ in range(3):
        make()
    queries_of(operator, url)
    with_three = queries_of(operator, url)
    for _ in range(9):
        make()

    assert queries_of(operator, url) == with_three
    assert with_three <= 10


@pytest.mark.parametrize("model", ALL, ids=named)
def test_a_row_has_a_page_that_asks_nobody_else(operator: Client, model: type[models.Model]) -> None:
    row = MAKERS[model]()

    page = operator.get(address(model, "change", row.pk))

    assert page.status_code == 200
    assert not ELSEWHERE.search(page.content)


@pytest.mark.parametrize("model", LEDGERS, ids=named)
def test_a_long_table_is_never_counted(operator: Client, model: type[models.Model]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        operator.get(address(model, "changelist"))

    assert not [query["sql"] for query in captured if "COUNT(" in query["sql"].upper()]


@pytest.mark.parametrize("model", ALL, ids=named)
def test_any_words_can_be_searched_for(operator: Client, model: type[models.Model]) -> None:
    MAKERS[model]()

    for words in ("7", "acme", "9" * 30, "a b c d e f g", "²", "%' OR 1=1 --"):
        assert operator.get(address(model, "changelist"), {"q": words}).status_code == 200


def test_a_row_is_found_by_its_customer_and_by_its_key(operator: Client) -> None:
    wanted, other = grant(), grant()
    workspace = wanted.subject.workspace
    assert workspace is not None
    url = address(type(wanted), "changelist")

    for words in (str(wanted.subject_id), workspace.slug, wanted.dedupe_key):
        found = list(operator.get(url, {"q": words}).context["cl"].result_list)
        assert wanted in found
        assert other not in found or words.isdecimal()


def test_a_customer_is_found_by_the_name_of_the_workspace(operator: Client) -> None:
    wanted = customer()
    customer()
    assert wanted.workspace is not None

    found = operator.get(address(type(wanted), "changelist"), {"q": wanted.workspace.name})

    assert wanted in list(found.context["cl"].result_list)


def test_the_first_page_shows_the_sections_and_the_guests(operator: Client) -> None:
    page = operator.get("/admin/")

    titles = [section["name"] for section in page.context["app_list"]]
    assert titles[:6] == ["Catalog", "Customers", "Entitlements", "Payments", "Usage", "Workspaces"]
    assert titles[6:] in (["Apps"], [])
    assert not ELSEWHERE.search(page.content)
