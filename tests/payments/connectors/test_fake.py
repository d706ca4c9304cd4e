"""The fake provider, asked by the official SDK through our connector: it does what Stripe would."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.models.checkouts import CheckoutPurpose
from billing.payments.connectors.base import (
    OperationNotSupported,
    OutcomeUnknown,
    ProviderError,
    SubscriptionRef,
)
from billing.payments.connectors.facts import (
    CheckoutEnded,
    CheckoutOutcome,
    DisputeReported,
    DisputeState,
    Fact,
    PaymentConfirmed,
    RefundReported,
    RefundStatus,
    ReportedStatus,
    SubscriptionReported,
)
from billing.payments.fake.customers import DECLINED, FAILS_LATER
from billing.payments.fake.provider import FakeProvider
from billing.payments.fake.world import Habits, Refused
from tests import NOON
from tests.payments.provider import order_of

MONTH_LATER = NOON.replace(month=3)
DAY = timedelta(days=1)


@pytest.fixture(params=["current", "older"])
def fake(request: pytest.FixtureRequest) -> FakeProvider:
    """A provider with three prices; everything holds in both shapes of its events."""
    return make_fake(Habits(older_api=request.param == "older"))


def make_fake(habits: Habits | None = None, path: Path | str = ":memory:") -> FakeProvider:
    fake = FakeProvider(lambda: NOON, habits=habits, path=path)
    fake.price("price_pro", amount_minor=1900, interval="month", name="Pro")
    fake.price("price_team", amount_minor=4900, interval="month", name="Team")
    fake.price("price_pack", amount_minor=900, name="Pack")
    return fake


def told(fake: FakeProvider, name: str | None = None) -> list[Fact]:
    """Everything the events say, read by our connector."""
    connector = fake.connector()
    facts: list[Fact] = []
    for event in fake.events(name):
        read = connector.parse_webhook(*fake.signed(event, at=NOON), now=NOON)
        facts += connector.enrich(read, connector.translate(read))
    return facts


def only(facts: list[Fact], kind: type) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]


def subscribed(fake: FakeProvider, **more: Any) -> str:
    """Somebody pays for Pro; the subscription's id."""
    opened = fake.connector().checkout(order_of("price_pro", plan_code="pro", **more))
    return str(fake.pay(opened.session_id)["subscription"])


def bought(fake: FakeProvider, *, quantity: int = 2) -> str:
    """Somebody buys packs; the payment's id."""
    order = order_of("price_pack", purpose=CheckoutPurpose.ONE_OFF, product_code="pack", quantity=quantity)
    return str(fake.pay(fake.connector().checkout(order).session_id)["payment_intent"])


def test_a_page_grants_nothing_until_it_is_paid(fake: FakeProvider) -> None:
    opened = fake.connector().checkout(order_of("price_pro"))

    seen = fake.connector().checkout_seen(opened.session_id)
    assert (seen.outcome, seen.paid, seen.url) == (None, False, opened.url)
    assert fake.events() == []


def test_a_paid_product_is_told_by_its_session_and_its_payment_in_the_same_words(fake: FakeProvider) -> None:
    payment = bought(fake)

    told_by_payment, told_by_session = only(told(fake), PaymentConfirmed)
    assert told_by_payment.payment_id == told_by_session.payment_id == payment
    assert told_by_session.session_id is not None
    for fact in (told_by_payment, told_by_session):
        assert (fact.amount_minor, fact.currency, fact.quantity, fact.paid_at) == (1800, "EUR", 2, NOON)
        assert (fact.product_code, fact.price_id, fact.whose.entity_id) == ("pack", "price_pack", 1)
        assert fact.operation_key == "operation-1"


def test_every_event_of_a_paid_subscription_tells_the_same_payment(fake: FakeProvider) -> None:
    subscription = subscribed(fake)

    facts = told(fake)
    paid, (ended,) = only(facts, PaymentConfirmed), only(facts, CheckoutEnded)
    assert len(paid) == 4  # two of the invoice, one of the payment, one of the session
    assert len({replace(fact, session_id=None) for fact in paid}) == 1
    assert {fact.session_id for fact in paid} == {None, ended.session_id}
    whole = paid[0]
    assert whole.payment_id
    assert whole.invoice_id
    assert (whole.amount_minor, whole.price_id, whole.paid_at) == (1900, "price_pro", NOON)
    assert (whole.period_start_at, whole.period_end_at) == (NOON, MONTH_LATER)
    assert (whole.whose.subscription_id, whole.whose.entity_id) == (subscription, 1)
    assert (ended.outcome, ended.whose.subscription_id) == (CheckoutOutcome.COMPLETED, subscription)


