"""The client of a remote gateway, against a real socket: late, broken, hostile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.payments.connectors.base import (
    NotConfigured,
    OutcomeUnknown,
    ProviderError,
    SubscriptionRef,
    SubscriptionView,
)
from billing.payments.connectors.managed import UNREACHABLE, ManagedConnector
from tests.payments.connectors.gateway import Gateway
from tests.payments.provider import order_of


@pytest.fixture(scope="module")
def served() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(served: Gateway) -> Gateway:
    served.behave()
    return served


def client(gateway: Gateway, *, url: str | None = None) -> ManagedConnector:
    url = gateway.url + "/" if url is None else url
    return ManagedConnector(url, api_key="app-key", webhook_secrets=[], timeout_seconds=0.3)


def status(gateway: Gateway) -> SubscriptionView:
    return client(gateway).subscription_status(SubscriptionRef(entity_id=7))


def test_it_asks_as_the_contract_says(gateway: Gateway) -> None:
    client(gateway).checkout(order_of("price_pro", entity_id=7, plan_code="pro"))
    status(gateway)
    client(gateway).cancel("7", at_period_end=True, operation_key="end")

    checkout, asked, cancel = gateway.asked
    said = json.loads(checkout["body"])
    headers = {name.lower(): value for name, value in checkout["headers"].items()}
    assert (checkout["method"], checkout["path"]) == ("POST", "/api/mozaiks/pay/checkout")
    assert (said["scope"], said["appId"], said["plan"], said["metadata"]["entityId"]) == ("app", "7", "pro", "7")
    assert (headers["authorization"], headers["x-mozaiks-app-key"]) == ("Bearer app-key", "app-key")
    assert headers["x-correlation-id"]
    assert (asked["method"], asked["path"]) == ("GET", "/api/mozaiks/pay/subscription-status?scope=app&appId=7")
    assert json.loads(cancel["body"]) == {"scope": "app", "appId": "7"}


def test_a_status_is_read_whole(gateway: Gateway) -> None:
    ends = "2026-03-21T12:00:00.000Z"
    gateway.answer(
        (
            200,
            {"active": True, "status": "trialing", "plan": "pro", "currentPeriodEnd": ends, "cancelAtPeriodEnd": True},
        )
    )

    assert status(gateway) == SubscriptionView(
        active=True,
        status="trialing",
        plan="pro",
        current_period_end_at=datetime(2026, 3, 21, 12, tzinfo=UTC),
        cancel_at_period_end=True,
    )


@pytest.mark.parametrize("active", [None, "true", "yes", 1, [], {}])
def test_only_a_yes_is_a_yes(gateway: Gateway, active: Any) -> None:
    gateway.answer(
        (200, {"status": "active", "plan": 5, "currentPeriodEnd": "soon"} | ({"active": active} if active else {}))
    )

    view = status(gateway)

    assert (view.active, view.plan, view.current_period_end_at) == (False, None, None)


@pytest.mark.parametrize("answer", [(500, b""), (502, b"<html>"), (200, b"<html>"), (200, b"[true]"), 0.5])
def test_a_question_is_asked_three_times_and_then_nobody_is_active(gateway: Gateway, answer: Any) -> None:
    gateway.answer(answer, answer, answer)

    assert status(gateway) == UNREACHABLE
    assert (UNREACHABLE.active, UNREACHABLE.status, UNREACHABLE.unavailable_reason) == (
        False,
        "unavailable",
        "gateway_unreachable",
    )
    assert len(gateway.asked) == 3


def test_a_question_that_is_answered_the_second_time_is_answered(gateway: Gateway) -> None:
    gateway.answer((503, b""))

    assert status(gateway).active is True
    assert len(gateway.asked) == 2


@pytest.mark.parametrize("answer", [(500, b""), (200, b"nonsense"), (200, {"sessionId": 5}), 0.5])
def test_a_checkout_is_asked_for_once(gateway: Gateway, answer: Any) -> None:
    gateway.answer(answer)

    with pytest.raises(OutcomeUnknown):
        client(gateway).checkout(order_of("price_pro"))

    assert len(gateway.asked) == 1


def test_a_refusal_is_a_refusal(gateway: Gateway) -> None:
    gateway.answer((403, {"error": "no"}))

    with pytest.raises(ProviderError, match="refused") as refused:
        client(gateway).checkout(order_of("price_pro"))

    assert not isinstance(refused.value, OutcomeUnknown)


def test_a_page_that_is_none_is_nowhere_to_send_anybody(gateway: Gateway) -> None:
    gateway.answer((200, {"checkoutUrl": "javascript:alert(1)", "sessionId": "cs_1"}))

    with pytest.raises(ProviderError, match="no page"):
        client(gateway).checkout(order_of("price_pro"))


def test_a_cancellation_that_was_not_confirmed_was_not_made(gateway: Gateway) -> None:
    gateway.answer((200, {"ok": "maybe"}))

    with pytest.raises(ProviderError, match="did not cancel"):
        client(gateway).cancel("7", at_period_end=True, operation_key="end")


def test_our_key_does_not_follow_a_redirect(gateway: Gateway) -> None:
    gateway.answer((307, b""))

    with pytest.raises(ProviderError):
        client(gateway).checkout(order_of("price_pro"))

    assert len(gateway.asked) == 1


def test_a_gateway_that_is_not_there_is_noticed_soon(gateway: Gateway) -> None:
    began = time.monotonic()

    assert client(gateway, url="http://127.0.0.1:1").subscription_status(SubscriptionRef(entity_id=1)) == UNREACHABLE
    assert time.monotonic() - began < 2


def test_without_a_gateway_it_is_not_configured(gateway: Gateway) -> None:
    with pytest.raises(NotConfigured, match="MOZAIKS_GATEWAY_BASE_URL"):
        client(gateway, url="").checkout(order_of("price_pro"))
