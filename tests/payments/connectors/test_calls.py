"""What failures of Stripe's mean, and that ids it left out are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from billing.payments.connectors.base import NotConfigured, OutcomeUnknown, ProviderError
from billing.payments.connectors.facts import PaymentConfirmed, ProviderEvent, Whose
from billing.payments.connectors.stripe.connector import StripeConnector
from tests import NOON
from tests.payments.connectors.test_fake import bought, make_fake, only, subscribed, told
from tests.payments.provider import order_of


class Saying(stripe.HTTPClient):
    """Answers everything in the same way, and keeps what it was asked."""

    name = "saying"

    def __init__(self, status: int, body: Any) -> None:
        super().__init__()
        self.status, self.body = status, body
        self.keys: list[str] = []

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        self.keys.append((headers or {}).get("Idempotency-Key", ""))
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)), self.status, {}


def refused(status: int, **error: str) -> StripeConnector:
    return StripeConnector("sk_test_1", webhook_secrets=[], http_client=Saying(status, {"error": error}))


KEY = "sk_live_51HabcDEF****wxyz"


def test_a_key_in_what_stripe_says_is_not_passed_on() -> None:
    for status, kind in ((401, "invalid_request_error"), (400, "invalid_request_error"), (403, "api_error")):
        connector = refused(status, type=kind, message=f"Invalid API Key provided: {KEY} and rk_test_abc.")

        with pytest.raises(ProviderError) as failure:
            connector.checkout(order_of("price_pro"))

        assert not isinstance(failure.value, OutcomeUnknown)
        assert not any(secret in failure.value.message for secret in ("sk_live", "51Habc", "rk_test"))


def test_a_declined_card_says_so_to_programs_too() -> None:
    connector = refused(402, type="card_error", code="card_declined", decline_code="do_not_honor", message="Declined.")

    with pytest.raises(ProviderError, match="Declined") as failure:
        connector.refund(payment_id="pi_1", amount_minor=1, reason="", operation_key="a")

    assert failure.value.details == {"providerCode": "card_declined", "declineCode": "do_not_honor"}


@pytest.mark.parametrize("status", [409, 500, 502, 503])
def test_what_may_have_been_done_is_unknown_and_asked_once(status: int) -> None:
    saying = Saying(status, {"error": {"type": "api_error", "message": "?"}})
    connector = StripeConnector("sk_test_1", webhook_secrets=[], http_client=saying)

    with pytest.raises(OutcomeUnknown):
        connector.cancel("sub_1", at_period_end=False, operation_key="end")

    assert saying.keys == ["end:cancel"]


@pytest.mark.parametrize("body", [{}, {"id": "cs_1"}, {"id": "cs_1", "url": "javascript:alert(1)"}, "nonsense", []])
def test_an_answer_that_says_nothing_is_not_taken_for_a_page(body: Any) -> None:
    connector = StripeConnector("sk_test_1", webhook_secrets=[], http_client=Saying(200, body))

    with pytest.raises(OutcomeUnknown):
        connector.checkout(order_of("price_pro"))


def test_without_a_key_nothing_can_be_asked() -> None:
    with pytest.raises(NotConfigured, match="STRIPE_SECRET_KEY"):
        StripeConnector("", webhook_secrets=["x"]).checkout(order_of("price_pro"))


def test_a_payment_that_is_neither_ours_nor_an_invoices_is_left_to_whose_it_is() -> None:
    fake = make_fake()
    payment = bought(fake)
    stranger = PaymentConfirmed(whose=Whose(), paid_at=NOON, payment_id=payment)

    assert list(fake.connector().enrich(AN_EVENT, [stranger])) == []


def test_an_invoice_is_granted_for_also_where_its_payment_cannot_be_asked_for() -> None:
    fake = make_fake()
    subscribed(fake)
    paid = next(fact for fact in only(told(fake, "invoice.paid"), PaymentConfirmed) if fact.payment_id)
    bare = PaymentConfirmed(whose=Whose(), paid_at=NOON, amount_minor=1900, invoice_id=paid.invoice_id)
    connector = fake.connector()
    fake.fail("error", door="GET /v1/invoice_payments")

    (told_bare,) = connector.enrich(AN_EVENT, [bare])
    (told_whole,) = connector.enrich(AN_EVENT, [bare])

    assert told_bare == bare
    assert isinstance(told_whole, PaymentConfirmed)
    assert told_whole.payment_id == paid.payment_id


def test_a_payment_whose_invoice_cannot_be_asked_for_waits() -> None:
    fake = make_fake()
    fake.fail("error", times=2)

    with pytest.raises(OutcomeUnknown):
        fake.connector().enrich(AN_EVENT, [PaymentConfirmed(whose=Whose(), paid_at=NOON, payment_id="pi_1")])


def test_an_invoice_that_is_not_paid_yet_is_told_by_nobody() -> None:
    fake = make_fake()
    subscribed(fake)
    (invoice,) = fake.store.all("invoice")
    fake.store.put({**invoice, "status": "open"})
    tied = PaymentConfirmed(whose=Whose(), paid_at=NOON, session_id="cs_1", invoice_id=invoice["id"])

    assert list(fake.connector().enrich(AN_EVENT, [tied])) == [tied]


def test_an_answer_that_comes_late_is_an_answer() -> None:
    fake = make_fake()
    fake.fail("delay", seconds=0.05)

    assert fake.connector().checkout(order_of("price_pro")).session_id


def test_without_a_key_events_are_taken_as_they_are() -> None:
    tied = PaymentConfirmed(whose=Whose(), paid_at=NOON, payment_id="pi_1")

    assert list(StripeConnector("", webhook_secrets=["x"]).enrich(AN_EVENT, [tied])) == [tied]


AN_EVENT = ProviderEvent(provider="stripe", event_id="evt_1", name="any", created_at=NOON, payload={})