def test_a_subscription_reports_itself_whole(fake: FakeProvider) -> None:
    subscribed(fake)

    first, last = only(told(fake), SubscriptionReported)
    assert (first.status, last.status) == (ReportedStatus.INACTIVE, ReportedStatus.ACTIVE)
    assert (last.price_id, last.period_start_at, last.period_end_at) == ("price_pro", NOON, MONTH_LATER)
    assert (last.whose.entity_id, last.cancel_at_period_end, last.unpaid) == (1, False, False)


def test_a_renewal_reports_the_next_period_and_its_invoice(fake: FakeProvider) -> None:
    subscribed(fake)

    fake.advance(MONTH_LATER + DAY)

    report, paid = only(told(fake), SubscriptionReported)[-1], only(told(fake, "invoice.paid"), PaymentConfirmed)[-1]
    assert (report.period_start_at, report.period_end_at) == (MONTH_LATER, NOON.replace(month=4))
    assert (paid.period_start_at, paid.amount_minor, paid.paid_at) == (MONTH_LATER, 1900, MONTH_LATER)


def test_a_trial_is_paid_for_when_it_ends(fake: FakeProvider) -> None:
    subscribed(fake, trial_days=14)
    trialing = only(told(fake), SubscriptionReported)[-1]

    fake.advance(NOON + 15 * DAY)

    report, paid = only(told(fake), SubscriptionReported)[-1], only(told(fake, "invoice.paid"), PaymentConfirmed)[-1]
    assert (trialing.status, trialing.trial_end_at) == (ReportedStatus.TRIALING, NOON + 14 * DAY)
    assert (report.status, report.period_start_at, paid.amount_minor) == (ReportedStatus.ACTIVE, NOON + 14 * DAY, 1900)


def test_a_card_that_fails_makes_it_past_due_and_then_over(fake: FakeProvider) -> None:
    subscription = subscribed(fake)
    fake.change_card(fake.get(subscription)["customer"], FAILS_LATER)

    fake.advance(MONTH_LATER + DAY)
    past_due = only(told(fake), SubscriptionReported)[-1]
    fake.advance(MONTH_LATER + 8 * DAY)
    over = only(told(fake), SubscriptionReported)[-1]

    assert past_due.status is ReportedStatus.PAST_DUE
    assert over.status is ReportedStatus.ENDED
    assert over.unpaid is not fake.world.habits.older_api  # the old shape does not say why it ended
    assert len(fake.events("invoice.payment_failed")) == 4


def test_a_new_card_brings_it_back(fake: FakeProvider) -> None:
    subscription = subscribed(fake)
    customer = fake.get(subscription)["customer"]
    fake.change_card(customer, FAILS_LATER)
    fake.advance(MONTH_LATER + DAY)

    fake.change_card(customer, "4242 4242 4242 4242")
    fake.pay_open_invoices(customer)

    assert only(told(fake), SubscriptionReported)[-1].status is ReportedStatus.ACTIVE


def test_a_booked_end_is_told_taken_back_and_kept(fake: FakeProvider) -> None:
    subscription, connector = subscribed(fake), fake.connector()

    connector.cancel(subscription, at_period_end=True, operation_key="end")
    booked = only(told(fake), SubscriptionReported)[-1]
    connector.resume(subscription, operation_key="resume")
    resumed = only(told(fake), SubscriptionReported)[-1]
    connector.cancel(subscription, at_period_end=True, operation_key="end-again")
    fake.advance(MONTH_LATER + DAY)

    over = only(told(fake), SubscriptionReported)[-1]
    assert (booked.cancel_at_period_end, booked.status) == (True, ReportedStatus.ACTIVE)
    assert resumed.cancel_at_period_end is False
    assert (over.status, over.ended_at, over.unpaid) == (ReportedStatus.ENDED, MONTH_LATER, False)


def test_a_dearer_price_is_charged_in_proportion_now(fake: FakeProvider) -> None:
    subscription = subscribed(fake)
    fake.advance(NOON + 14 * DAY)

    fake.connector().change_plan(subscription, "price_team", at_period_end=False, operation_key="up")

    paid = only(told(fake, "invoice.paid"), PaymentConfirmed)[-1]
    assert (paid.amount_minor, paid.price_id) == (1500, "price_team")  # half of 4900, less half of 1900
    assert (paid.period_start_at, paid.period_end_at) == (NOON + 14 * DAY, MONTH_LATER)
    assert only(told(fake), SubscriptionReported)[-1].price_id == "price_team"


