"""The first page: what it tells operators, whom it tells what, and at what price."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.entitlements.balances import note_verified
from billing.models import Balance, BillableEntity, BillingEvent, Definition, Purchase, WorkerHeartbeat
from billing.usage import days
from console.tiles import Tile
from mozaiks.kit import clock, health
from tests.console.support import customer, signed_in, staff
from tests.console.test_tables import ELSEWHERE
from tests.factories import DefinitionFactory
from tests.gadgets.factories import PressesFactory
from tests.house.rows import insert
from tests.usage.facts import refusal, use

pytestmark = pytest.mark.django_db
MOST_QUERIES = 15
#: Opening and closing of transactions are no statements of a budget.
FRAMES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else writes here: what was just done is counted at once."""
    monkeypatch.setattr(days, "settle_time", lambda: timedelta(0))


@pytest.fixture
def now() -> datetime:
    return clock.now()


def text_of(client: Client) -> str:
    """The page as it is read: words with single spaces."""
    page = client.get("/admin/")
    assert page.status_code == 200
    assert not ELSEWHERE.search(page.content)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.content.decode())))


def hours(now: datetime) -> float:
    """What the facts of the tests count from noon, so that they happen at ``now``."""
    from tests import NOON

    return (NOON - now).total_seconds() / 3600


def near(entity: BillableEntity, definition: Definition, now: datetime, **said: Any) -> None:
    values = {"granted_amount": 1000, "consumed_amount": 950, "window_end_at": now + timedelta(days=3), **said}
    insert(Balance, subject_id=entity.pk, definition_id=definition.pk, **values)


def queries(client: Client) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/admin/").status_code == 200
        made = [query["sql"] for query in captured.captured_queries]
    return [sql for sql in made if not sql.startswith(FRAMES)]


def fill(subjects: int, now: datetime) -> None:
    """Customers who used much, were refused, and are near their limits; failures and a verification."""
    definitions = [DefinitionFactory() for _ in range(3)]
    for _ in range(subjects):
        entity = customer()
        for definition in definitions:
            near(entity, definition, now, next_change_at=now)
            use(entity.pk, definition.pk, amount=7, hours=hours(now))
            refusal(entity.pk, definition.pk, hours=hours(now))
        insert(BillingEvent, status="failed", error_text="No.")
    note_verified(subjects=subjects, differences=0, now=now)


@pytest.mark.parametrize("subjects", [3, 60])
def test_it_costs_the_same_with_three_customers_and_with_sixty(subjects: int, now: datetime) -> None:
    fill(subjects, now)
    looker = signed_in(staff("billing.view_balance", "billing.view_billableentity", "billing.view_billingevent"))

    with_counting = queries(looker)
    afterwards = queries(looker)

    assert len(with_counting) <= MOST_QUERIES, "\n".join(with_counting)
    assert len(afterwards) < len(with_counting)


def test_an_empty_installation_is_told_so(operator: Client) -> None:
    said = text_of(operator)

    for sentence in (
        "Nothing was used yet.",
        "Nobody is at a limit.",
        "Nobody is near a limit.",
        "Nothing was refused in 14 days.",
        "never verified",
        "none waits",
        "none flagged",
        "none due",
    ):
        assert sentence in said


def test_usage_is_a_chart_and_a_table(operator: Client, now: datetime) -> None:
    presses: Definition = PressesFactory()
    use(1, presses.pk, amount=12_345, hours=hours(now))

    page = operator.get("/admin/")
    said = text_of(operator)

    assert "12,345 used (unit)" in said
    assert f"{now.date().isoformat()} 12,345 0" in said
    assert b'<canvas class="chart"' in page.content
    assert b'aria-label="Presses: 12,345 used in 30 days, at most 12,345 on one day."' in page.content
    (chart,) = page.context["overview"]["charts"]
    assert len(chart.rows) == 30


def test_customers_near_their_limits_are_named_with_the_way_there(operator: Client, now: datetime) -> None:
    presses: Definition = PressesFactory()
    full, nearly = customer(), customer()
    near(full, presses, now, consumed_amount=1000)
    near(nearly, presses, now, consumed_amount=914)

    page = operator.get("/admin/").context["overview"]

    assert [(one.customer.path, one.percent) for one in page["full"]] == [
        (f"/admin/billing/billableentity/{full.pk}/change/", "100 %")
    ]
    assert [(one.used, one.granted, one.percent) for one in page["nearly"]] == [("914", "1,000", "91 %")]
    assert page["nearly"][0].until.endswith(" UTC")


def test_refusals_are_told_by_code_today_and_lately(operator: Client, now: datetime) -> None:
    presses: Definition = PressesFactory()
    for back in (0, 0, 3 * 24, 20 * 24):
        refusal(1, presses.pk, hours=hours(now) + back)
    refusal(1, presses.pk, hours=hours(now) + 24, advisory=True)

    rows = operator.get("/admin/").context["overview"]["refusals"]

    assert rows == [(presses.code, "BILLING_LIMIT_EXCEEDED", "2", "4", "1")]


