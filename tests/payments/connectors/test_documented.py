"""What the page about connectors shows works as it is shown."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from billing.payments.connectors.base import OperationNotSupported, OutcomeUnknown, ProviderError
from billing.payments.connectors.choosing import connector_named
from billing.payments.connectors.facts import PaymentConfirmed, RefundReported, SubscriptionReported
from billing.payments.connectors.managed import ManagedConnector
from billing.payments.connectors.signing import sign_standard
from billing.payments.connectors.stripe.translating import TRANSLATORS
from tests import NOON
from tests.house.sources import ROOT
from tests.payments.provider import order_of

PAGE = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def acme(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The connector of the page, in a module of somebody's."""
    module = ModuleType("acme_payments")
    exec(compile(block("python"), "docs/connectors.md", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "acme_payments", module)
    settings.BILLING_CONNECTOR = "acme_payments.AcmeConnector"
    settings.ACME_KEY, settings.ACME_WEBHOOK_SECRETS = "key", ["secret"]
    return connector_named("acme")


def test_the_connector_reads_its_events(acme: Any) -> None:
    body = (
        b'{"id": "e1", "type": "payment.succeeded", "created": 1771675200, "payment": {"id": "p1", "at": 1771675200, '
        b'"amount": 500, "currency": "eur", "metadata": {"entity": "7", "product": "pack", "operation": "o1"}}}'
    )

    event = acme.parse_webhook(body, sign_standard(body, identity="e1", secret="secret", at=NOON), now=NOON)

    (paid,) = acme.enrich(event, acme.translate(event))
    assert (paid.whose.entity_id, paid.amount_minor, paid.currency, paid.product_code) == (7, 500, "EUR", "pack")


def test_its_calls_fail_as_the_protocol_says(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [
        httpx.Response(200, json={"id": "c1", "url": "https://acme.example/c1"}),
        httpx.Response(500),
        httpx.Response(422),
        httpx.ReadTimeout("late"),
    ]

    def post(url: str, **_: Any) -> httpx.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    monkeypatch.setattr(httpx, "post", post)

    assert acme.checkout(order_of("price")).session_id == "c1"
    for failure in (OutcomeUnknown, ProviderError, OutcomeUnknown):
        with pytest.raises(failure):
            acme.cancel("s1", at_period_end=True, operation_key="end")
    with pytest.raises(OperationNotSupported, match="acme"):
        acme.refund(payment_id="p1", amount_minor=1, reason="", operation_key="r")


def test_the_facts_of_the_page_are_facts() -> None:
    body = block("json").encode()
    connector = ManagedConnector("", api_key="", webhook_secrets=["secret"])

    event = connector.parse_webhook(body, sign_standard(body, identity="m1", secret="secret", at=NOON), now=NOON)

    assert [type(fact) for fact in connector.translate(event)] == [
        PaymentConfirmed,
        SubscriptionReported,
        RefundReported,
    ]


def test_the_guide_lists_the_events_we_listen_to() -> None:
    guide = (ROOT / "docs" / "self-hosting.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\b(?:checkout|customer|charge|refund|invoice|payment_intent)\.[a-z_.]+\b", guide))

    assert set(TRANSLATORS) - listed == {"charge.refund.updated"}  # what older accounts call refund.updated
    assert listed <= set(TRANSLATORS)