def test_a_dearer_price_that_cannot_be_charged_changes_nothing(fake: FakeProvider) -> None:
    subscription = subscribed(fake)
    fake.change_card(fake.get(subscription)["customer"], FAILS_LATER)
    before = len(fake.events())

    with pytest.raises(ProviderError, match="declined") as refused:
        fake.connector().change_plan(subscription, "price_team", at_period_end=False, operation_key="up")

    assert refused.value.details["declineCode"] == "generic_decline"
    assert len(fake.events()) == before
    assert fake.get(subscription)["items"]["data"][0]["price"]["id"] == "price_pro"


def test_a_cheaper_price_is_kept_for_later_by_every_report_alone(fake: FakeProvider) -> None:
    fake.price("price_mini", amount_minor=500, interval="month")
    subscription, connector = subscribed(fake), fake.connector()

    connector.change_plan(subscription, "price_mini", at_period_end=True, operation_key="down")
    booked = only(told(fake), SubscriptionReported)[-1]
    fake.advance(MONTH_LATER + DAY)
    begun = only(told(fake), SubscriptionReported)[-1]

    assert (booked.price_id, booked.keeps_price_id, booked.keeps_until_at) == ("price_mini", "price_pro", MONTH_LATER)
    assert (begun.price_id, begun.keeps_price_id, begun.keeps_until_at) == ("price_mini", None, None)
    assert only(told(fake, "invoice.paid"), PaymentConfirmed)[-1].amount_minor == 500


def test_a_booked_price_is_taken_back_with_the_price_it_had(fake: FakeProvider) -> None:
    fake.price("price_mini", amount_minor=500, interval="month")
    subscription, connector = subscribed(fake), fake.connector()
    connector.change_plan(subscription, "price_mini", at_period_end=True, operation_key="down")
    connector.change_plan(subscription, "price_mini", at_period_end=True, operation_key="down")  # asked again

    connector.resume(subscription, operation_key="resume")
    connector.resume(subscription, operation_key="resume")  # its answer was lost, say

    report = only(told(fake), SubscriptionReported)[-1]
    assert (report.price_id, report.keeps_price_id) == ("price_pro", None)
    assert len(fake.events("invoice.paid")) == 1


def test_a_price_of_other_intervals_cannot_be_booked(fake: FakeProvider) -> None:
    fake.price("price_year", amount_minor=900, interval="year")
    subscription = subscribed(fake)

    with pytest.raises(OperationNotSupported, match="other intervals"):
        fake.connector().change_plan(subscription, "price_year", at_period_end=True, operation_key="down")


def test_refunds_carry_their_own_amounts(fake: FakeProvider) -> None:
    payment, connector = bought(fake), fake.connector()

    first = connector.refund(payment_id=payment, amount_minor=500, reason="broken", operation_key="refund-1")
    again = connector.refund(payment_id=payment, amount_minor=500, reason="broken", operation_key="refund-1")
    second = connector.refund(payment_id=payment, amount_minor=1300, reason="rest", operation_key="refund-2")
    with pytest.raises(ProviderError, match="already been refunded"):
        connector.refund(payment_id=payment, amount_minor=1, reason="more", operation_key="refund-3")

    reported = {fact.refund_id: fact for fact in only(told(fake), RefundReported)}
    assert first == again
    assert {fact.refund_id: fact.amount_minor for fact in reported.values()} == {
        first.refund_id: 500,
        second.refund_id: 1300,
    }
    assert {fact.payment_id for fact in reported.values()} == {payment}
    assert {fact.status for fact in reported.values()} == {RefundStatus.SUCCEEDED}


def test_a_dispute_is_opened_and_decided(fake: FakeProvider) -> None:
    payment = bought(fake)

    fake.close_dispute(fake.dispute(payment, 700), won=False)

    opened, lost = only(told(fake), DisputeReported)
    assert (opened.state, lost.state) == (DisputeState.OPENED, DisputeState.LOST)
    assert opened.dispute_id == lost.dispute_id
    assert (opened.amount_minor, opened.payment_id) == (700, payment)


def test_a_declined_card_leaves_the_page_open_and_no_trace(fake: FakeProvider) -> None:
    opened = fake.connector().checkout(order_of("price_pro"))

    with pytest.raises(Refused, match="declined"):
        fake.pay(opened.session_id, card=DECLINED)

    assert fake.connector().checkout_seen(opened.session_id).outcome is None
    assert fake.events() == []
    assert fake.store.all("customer") == []


