"""What Stripe's events say in our words, in the shape of 2026 and in that of 2022."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing.payments.connectors.facts import (
    CheckoutEnded,
    CheckoutOutcome,
    DisputeReported,
    DisputeState,
    PaymentConfirmed,
    PaymentFailed,
    RefundReported,
    RefundStatus,
    ReportedStatus,
    SubscriptionReported,
    Whose,
)
from billing.payments.connectors.stripe.translating import TRANSLATORS
from tests import NOON
from tests.payments.connectors import payloads
from tests.payments.connectors.payloads import END, LABELS, PRICE, Data, facts, the_list

MONTH_LATER = NOON.replace(month=3)
OURS = Whose(entity_id=7, customer_id="cus_1", subscription_id="sub_1")
REPORT = SubscriptionReported(
    whose=OURS,
    status=ReportedStatus.ACTIVE,
    provider_status="active",
    price_id="price_pro",
    period_start_at=NOON,
    period_end_at=MONTH_LATER,
)
PACK = PaymentConfirmed(
    whose=Whose(entity_id=7, customer_id="cus_1"),
    paid_at=NOON,
    amount_minor=2700,
    currency="EUR",
    quantity=3,
    price_id="price_pack",
    product_code="pack",
    payment_id="pi_1",
    operation_key="operation-1",
)
Make = Callable[..., Data]

subscriptions = pytest.mark.parametrize(
    "make", [payloads.subscription_now, payloads.subscription_then], ids=["2026", "2022"]
)
invoices = pytest.mark.parametrize("make", [payloads.invoice_now, payloads.invoice_then], ids=["2026", "2022"])


def test_the_events_of_the_specification_are_listened_to() -> None:
    promised = {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "payment_intent.succeeded",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "charge.dispute.created",
        "charge.dispute.closed",
    }

    assert promised <= set(TRANSLATORS)


@subscriptions
def test_a_subscription_is_read_whole(make: Make) -> None:
    assert facts("customer.subscription.updated", make()) == [REPORT]


@subscriptions
@pytest.mark.parametrize(
    ("status", "ours", "unpaid"),
    [
        ("trialing", ReportedStatus.TRIALING, False),
        ("past_due", ReportedStatus.PAST_DUE, False),
        ("unpaid", ReportedStatus.ENDED, True),
        ("canceled", ReportedStatus.ENDED, False),
        ("incomplete", ReportedStatus.INACTIVE, False),
        ("incomplete_expired", ReportedStatus.INACTIVE, False),
        ("paused", ReportedStatus.INACTIVE, False),
        ("", ReportedStatus.INACTIVE, False),
        ("a_word_of_2030", ReportedStatus.INACTIVE, False),
    ],
)
def test_every_status_has_a_meaning_and_an_unknown_one_gives_nothing(
    make: Make, status: str, ours: ReportedStatus, unpaid: bool
) -> None:
    (report,) = facts("customer.subscription.updated", make(status=status))

    assert report == replace(REPORT, status=ours, provider_status=status, unpaid=unpaid)


@pytest.mark.parametrize(
    ("reason", "unpaid"),
    [("payment_failed", True), ("payment_disputed", True), ("cancellation_requested", False), (None, False)],
)
def test_why_it_ended_says_whether_it_was_paid(reason: str | None, unpaid: bool) -> None:
    over = payloads.subscription_now(
        status="canceled", canceled_at=END, ended_at=END, cancellation_details={"reason": reason}
    )

    (report,) = facts("customer.subscription.deleted", over)

    assert isinstance(report, SubscriptionReported)
    assert (report.status, report.unpaid, report.ended_at) == (ReportedStatus.ENDED, unpaid, MONTH_LATER)


@subscriptions
@pytest.mark.parametrize("booked", [{"cancel_at_period_end": True}, {"cancel_at": END}, {"cancel_at": END - 60}])
def test_a_booked_end_is_seen_in_either_place(make: Make, booked: Data) -> None:
    assert facts("customer.subscription.updated", make(**booked)) == [replace(REPORT, cancel_at_period_end=True)]


@subscriptions
def test_an_end_in_a_later_period_is_none_of_this_period(make: Make) -> None:
    assert facts("customer.subscription.updated", make(cancel_at=END + 60)) == [REPORT]


@subscriptions
def test_a_cheaper_price_that_was_booked_is_kept_until_its_time(make: Make) -> None:
    kept = {"mozaiks_keeps_price": "price_team", "mozaiks_keeps_until": str(END)}

    before = facts("customer.subscription.updated", make(metadata={**LABELS, **kept}))
    over = facts(
        "customer.subscription.updated", make(metadata={**LABELS, **kept, "mozaiks_keeps_until": str(END - 10**7)})
    )

    assert before == [replace(REPORT, keeps_price_id="price_team", keeps_until_at=MONTH_LATER)]
    assert over == [REPORT]


@pytest.mark.parametrize("entity", ["", "0", "-1", "7.5", "٧", "9" * 40, None, 7])
def test_metadata_that_make_no_sense_name_nobody(entity: Any) -> None:
    (report,) = facts(
        "customer.subscription.updated", payloads.subscription_now(metadata={"mozaiks_entity_id": entity})
    )

    assert isinstance(report, SubscriptionReported)
    assert report.whose == replace(OURS, entity_id=None)


def test_a_subscription_with_nothing_in_it_says_no_price() -> None:
    (report,) = facts("customer.subscription.updated", payloads.subscription_now(items=the_list()))

    assert isinstance(report, SubscriptionReported)
    assert (report.price_id, report.period_start_at, report.period_end_at) == (None, None, None)


@invoices
@pytest.mark.parametrize("name", ["invoice.paid", "invoice.payment_succeeded"])
def test_a_paid_invoice_says_what_for(make: Make, name: str) -> None:
    told = facts(name, make(), at=NOON + timedelta(hours=1))

    assert told == [
        PaymentConfirmed(
            whose=OURS,
            paid_at=NOON + timedelta(minutes=1),  # its own, whichever event tells it
            amount_minor=1900,
            currency="EUR",
            price_id="price_pro",
            payment_id="pi_1" if make is payloads.invoice_then else None,
            invoice_id="in_1",
            period_start_at=NOON,
            period_end_at=MONTH_LATER,
            operation_key="operation-1",
            display_name="1 × Pro",
        )
    ]


def test_an_invoice_that_lists_its_payments_names_the_default_one() -> None:
    payments = [
        {"id": "inpay_2", "is_default": False, "status": "canceled", "payment": {"payment_intent": "pi_old"}},
        {"id": "inpay_1", "is_default": True, "status": "paid", "payment": {"payment_intent": "pi_1"}},
    ]

    (paid,) = facts("invoice.paid", payloads.invoice_now(payments=the_list(*payments)))

    assert isinstance(paid, PaymentConfirmed)
    assert paid.payment_id == "pi_1"


@invoices
def test_a_change_in_the_middle_says_what_was_changed_to(make: Make) -> None:
    whole = make()["lines"]["data"][0]
    middle = {"start": END - 86_400, "end": END}
    if make is payloads.invoice_now:
        details = {**whole["parent"], "subscription_item_details": {"subscription": "sub_1", "proration": True}}
        shape: Data = {"parent": details, "period": middle}
        back = {**whole, **shape, "amount": -60}
        new = {**whole, **shape, "amount": 160, "pricing": {"price_details": {"price": "price_team"}}}
    else:
        back = {**whole, "proration": True, "period": middle, "amount": -60}
        new = {**back, "amount": 160, "price": {**PRICE, "id": "price_team"}}

    (paid,) = facts("invoice.paid", make(lines=the_list(back, new), amount_paid=100))

    assert isinstance(paid, PaymentConfirmed)
    assert (paid.price_id, paid.amount_minor, paid.period_end_at) == ("price_team", 100, MONTH_LATER)


@invoices
def test_an_invoice_that_was_not_paid_is_noted(make: Make) -> None:
    (failed,) = facts("invoice.payment_failed", make(status="open"))

    assert isinstance(failed, PaymentFailed)
    assert (failed.whose, failed.invoice_id) == (OURS, "in_1")


def test_a_paid_session_confirms_and_ends() -> None:
    assert facts("checkout.session.completed", payloads.session()) == [
        CheckoutEnded(
            whose=PACK.whose, session_id="cs_1", outcome=CheckoutOutcome.COMPLETED, operation_key="operation-1"
        ),
        replace(PACK, session_id="cs_1"),
    ]


def test_a_discount_of_everything_is_a_payment_of_nothing() -> None:
    free = payloads.session(payment_status="no_payment_required", amount_total=0, payment_intent=None)

    _, paid = facts("checkout.session.completed", free)

    assert paid == replace(PACK, session_id="cs_1", amount_minor=0, payment_id=None)


def test_its_payment_says_the_same() -> None:
    assert facts("payment_intent.succeeded", payloads.intent()) == [PACK]


def test_a_bank_that_takes_its_time_is_waited_for() -> None:
    waiting = payloads.session(payment_status="unpaid")

    assert facts("checkout.session.completed", waiting) == []
    assert len(facts("checkout.session.async_payment_succeeded", payloads.session())) == 2


def test_a_bank_that_refuses_ends_it() -> None:
    ended, failed = facts("checkout.session.async_payment_failed", payloads.session(payment_status="unpaid"))

    assert isinstance(ended, CheckoutEnded)
    assert isinstance(failed, PaymentFailed)
    assert (ended.outcome, failed.payment_id) == (CheckoutOutcome.FAILED, "pi_1")


def test_a_session_that_ran_out_has_expired() -> None:
    (ended,) = facts("checkout.session.expired", payloads.session(status="expired", payment_status="unpaid"))

    assert isinstance(ended, CheckoutEnded)
    assert ended.outcome is CheckoutOutcome.EXPIRED


@pytest.mark.parametrize("paid", ["paid", "no_payment_required"])
def test_a_session_of_a_subscription_ties_and_grants_nothing(paid: str) -> None:
    made = payloads.session(
        mode="subscription", payment_status=paid, subscription="sub_1", invoice="in_1", payment_intent=None
    )

    ended, tied = facts("checkout.session.completed", made)

    assert isinstance(ended, CheckoutEnded)
    assert isinstance(tied, PaymentConfirmed)
    assert ended.whose == tied.whose == OURS
    assert (tied.amount_minor, tied.session_id, tied.invoice_id) == (None, "cs_1", "in_1")


@pytest.mark.parametrize("name", ["checkout.session.completed", "checkout.session.expired"])
def test_a_session_that_only_keeps_a_card_says_nothing(name: str) -> None:
    assert facts(name, payloads.session(mode="setup", payment_status="no_payment_required")) == []


def test_a_payment_that_is_not_ours_by_its_metadata_knows_no_amount() -> None:
    (tied,) = facts("payment_intent.succeeded", payloads.intent(metadata={}, invoice="in_1"))

    assert isinstance(tied, PaymentConfirmed)
    assert (tied.amount_minor, tied.payment_id, tied.invoice_id) == (None, "pi_1", "in_1")


REFUND = RefundReported(
    refund_id="re_1",
    amount_minor=900,
    currency="EUR",
    status=RefundStatus.SUCCEEDED,
    occurred_at=NOON,
    payment_id="pi_1",
    reason="requested_by_customer",
)


@pytest.mark.parametrize("name", ["refund.created", "refund.updated", "charge.refund.updated", "refund.failed"])
@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("succeeded", RefundStatus.SUCCEEDED),
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.FAILED),
    ],
)
def test_a_refund_is_told_with_its_own_amount(name: str, status: str, ours: RefundStatus) -> None:
    assert facts(name, payloads.refund(status=status)) == [replace(REFUND, status=ours)]


def test_a_charge_that_only_knows_the_sum_of_its_refunds_says_nothing() -> None:
    charge = {"id": "ch_1", "object": "charge", "amount": 2700, "amount_refunded": 1800, "payment_intent": "pi_1"}

    assert facts("charge.refunded", charge) == []


def test_a_charge_that_lists_its_refunds_tells_each() -> None:
    bare = {key: value for key, value in payloads.refund().items() if key not in {"payment_intent", "charge"}}
    refunds = the_list({**bare, "id": "re_2", "amount": 300}, bare)

    told = facts(
        "charge.refunded", {"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 1200, "refunds": refunds}
    )

    assert told == [replace(REFUND, refund_id="re_2", amount_minor=300), REFUND]


def test_a_payment_without_an_intent_is_its_charge() -> None:
    (told,) = facts("refund.created", payloads.refund(payment_intent=None))

    assert isinstance(told, RefundReported)
    assert told.payment_id == "ch_1"


def test_a_dispute_is_opened_won_or_lost() -> None:
    later = NOON + timedelta(days=30)
    opened = DisputeReported(
        dispute_id="du_1",
        amount_minor=2700,
        currency="EUR",
        state=DisputeState.OPENED,
        occurred_at=NOON,
        payment_id="pi_1",
        reason="fraudulent",
    )

    assert facts("charge.dispute.created", payloads.dispute(), at=NOON + timedelta(hours=1)) == [opened]
    assert facts("charge.dispute.closed", payloads.dispute(status="lost"), at=later) == [
        replace(opened, state=DisputeState.LOST, occurred_at=later)
    ]
    assert facts("charge.dispute.closed", payloads.dispute(status="won"), at=later) == [
        replace(opened, state=DisputeState.WON, occurred_at=later)
    ]


def test_an_inquiry_takes_nothing_until_it_takes_money() -> None:
    assert facts("charge.dispute.created", payloads.dispute(status="warning_needs_response")) == []
    assert facts("charge.dispute.closed", payloads.dispute(status="warning_closed")) == []

    (opened,) = facts("charge.dispute.funds_withdrawn", payloads.dispute(), at=NOON + timedelta(days=3))

    assert isinstance(opened, DisputeReported)
    assert (opened.state, opened.occurred_at) == (DisputeState.OPENED, NOON)


@pytest.mark.parametrize("name", [*TRANSLATORS, "customer.created"])
@pytest.mark.parametrize("data", [{}, {"id": 5}, {"id": "x", "metadata": [], "items": {"data": [None]}, "created": -1}])
def test_an_object_without_its_fields_breaks_nothing(name: str, data: Data) -> None:
    assert isinstance(facts(name, data), list)
