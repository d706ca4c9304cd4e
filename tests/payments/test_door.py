"""The door of payment providers: what is signed is stored and answered, and nothing else leaves a trace."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.test import Client
from pytest_django import Settings

from billing.api import webhooks as door
from billing.models import BillingEvent
from billing.payments import webhooks
from billing.payments.connectors.signing import sign_stripe
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.payments.signed import CASES, NEW, SETTINGS, Case, Sent, good
from tests.payments.talking import SECRET, body_of, listen, paid, presses

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Any:
    door.FORGERIES.forget()
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def secrets(settings: Settings) -> None:
    for name in SETTINGS.values():
        setattr(settings, name, [NEW])


def send(sent: Sent, **more: Any) -> Any:
    return Client(enforce_csrf_checks=True).post(
        f"/api/billing/webhooks/{sent.provider}",
        data=sent.body,
        content_type="application/json",
        headers=dict(sent.headers),
        **more,
    )


@pytest.mark.parametrize(
    ("case", "provider"), [(case, provider) for case in CASES for provider in case.providers], ids=str
)
def test_signatures(case: Case, provider: str, settings: Settings) -> None:
    sent = case.make(provider)
    setattr(settings, SETTINGS[provider], list(sent.secrets))

    answer = send(sent)

    assert answer.status_code == case.verdict, answer.content
    assert BillingEvent.objects.count() == (1 if case.verdict == 202 else 0)
    if case.verdict != 202:
        assert answer.json().keys() == {"error", "code", "details"}


def test_there_are_forty_of_them_and_each_has_its_own_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.usefixtures("secrets")
class TestAnswers:
    def test_a_fresh_event_is_202_and_a_repeat_200(self) -> None:
        first, second = send(good("stripe")), send(good("stripe"))

        assert (first.status_code, first.json()) == (202, {"received": True, "fresh": True})
        assert (second.status_code, second.json()) == (200, {"received": True, "fresh": False})
        assert BillingEvent.objects.count() == 1

    def test_the_same_id_of_another_provider_is_another_event(self) -> None:
        assert [send(good(provider)).status_code for provider in SETTINGS] == [202, 202, 202]
        assert BillingEvent.objects.count() == 3

    def test_a_body_replayed_after_its_time_is_refused(self) -> None:
        sent = good("stripe")
        send(sent)

        with time_machine.travel(NOON + timedelta(seconds=301), tick=False):
            assert send(sent).status_code == 400

        assert BillingEvent.objects.count() == 1

    def test_who_asks_for_another_format_is_answered_all_the_same(self) -> None:
        sent = good("stripe")

        assert send(sent, HTTP_ACCEPT="text/xml").status_code == 202

    def test_other_methods_are_refused(self) -> None:
        assert Client().get("/api/billing/webhooks/stripe").status_code == 405

    def test_a_session_makes_no_difference(self, client: Client) -> None:
        client.cookies["sessionid"] = "somebody"
        sent = good("stripe")

        answer = client.post(
            "/api/v1/billing/webhooks/stripe",
            data=sent.body,
            content_type="text/plain",
            headers=dict(sent.headers),
        )

        assert answer.status_code == 202


class TestHandling:
    def test_what_can_be_done_is_done_before_the_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        listen(monkeypatch.setattr)
        body = body_of("evt_1", paid(BillableEntityFactory()))

        answer = send(Sent(provider="stripe", body=body, headers=sign_stripe(body, secret=SECRET, at=NOON)))

        assert answer.status_code == 202
        assert presses() == ["evt_1"]

    def test_a_failure_is_ours_and_not_the_providers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        listen(monkeypatch.setattr)
        body = body_of("evt_1", paid(BillableEntityFactory()) | {"fact": "broken"})

        answer = send(Sent(provider="stripe", body=body, headers=sign_stripe(body, secret=SECRET, at=NOON)))

        assert answer.status_code == 202
        assert BillingEvent.objects.get().status == "failed"

    @pytest.mark.usefixtures("secrets")
    def test_whatever_goes_wrong_after_storing_is_left_to_a_worker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(*_: Any, **__: Any) -> None:
            raise RuntimeError("the database is gone")

        monkeypatch.setattr(webhooks, "process", die)

        assert send(good("stripe")).status_code == 202
        assert BillingEvent.objects.get().status == "received"


class TestLength:
    """The bytes are counted, whatever the request says of itself."""

    @pytest.mark.usefixtures("secrets")
    @pytest.mark.parametrize("announced", [str(1024 * 1024 + 1), "9" * 5000])
    def test_more_than_a_mebibyte_is_announced_and_nothing_is_read(self, announced: str) -> None:
        assert send(good("stripe"), CONTENT_LENGTH=announced).status_code == 413

    @pytest.mark.usefixtures("secrets")
    def test_a_body_that_is_longer_than_it_says_is_cut_where_it_says(self) -> None:
        assert send(good("stripe"), CONTENT_LENGTH="10").status_code == 400
        assert BillingEvent.objects.count() == 0

    @pytest.mark.usefixtures("secrets")
    @pytest.mark.parametrize(
        ("headers", "verdict"),
        [([(b"content-length", b"10")], 413), ([], 413), ([(b"transfer-encoding", b"chunked")], 411)],
    )
    @pytest.mark.django_db(transaction=True)
    def test_a_server_that_believes_no_length_reads_no_further(
        self, headers: list[tuple[bytes, bytes]], verdict: int
    ) -> None:
        sent = good("stripe", b'{"fill": "' + b"x" * 1024 * 1024 + b'"}')
        signed = [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]

        assert asyncio.run(asked(sent.body, [*headers, *signed, (b"host", b"testserver")])) == verdict
        assert BillingEvent.objects.count() == 0


async def asked(body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """The status ASGI answers a body with that comes in pieces."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/billing/webhooks/stripe",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
    }
    talk: Any = ApplicationCommunicator(get_asgi_application(), scope)  # type: ignore[no-untyped-call]
    for start in range(0, len(body), 65_536):
        piece = body[start : start + 65_536]
        more = start + 65_536 < len(body)
        await talk.send_input({"type": "http.request", "body": piece, "more_body": more})
    answer = await talk.receive_output(10)
    await talk.receive_output(10)
    status: int = answer["status"]
    return status


@pytest.mark.usefixtures("secrets")
class TestForgeries:
    def test_too_many_are_told_to_stop_and_the_provider_comes_in_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(door.FORGERIES, "most", 3)
        monkeypatch.setattr(door.FORGERIES, "_times", type(door.FORGERIES._times)(maxlen=3))
        forged = good("stripe", secret="whsec_wrong")

        answers = [send(forged) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [400, 400, 400, 429, 429]
        assert answers[4]["Retry-After"] == "60"
        assert send(good("stripe")).status_code == 202
        assert BillingEvent.objects.count() == 1


def test_an_answer_tells_nothing_of_the_secret(settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = [NEW]

    answer = send(good("stripe", secret="whsec_wrong"))

    assert NEW not in json.dumps(answer.json())
    assert answer.json()["code"] == "WEBHOOK_SIGNATURE_INVALID"