def test_a_page_expires(fake: FakeProvider) -> None:
    connector = fake.connector()
    left, closed = (connector.checkout(order_of("price_pro", operation_key=key)).session_id for key in ("a", "b"))

    connector.expire_checkout(closed)
    connector.expire_checkout(closed)  # over already, as it should be
    fake.advance(NOON + 2 * DAY)

    assert [fact.session_id for fact in only(told(fake), CheckoutEnded)] == [closed, left]
    assert connector.checkout_seen(left).outcome is CheckoutOutcome.EXPIRED


def test_the_same_key_has_the_same_answer_and_no_other_question() -> None:
    connector = make_fake().connector()

    first = connector.checkout(order_of("price_pro"))
    assert connector.checkout(order_of("price_pro")) == first
    with pytest.raises(ProviderError, match="same parameters"):
        connector.checkout(order_of("price_team"))


def test_a_lost_answer_was_done_and_is_found_again_by_its_key() -> None:
    fake = make_fake()
    fake.fail("lost", door="POST /v1/checkout/sessions")

    with pytest.raises(OutcomeUnknown):
        fake.connector().checkout(order_of("price_pro"))
    found = fake.connector().checkout(order_of("price_pro"))

    assert [session["id"] for session in fake.store.all("checkout.session")] == [found.session_id]


@pytest.mark.parametrize("kind", ["down", "error", "nonsense", "lost"])
def test_what_is_not_answered_is_not_taken_for_refused(kind: str) -> None:
    fake = make_fake()
    fake.fail(kind)

    with pytest.raises(OutcomeUnknown):
        fake.connector().checkout(order_of("price_pro"))


def test_a_busy_provider_has_refused() -> None:
    fake = make_fake()
    fake.fail("busy")

    with pytest.raises(ProviderError, match="too busy") as refused:
        fake.connector().checkout(order_of("price_pro"))

    assert not isinstance(refused.value, OutcomeUnknown)


def test_cards_are_kept_chosen_and_removed() -> None:
    fake = make_fake()
    customer, connector = fake.customer(), fake.connector()
    url = connector.add_payment_method(customer, return_url="https://example.org/", operation_key="add")
    fake.pay(url.rpartition("/")[2], card="5555555555554444")
    second = next(method for method in connector.payment_methods(customer) if method.brand == "mastercard")

    connector.default_payment_method(customer, second.method_id, operation_key="default")
    chosen = connector.payment_methods(customer)
    connector.remove_payment_method(second.method_id, operation_key="remove")

    assert [(method.brand, method.last4, method.is_default) for method in chosen] == [
        ("mastercard", "4444", True),
        ("visa", "4242", False),
    ]
    assert [method.is_default for method in connector.payment_methods(customer)] == [False]


def test_a_link_is_paid_any_number_of_times() -> None:
    fake = make_fake()
    order = order_of("price_pack", purpose=CheckoutPurpose.ONE_OFF, product_code="pack")
    link = fake.connector().payment_link(order).session_id

    for _ in range(2):
        fake.pay(fake.session_of_link(link)["id"])

    assert {fact.product_code for fact in only(told(fake), PaymentConfirmed)} == {"pack"}
    assert len(fake.payments()) == 2


def test_the_status_of_a_customer_is_that_of_the_best_subscription() -> None:
    fake = make_fake()
    connector = fake.connector()
    subscription = subscribed(fake)
    customer = fake.get(subscription)["customer"]

    active = connector.subscription_status(SubscriptionRef(entity_id=1, customer_id=customer))
    connector.cancel(subscription, at_period_end=False, operation_key="now")
    over = connector.subscription_status(SubscriptionRef(entity_id=1, subscription_id=subscription))

    assert (active.active, active.status, active.plan, active.current_period_end_at) == (
        True,
        "active",
        "pro",
        MONTH_LATER,
    )
    assert (over.active, over.status) == (False, "canceled")
    assert connector.subscription_status(SubscriptionRef(entity_id=2)).active is False


def test_it_remembers_over_a_restart(tmp_path: Path) -> None:
    first = make_fake(path=tmp_path / "fake.sqlite3")
    first.serve_at("http://127.0.0.1:9999")
    opened = first.connector().checkout(order_of("price_pro"))

    second = FakeProvider(lambda: NOON, path=tmp_path / "fake.sqlite3")
    second.pay(opened.session_id)

    assert opened.url.startswith("http://127.0.0.1:9999/pretend/")
    assert second.webhook_secret == first.webhook_secret
    assert second.connector().checkout_seen(opened.session_id).paid
