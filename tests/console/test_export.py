"""Ledgers as CSV: all rows that are looked at, no more, in constant memory, and no formula among them."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import AsyncIterable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import AsyncClient, Client, RequestFactory

from billing.models import (
    Allocation,
    Balance,
    BillingEvent,
    Consumption,
    Decision,
    Grant,
    Purchase,
)
from console import export
from mozaiks.kit.times import utc_z
from tests import NOON
from tests.console.support import MAKERS, address, customer, grant, named, queries_of, signed_in, staff
from tests.factories import DefinitionFactory, UserFactory

pytestmark = pytest.mark.django_db

EXPORTED = (Allocation, Balance, BillingEvent, Consumption, Decision, Grant, Purchase)
DAYS = {
    Allocation: "window_start_at",
    Balance: "next_change_at",
    BillingEvent: "occurred_at",
    Consumption: "occurred_at",
    Decision: "occurred_at",
    Grant: "effective_at",
    Purchase: "purchased_at",
}


def read(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def exported(client: Client, model: type[models.Model], **asked: str) -> list[dict[str, str]]:
    return read(client.get(address(model, "export"), asked))


def decisions(number: int, **said: Any) -> list[Decision]:
    """Many refusals of one customer."""
    row: dict[str, Any] = {"capability": "test", "code": "BILLING_LIMIT_EXCEEDED", "reason": "quota_exhausted"}
    row |= {"requested": 1, "limit": 0, "used": 0, "occurred_at": NOON, "subject": customer()}
    row |= {"definition": DefinitionFactory()} | said
    return Decision.objects.bulk_create((Decision(**row) for _ in range(number)), batch_size=5_000)


@pytest.mark.parametrize("model", EXPORTED, ids=named)
def test_every_row_is_a_line_under_the_names_of_its_columns(operator: Client, model: type[models.Model]) -> None:
    rows = [MAKERS[model]() for _ in range(3)]

    lines = exported(operator, model)

    assert [line["id"] for line in lines] == [str(row.pk) for row in reversed(rows)]
    columns = admin.site._registry[model].csv_columns  # type: ignore[attr-defined]
    assert list(lines[0]) == list(columns)


@pytest.mark.parametrize("model", EXPORTED, ids=named)
def test_an_empty_table_is_a_line_of_names(operator: Client, model: type[models.Model]) -> None:
    answer = operator.get(address(model, "export"))

    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="')


def test_values_are_written_as_on_the_wire(operator: Client) -> None:
    given = grant(amount=None)

    (line,) = exported(operator, Grant)

    assert line["definition"] == given.definition.code
    assert line["effective_at"] == utc_z(NOON)
    assert (line["amount"], line["expires_at"]) == ("", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("x")'])
def test_no_text_is_a_formula(operator: Client, text: str) -> None:
    MAKERS[BillingEvent]()
    BillingEvent.objects.update(reason=text)

    (line,) = exported(operator, BillingEvent)

    assert line["reason"] == f"'{text}"


def test_numbers_stay_numbers_below_zero_too(operator: Client) -> None:
    use = MAKERS[Consumption]()
    Consumption.objects.create(
        subject=use.subject,
        definition=use.definition,
        grant_id=use.grant_id,
        amount=-2,
        reverses=use,
        occurred_at=NOON,
        window_start_at=NOON,
        reason_code="-odd",
        dedupe_key="r1:test",
        created_at=NOON,
    )

    assert [(line["amount"], line["reason_code"]) for line in exported(operator, Consumption)] == [
        ("-2", "'-odd"),
        ("2", "test"),
    ]


def test_the_filters_and_the_search_of_the_list_hold(operator: Client) -> None:
    mine = decisions(3)[0]
    decisions(2, advisory=True)
    decisions(4, occurred_at=NOON + timedelta(days=3))

    assert len(exported(operator, Decision, subject__id__exact=str(mine.subject_id))) == 3
    assert len(exported(operator, Decision, advisory__exact="1")) == 2
    assert len(exported(operator, Decision, q=str(mine.subject_id), definition__id__exact=str(mine.definition_id))) == 3
    assert len(exported(operator, Decision, occurred_at_to=f"{NOON:%Y-%m-%d}")) == 5
    assert len(exported(operator, Decision, occurred_at_from=f"{NOON + timedelta(days=1):%Y-%m-%d}")) == 4
    assert len(exported(operator, Decision, p="2")) == 9


def test_the_list_offers_its_rows_with_its_filters(operator: Client) -> None:
    decisions(1)

    page = operator.get(address(Decision, "changelist"), {"advisory__exact": "0", "p": "1"}).content.decode()

    assert f'href="{address(Decision, "export")}?advisory__exact=0"' in page


@pytest.mark.parametrize("model", EXPORTED, ids=named)
def test_rows_are_filtered_by_days_both_included(operator: Client, model: type[models.Model]) -> None:
    row = MAKERS[model]()
    field = DAYS[model]
    if model is Balance:
        Balance.objects.update(next_change_at=NOON)
    day = f"{NOON:%Y-%m-%d}"
    before, after = (f"{NOON + timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
    url = address(model, "changelist")

    def shown(**asked: str) -> list[Any]:
        return list(operator.get(url, asked).context["cl"].result_list)

    assert row in shown(**{f"{field}_from": day, f"{field}_to": day})
    assert row not in shown(**{f"{field}_to": before})
    assert row not in shown(**{f"{field}_from": after})
    assert f'name="{field}_from"' in operator.get(url).content.decode()


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "9999-12-31", "0001-01-01"])
def test_what_is_no_day_is_not_looked_for(operator: Client, day: str) -> None:
    decisions(1)

    for page in ("changelist", "export"):
        answer = operator.get(address(Decision, page), {"occurred_at_to": day})
        assert answer.status_code == 302
        assert answer["Location"].endswith("?e=1")


def test_only_who_may_look_may_export() -> None:
    for model in EXPORTED:
        assert signed_in(UserFactory()).get(address(model, "export")).status_code == 302
    blind = signed_in(staff("billing.view_plan"))
    looking = signed_in(staff("billing.view_decision", username="looking"))

    assert blind.get(address(Decision, "export")).status_code == 403
    assert looking.get(address(Decision, "export")).status_code == 200
    assert looking.get(address(Grant, "export")).status_code == 403


def test_an_export_reads_a_page_at_a_time_and_misses_nothing(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_PER_PAGE", 10)
    rows = decisions(30)

    lines = exported(operator, Decision)

    assert [int(line["id"]) for line in lines] == sorted((row.pk for row in rows), reverse=True)


def test_rows_written_meanwhile_move_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_PER_PAGE", 2)
    rows = decisions(5)
    lines = export.csv_lines(Decision.objects.all(), ("id",), readers={})

    read_first = [next(lines), next(lines)]
    decisions(3)
    rest = "".join(lines)

    found = "".join([*read_first, rest]).split()[1:]
    assert [int(line) for line in found] == sorted((row.pk for row in rows), reverse=True)


def test_50_000_rows_need_no_more_memory_than_one_page() -> None:
    decisions(50_000)
    admin_page = admin.site._registry[Decision]
    request = RequestFactory().get(address(Decision, "export"))
    request.user = UserFactory(is_staff=True, is_superuser=True)
    answer: Any = admin_page.export(request)  # type: ignore[attr-defined]
    lines = 0

    tracemalloc.start()
    for piece in answer.streaming_content:
        lines += piece.count(b"\r\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert lines == 50_001
    assert peak < 12 * 1024 * 1024


@pytest.mark.django_db(transaction=True)
async def test_an_asgi_server_streams_too() -> None:
    """Django would gather all of a synchronous stream first."""
    from asgiref.sync import sync_to_async

    def prepare() -> Any:
        decisions(3)
        return UserFactory(is_staff=True, is_superuser=True)

    client = AsyncClient()
    await client.aforce_login(await sync_to_async(prepare)())

    answer: Any = await client.get(address(Decision, "export"))

    assert answer.is_async
    assert isinstance(answer.streaming_content, AsyncIterable)
    pieces = [piece async for piece in answer.streaming_content]
    assert len(b"".join(pieces).splitlines()) == 4


def test_a_filtered_list_costs_what_the_list_costs(operator: Client) -> None:
    decisions(3)
    url = address(Decision, "changelist")
    queries_of(operator, url)

    assert queries_of(operator, f"{url}?occurred_at_from=2026-01-01") <= queries_of(operator, url) + 1
