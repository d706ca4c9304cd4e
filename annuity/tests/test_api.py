"""Annuity over HTTP: exact numbers in and out, one unit for each success, nothing for a failure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from annuity.models import AnnuityCalculation
from annuity.tests.support import (
    allow,
    calculation,
    client,
    debits,
    definition,
    member,
    person,
    used,
    workspace,
)
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON

pytestmark = pytest.mark.django_db

URL = "/api/annuityCalculator"
HISTORY = "/api/workspace/annuity/history"


@pytest.fixture
def alice() -> User:
    return person("alice")


@pytest.fixture
def acme(alice: User) -> Workspace:
    return workspace("acme", owner=alice)


@pytest.fixture
def api(alice: User, acme: Workspace) -> APIClient:
    return client(alice, acme)


def question(**changes: Any) -> dict[str, Any]:
    """Three yearly payments of 100 at 10 percent, unless told otherwise; ``...`` leaves a field out."""
    given = {
        "mode": "fv",
        "timing": "ordinary",
        "payment": 100,
        "annualRate": 10,
        "years": 3,
        "paymentsPerYear": 1,
        **changes,
    }
    return {name: value for name, value in given.items() if value is not ...}


def test_a_calculation_is_answered_in_fixed_point(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)

    answer = api.post(URL, question(annualGrowthRate="5", paymentsPerYear=1))

    assert answer.status_code == 200
    body = answer.json()
    row = AnnuityCalculation.objects.get()
    assert UUID(body.pop("historyId")) == row.pk
    assert body.pop("assumptions")
    assert body == {
        "mode": "fv",
        "timing": "ordinary",
        "payment": "100.000000",
        "annualRate": "10.000000",
        "annualGrowthRate": "5.000000",
        "years": "3.0000",
        "paymentsPerYear": 1,
        "isPerpetual": False,
        "periodicRate": "0.100000000000",
        "periodicGrowthRate": "0.050000000000",
        "totalPeriods": "3.0000",
        "value": "346.750000000000",
        "warnings": [],
    }


def test_a_perpetuity_has_no_periods(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)

    body = api.post(URL, question(mode="pv", isPerpetual=True, years=..., annualRate=5)).json()

    assert (body["value"], body["years"], body["totalPeriods"]) == ("2000.000000000000", None, None)
    assert (body["isPerpetual"], body["annualGrowthRate"]) == (True, "0.000000")


def test_null_is_the_same_as_left_out(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)

    answer = api.post(URL, question(annualGrowthRate=None, isPerpetual=None))

    assert answer.json()["value"] == "331.000000000000"


@pytest.mark.parametrize(
    "body",
    [
        '{"mode":"fv","timing":"ordinary","payment":0.1,"annualRate":0,"years":3,"paymentsPerYear":1}',
        '{"mode":"fv","timing":"ordinary","payment":"0.1","annualRate":"0","years":"3","paymentsPerYear":"1"}',
        '{"mode":"fv","timing":"ordinary","payment":1e-1,"annualRate":0.0,"years":3.0,"paymentsPerYear":1.0}',
    ],
)
def test_numbers_may_be_numbers_or_strings_and_pass_through_no_float(
    api: APIClient, acme: Workspace, body: str
) -> None:
    allow(acme, 1)

    answer = api.post(URL, body, content_type="application/json")

    assert answer.json()["value"] == "0.300000000000"
    assert answer.json()["paymentsPerYear"] == 1


def test_digits_a_float_would_lose_are_kept(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)
    body = '{"mode":"fv","timing":"ordinary","payment":12345678901234567890.123456,"annualRate":0,"years":1,"paymentsPerYear":1}'

    answer = api.post(URL, body, content_type="application/json")

    assert answer.json()["value"] == "12345678901234567890.123456000000"


def test_unusual_terms_come_with_warnings(api: APIClient, acme: Workspace) -> None:
    allow(acme, 3)

    equal = api.post(URL, question(annualGrowthRate=10)).json()["warnings"]
    partial = api.post(URL, question(years="2.55555", payment="0.12345678")).json()["warnings"]
    endless = api.post(URL, question(mode="pv", isPerpetual=True, annualRate="1e-11", payment="1e-26")).json()[
        "warnings"
    ]

    assert ["equal rates" in warning for warning in equal] == [True]
    assert [warning.split()[0] for warning in partial] == ["payment", "years", "totalPeriods"]
    assert [warning.split()[0] for warning in endless] == ["years", "payment", "annualRate", "The"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mode": ...}, "mode"),
        ({"mode": "xx"}, "mode"),
        ({"mode": "FV"}, "mode"),
        ({"mode": 1}, "mode"),
        ({"mode": ["fv"]}, "mode"),
        ({"timing": ...}, "timing"),
        ({"timing": None}, "timing"),
        ({"payment": ...}, "payment"),
        ({"payment": 0}, "payment"),
        ({"payment": -1}, "payment"),
        ({"payment": True}, "payment"),
        ({"payment": None}, "payment"),
        ({"payment": ""}, "payment"),
        ({"payment": "1,5"}, "payment"),
        ({"payment": "1_000"}, "payment"),
        ({"payment": [1]}, "payment"),
        ({"payment": {"amount": 1}}, "payment"),
        ({"payment": "NaN"}, "payment"),
        ({"payment": "Infinity"}, "payment"),
        ({"payment": "1e400"}, "payment"),
        ({"payment": "1e-400"}, "payment"),
        ({"payment": "1" * 39}, "payment"),
        ({"payment": "0." + "1" * 60}, "payment"),
        ({"annualRate": -100}, "annualRate"),
        ({"annualRate": False}, "annualRate"),
        ({"annualGrowthRate": "-100"}, "annualGrowthRate"),
        ({"annualGrowthRate": "x"}, "annualGrowthRate"),
        ({"years": ...}, "years"),
        ({"years": 0}, "years"),
        ({"years": "10000.1"}, "years"),
        ({"paymentsPerYear": ...}, "paymentsPerYear"),
        ({"paymentsPerYear": 0}, "paymentsPerYear"),
        ({"paymentsPerYear": 366}, "paymentsPerYear"),
        ({"paymentsPerYear": "1.5"}, "paymentsPerYear"),
        ({"paymentsPerYear": True}, "paymentsPerYear"),
        ({"isPerpetual": "true"}, "isPerpetual"),
        ({"isPerpetual": 1}, "isPerpetual"),
        ({"isPerpetual": True}, "isPerpetual"),
        ({"isPerpetual": True, "mode": "pv", "annualGrowthRate": 10}, "isPerpetual"),
    ],
)
def test_wrong_input_is_refused_by_name_and_uses_nothing(
    api: APIClient, acme: Workspace, changes: dict[str, Any], field: str
) -> None:
    allow(acme, 1)

    answer = api.post(URL, question(**changes))

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == [field]
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert debits(acme) == []
    assert not AnnuityCalculation.objects.exists()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999999999", "1" * 5000])
def test_numbers_only_python_would_take_are_refused_by_name(api: APIClient, number: str) -> None:
    body = f'{{"mode":"fv","timing":"due","payment":{number},"annualRate":1,"years":1,"paymentsPerYear":1}}'

    answer = api.post(URL, body, content_type="application/json")

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == ["payment"]


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "null", "{", "", "[" * 50_000])
def test_a_body_that_is_no_object_is_refused(api: APIClient, body: str) -> None:
    assert api.post(URL, body, content_type="application/json").status_code == 400


def test_a_form_is_not_json(api: APIClient) -> None:
    assert api.post(URL, question(), format="multipart").status_code == 415


def test_a_value_that_cannot_be_represented_is_422_and_uses_nothing(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)

    answer = api.post(URL, question(annualRate=100000, years=10000, paymentsPerYear=365))

    assert answer.status_code == 422
    assert answer.json()["code"] == "VALUE_NOT_REPRESENTABLE"
    assert debits(acme) == []


def test_each_success_uses_one_and_the_last_is_refused_whole(api: APIClient, acme: Workspace) -> None:
    allow(acme, 2)

    answers = [api.post(URL, question()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert answers[2].json()["code"] == "BILLING_LIMIT_EXCEEDED"
    assert answers[2].json()["details"]["limitationCode"] == "annuity.calculations.monthly"
    assert answers[2].json()["details"]["remaining"] == 0
    assert used(acme) == 2
    assert debits(acme) == [1, 1]
    assert AnnuityCalculation.objects.count() == 2


def test_the_same_key_gets_the_first_answer_back_and_uses_nothing(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)
    first = api.post(URL, question(), headers={"Idempotency-Key": "k"})

    again = api.post(URL, question(), headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert debits(acme) == [1]
    assert AnnuityCalculation.objects.count() == 1


def test_the_same_key_for_another_question_is_a_conflict(api: APIClient, acme: Workspace) -> None:
    allow(acme, 2)
    api.post(URL, question(), headers={"Idempotency-Key": "k"})

    answer = api.post(URL, question(payment=200), headers={"Idempotency-Key": "k"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "IDEMPOTENCY_CONFLICT"
    assert debits(acme) == [1]


def test_history_is_newest_first_and_paged(api: APIClient, acme: Workspace, alice: User) -> None:
    rows = [calculation(acme, created_at=NOON + timedelta(minutes=n), created_by=alice) for n in range(3)]
    calculation(workspace("other"))

    body = api.get(HISTORY, {"page": 1, "pageSize": 2}).json()

    entries = body.pop("entries")
    assert [entry["historyId"] for entry in entries] == [str(rows[2].pk), str(rows[1].pk)]
    assert entries[0]["createdAt"] == "2026-02-21T12:02:00.000Z"
    assert (entries[0]["createdBy"], entries[0]["value"]) == (alice.pk, "331.000000000000")
    assert body == {"page": 1, "pageSize": 2, "total": 3, "totalPages": 2}


def test_an_answer_is_found_again_in_the_history(api: APIClient, acme: Workspace) -> None:
    allow(acme, 1)
    answered = api.post(URL, question(years="2.5")).json()

    (entry,) = api.get(HISTORY).json()["entries"]

    assert {name: entry[name] for name in answered} == answered


@pytest.mark.parametrize("query", [{"page": 0}, {"page": "x"}, {"pageSize": 101}, {"pageSize": 0}])
def test_a_page_that_cannot_be_is_refused(api: APIClient, query: dict[str, Any]) -> None:
    answer = api.get(HISTORY, query)

    assert answer.status_code == 400
    assert list(answer.json()["fieldErrors"]) == list(query)


def test_history_costs_the_same_however_long_it_is(api: APIClient, acme: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(HISTORY, {"pageSize": 100}).status_code == 200
        return len(captured)

    calculation(acme)
    with_one = queries()
    for _ in range(50):
        calculation(acme)

    assert queries() == with_one


@pytest.mark.parametrize(
    ("role", "calculates"), [(Role.OWNER, 200), (Role.ADMIN, 200), (Role.MEMBER, 200), (Role.VIEWER, 403)]
)
def test_viewers_read_and_the_others_calculate(acme: Workspace, role: Role, calculates: int) -> None:
    allow(acme, 1)
    api = client(member(acme, "bob", role), acme)

    assert api.post(URL, question()).status_code == calculates
    assert api.get(HISTORY).status_code == 200


def test_a_stranger_and_a_foreign_workspace_see_nothing(api: APIClient, acme: Workspace) -> None:
    definition()
    workspace("other")
    stranger = APIClient(headers={"x-workspace-slug": "acme"})
    answers = []
    for slug in ("other", "unknown"):
        api.credentials(HTTP_X_WORKSPACE_SLUG=slug)
        answers += [api.post(URL, question()), api.get(HISTORY)]

    assert stranger.post(URL, question()).status_code == 401
    assert stranger.get(HISTORY).status_code == 401
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
