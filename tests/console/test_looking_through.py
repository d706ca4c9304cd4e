"""Long tables: filters look through the newest rows, and say so; customers and keys are found by indexes in all of them."""

import pytest
from django.test import Client

from billing.models import BillableEntity, BillingEvent, Grant, Operation
from console.admin import base
from tests import NOON
from tests.console.support import address, customer, grant
from tests.factories import WorkspaceFactory

pytestmark = pytest.mark.django_db
NOTICE = b"Filters look through the newest 3 rows."


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LOOKED_THROUGH", 3)


@pytest.fixture
def grants() -> list[Grant]:
    entity = customer()
    return [grant(subject=entity) for _ in range(5)]


def shown(operator: Client, **asked: str) -> tuple[list[int], bool]:
    page = operator.get(address(Grant, "changelist"), asked)
    return [row.pk for row in page.context["cl"].result_list], NOTICE in page.content


def test_without_a_filter_everything_is_there(operator: Client, grants: list[Grant]) -> None:
    assert shown(operator) == ([row.pk for row in reversed(grants)], False)


def test_a_filter_alone_finds_the_newest(operator: Client, grants: list[Grant]) -> None:
    newest = [row.pk for row in reversed(grants)][:3]

    assert shown(operator, kind__exact="manual_adjustment") == (newest, True)


def test_a_filter_of_one_customer_finds_all_of_theirs(operator: Client, grants: list[Grant]) -> None:
    of_customer = {"subject__id__exact": str(grants[0].subject_id), "kind__exact": "manual_adjustment"}
    searched = {"q": str(grants[0].subject.workspace.slug), "kind__exact": "manual_adjustment"}

    assert shown(operator, **of_customer) == ([row.pk for row in reversed(grants)], False)
    assert shown(operator, **searched) == ([row.pk for row in reversed(grants)], False)


def test_a_key_is_found_however_old_its_row_is(operator: Client, grants: list[Grant]) -> None:
    assert shown(operator, q=grants[0].dedupe_key) == ([grants[0].pk], False)


@pytest.mark.parametrize("word", ["evt_1", "invoice.paid"])
def test_an_event_is_found_by_its_name_and_by_what_the_provider_calls_it(operator: Client, word: str) -> None:
    wanted = BillingEvent.objects.create(
        event_type="webhook",
        event_name="invoice.paid",
        provider="mock",
        provider_event_id="evt_1",
        received_at=NOON,
        occurred_at=NOON,
    )

    found = operator.get(address(BillingEvent, "changelist"), {"q": word}).context["cl"].result_list

    assert list(found) == [wanted]


def test_a_customer_is_found_by_their_reference(operator: Client) -> None:
    entity = BillableEntity.objects.create(entity_type="external", entity_ref="app:7", created_at=NOON, updated_at=NOON)
    wanted = Operation.objects.create(subject=entity, key="k", fingerprint="f", capability="c", created_at=NOON)

    found = operator.get(address(Operation, "changelist"), {"q": "app:7"}).context["cl"].result_list

    assert list(found) == [wanted]


def test_two_words_find_the_customer_both_of_them_mean(operator: Client) -> None:
    wanted = customer()
    for number in range(base.MOST_CUSTOMERS + 5):
        WorkspaceFactory(name=f"Acme {number}", slug=f"a-{number}")
    workspace = wanted.workspace
    assert workspace is not None
    workspace.name, workspace.slug = "Acme Zebra", "zebra-first"
    workspace.save()

    found = operator.get(address(BillableEntity, "changelist"), {"q": "acme zebra"}).context["cl"].result_list

    assert list(found) == [wanted]