def test_who_used_most_is_named(operator: Client, now: datetime) -> None:
    presses: Definition = PressesFactory()
    much, little = customer(), customer()
    use(much.pk, presses.pk, amount=4000, hours=hours(now))
    use(little.pk, presses.pk, amount=1, hours=hours(now))

    ((code, named),) = operator.get("/admin/").context["overview"]["top"]

    assert code == presses.code
    assert [(one.path.split("/")[-3], used) for one, used in named] == [(str(much.pk), "4,000"), (str(little.pk), "1")]


def tile(client: Client, title: str) -> Tile:
    tiles: list[Tile] = client.get("/admin/").context["overview"]["tiles"]
    return next(each for each in tiles if each.title == title)


def test_a_verification_is_good_bad_or_old_news(operator: Client, now: datetime) -> None:
    note_verified(subjects=7, differences=0, now=now - timedelta(days=3))
    old = tile(operator, "Ledger")
    note_verified(subjects=7, differences=0, now=now - timedelta(hours=2))
    good = tile(operator, "Ledger")
    note_verified(subjects=7, differences=2, now=now)
    bad = tile(operator, "Ledger")

    assert (old.tone, old.word) == ("warning", "verified 3 days ago")
    assert (good.tone, good.word) == ("good", "no difference")
    assert (bad.tone, bad.word) == ("bad", "2 differences")


def test_what_nobody_attends_to_is_a_warning(operator: Client, now: datetime) -> None:
    near(customer(), PressesFactory(), now, next_change_at=now - timedelta(hours=5, seconds=1))

    waiting = tile(operator, "Boundaries")

    assert (waiting.tone, waiting.word, waiting.sentence) == ("warning", "1 due", "The oldest waits for 5 hours.")


def test_purchases_that_wait_for_an_operator_are_counted_with_the_way_there(operator: Client) -> None:
    assert tile(operator, "Purchases").tone == "good"
    for _ in range(3):
        insert(Purchase, flag="unknown_product")
    insert(Purchase)

    shown = tile(operator, "Purchases")

    assert (shown.word, shown.tone) == ("3 to look at", "warning")
    assert len(operator.get(shown.path).context["cl"].result_list) == 3


def test_a_worker_is_at_work_or_silent(operator: Client, now: datetime) -> None:
    never = tile(operator, "Worker")
    heartbeat = insert(WorkerHeartbeat, name="host:1", started_at=now, last_tick_at=now - timedelta(hours=3))
    silent = tile(operator, "Worker")
    WorkerHeartbeat.objects.filter(pk=heartbeat.pk).update(last_tick_at=now)
    at_work = tile(operator, "Worker")

    assert [(each.tone, each.word) for each in (never, silent, at_work)] == [
        ("plain", "never heard of"),
        ("bad", "silent for 3 hours"),
        ("good", "at work"),
    ]


def test_a_part_that_is_down_is_told(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ConnectionError

    monkeypatch.setitem(health.PROBES, "channelLayer", fail)

    assert tile(operator, "Channel layer").tone == "bad"


def test_the_page_is_shown_while_somebody_else_counts(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "catch_up", lambda *, now, rows: None)

    assert tile(operator, "Usage").word == "being counted"


def test_whoever_may_see_balances_sees_it_and_nobody_else(now: datetime) -> None:
    near(customer(), PressesFactory(), now)

    sees, does_not = signed_in(staff("billing.view_balance")), signed_in(staff("billing.view_plan", username="emil"))

    assert "Nearest to their limit" in text_of(sees)
    plain = does_not.get("/admin/")
    assert plain.status_code == 200
    assert "overview" not in plain.context
    assert b"Nearest to their limit" not in plain.content


def test_links_and_errors_are_for_those_who_may_follow_and_read_them(now: datetime) -> None:
    entity = customer()
    near(entity, PressesFactory(), now)
    insert(BillingEvent, event_type="webhook", status="failed", error_text="The card of Alice was refused.")

    page = signed_in(staff("billing.view_balance")).get("/admin/")

    assert f"billableentity/{entity.pk}".encode() not in page.content
    assert b"card of Alice" not in page.content
    assert b"1 given up" in page.content


def test_names_are_written_as_text(operator: Client, now: datetime) -> None:
    entity = customer()
    assert entity.workspace is not None
    entity.workspace.name = "<script>alert(1)</script>"
    entity.workspace.save()
    near(entity, PressesFactory(name='Presses" onload="'), now)

    page = operator.get("/admin/").content

    assert b"<script>alert" not in page
    assert b'" onload="' not in page
