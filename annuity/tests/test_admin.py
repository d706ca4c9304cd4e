"""The history in the console: to look at, at a constant price."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annuity.tests.support import LONG_AGO, calculation, workspace
from mozaiks.workspaces.creation import create_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    boss = create_user(
        username="boss", email="boss@example.org", password=None, now=LONG_AGO, is_staff=True, is_superuser=True
    )
    client.force_login(boss)
    return client


def url(name: str, *args: object) -> str:
    return reverse(f"admin:annuity_annuitycalculation_{name}", args=args)


def test_a_calculation_can_be_looked_at_and_not_changed(operator: Client) -> None:
    row = calculation(workspace("acme"))

    assert b"331.000000000000" in operator.get(url("changelist")).content
    assert operator.get(url("change", row.pk)).status_code == 200
    assert operator.post(url("change", row.pk), {}).status_code == 403
    assert operator.get(url("add")).status_code == 403
    assert operator.post(url("delete", row.pk), {"post": "yes"}).status_code == 403


def test_the_list_costs_the_same_however_long_it_is(operator: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(url("changelist")).status_code == 200
        return len(captured)

    calculation(workspace("acme"))
    queries()
    with_one = queries()
    for number in range(20):
        calculation(workspace(f"w{number}"))

    assert queries() == with_one
