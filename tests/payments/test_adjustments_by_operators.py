"""Refunds, voids and corrections by operators: written down before the provider is asked, finished whatever happens between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from billing.entitlements.manual import ByHand
from billing.errors import PurchaseAdjustmentDuplicate, PurchaseRefundNotAllowed, PurchaseVoidNotAllowed
from billing.models import BillingEvent, Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseStatus
from billing.payments import adjustments, taking_back
from billing.payments.connectors.base import OperationNotSupported, OutcomeUnknown, ProviderError
from billing.payments.connectors.facts import DisputeState, RefundStatus
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.entitlements.proof import assert_no_difference
from tests.gadgets.factories import CreditsFactory
from tests.gadgets.services import charge
from tests.payments.support import PRICE, Given, Refunding, bought, disputed, given, refunded, tell

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
ANNA = ByHand(actor="anna", reason="Bought it twice.")


@pytest.fixture
def provider() -> Refunding:
    return Refunding()


@pytest.fixture
def purchase(db: None) -> Any:
    """Ten credits for 10.00 EUR, of which three are used."""
    made = bought((CreditsFactory(), 10))
    charge(made.billable_entity, 3)
    yield made
    assert_no_difference()


def refund(purchase: Purchase, provider: Refunding, amount: int | None = None, *, key: str = "k") -> PurchaseAdjustment:
    return adjustments.refund(purchase, amount_minor=amount, by=ANNA, operation_key=key, now=LATER, connector=provider)


def test_a_refund_is_made_at_the_provider_and_takes_its_share(purchase: Purchase, provider: Refunding) -> None:
    row = refund(purchase, provider, 400)

    assert provider.calls == [("refund", ("pi_1", 400, "Bought it twice."))]
    assert (row.status, row.amount_minor, row.provider_reference, row.requested_by) == (
        "succeeded",
        -400,
        "re_1",
        "anna",
    )
    assert given(purchase) == [Given(10, 4, False, False)]
    told = BillingEvent.objects.get(event_name="purchase.refund_requested")
    assert (told.actor, told.reason, told.billable_entity) == ("anna", "Bought it twice.", purchase.billable_entity)


def test_without_an_amount_all_that_is_left_goes_back(purchase: Purchase, provider: Refunding) -> None:
    refund(purchase, provider, 400, key="first")

    row = refund(purchase, provider, key="second")

    assert row.amount_minor == -600
    assert given(purchase) == [Given(10, 7, False, True)]
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.REFUNDED


def test_the_same_key_again_is_the_same_refund(purchase: Purchase, provider: Refunding) -> None:
    first = refund(purchase, provider, 400)

    again = refund(purchase, provider, 400)

    assert (again.pk, provider.count("refund"), len(provider.calls)) == (first.pk, 1, 1)


@pytest.mark.parametrize("other", [300, None])
def test_a_key_stands_for_one_attempt(purchase: Purchase, provider: Refunding, other: int | None) -> None:
    refund(purchase, provider, 400)

    with pytest.raises(PurchaseAdjustmentDuplicate):
        refund(purchase, provider, other)
    with pytest.raises(PurchaseAdjustmentDuplicate):
        adjustments.void(purchase, by=ANNA, operation_key="k", now=LATER)

    assert purchase.adjustments.count() == 1


def test_no_provider_is_asked_inside_a_transaction(purchase: Purchase, provider: Refunding) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        refund(purchase, provider)

    assert (provider.calls, purchase.adjustments.count()) == ([], 0)


def test_what_the_provider_refuses_stays_as_a_failed_attempt(purchase: Purchase, provider: Refunding) -> None:
    provider.refuses()

    for _ in range(2):
        with pytest.raises(ProviderError, match="refused"):
            refund(purchase, provider)

    row = purchase.adjustments.get()
    assert (row.status, len(provider.calls)) == ("failed", 1)
    assert given(purchase) == [Given(10, 0, False, False)]
    assert taking_back.refundable(purchase) == PRICE


def test_a_provider_that_cannot_refund_says_so(purchase: Purchase, provider: Refunding) -> None:
    def cannot() -> None:
        raise OperationNotSupported("This connector cannot do it.")

    provider.faults.append(cannot)

    for _ in range(2):
        with pytest.raises(OperationNotSupported):
            refund(purchase, provider)
    assert purchase.adjustments.get().status == "failed"


# -- nobody knows what became of it ------------------------------------------------------------------------------------


def silent(provider: Refunding) -> None:
    provider.down()


def lost(provider: Refunding) -> None:
    provider.loses_answer()


@pytest.mark.parametrize("fault", [silent, lost])
def test_a_refund_without_an_answer_is_finished_later_and_made_once(
    purchase: Purchase, provider: Refunding, fault: Callable[[Refunding], None]
) -> None:
    fault(provider)
    with pytest.raises(OutcomeUnknown):
        refund(purchase, provider)
    row = purchase.adjustments.get()
    assert (row.status, given(purchase)) == ("recorded", [Given(10, 0, False, False)])

    finished = adjustments.resume(row, provider, now=LATER)

    assert (finished.status, finished.provider_reference, provider.count("refund")) == ("succeeded", "re_1", 1)
    assert given(purchase) == [Given(10, 7, False, True)]


def test_repeating_the_request_finishes_it_too(purchase: Purchase, provider: Refunding) -> None:
    provider.loses_answer()
    with pytest.raises(OutcomeUnknown):
        refund(purchase, provider)

    assert refund(purchase, provider).status == "succeeded"
    assert provider.count("refund") == 1


def test_a_crash_after_the_answer_is_finished_later(
    purchase: Purchase, provider: Refunding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise SystemError("the process is gone")

    with monkeypatch.context() as crash:
        crash.setattr(adjustments, "_finish", die)
        with pytest.raises(SystemError):
            refund(purchase, provider)

    finished = adjustments.resume(purchase.adjustments.get(), provider, now=LATER)

    assert (finished.status, provider.count("refund")) == ("succeeded", 1)


def test_money_on_its_way_back_is_not_given_back_twice(purchase: Purchase, provider: Refunding) -> None:
    provider.loses_answer()
    with pytest.raises(OutcomeUnknown):
        refund(purchase, provider, 700, key="first")

    with pytest.raises(PurchaseRefundNotAllowed) as refused:
        refund(purchase, provider, 700, key="second")

    assert refused.value.details == {"refundableMinor": 300}


def test_a_refund_that_is_pending_at_the_provider_is_left_to_its_events(
    purchase: Purchase, provider: Refunding
) -> None:
    provider.status = RefundStatus.PENDING
    row = refund(purchase, provider)
    assert (row.status, row.provider_reference) == ("recorded", "re_1")

    adjustments.resume(row, provider, now=LATER)
    assert len(provider.calls) == 1

    assert tell(refunded(PRICE, "re_1")).pk == row.pk
    assert given(purchase) == [Given(10, 7, False, True)]


# -- the event that tells of it ----------------------------------------------------------------------------------------


def test_the_event_that_comes_before_the_answer_finds_the_intent(purchase: Purchase, provider: Refunding) -> None:
    provider.meanwhile = lambda: tell(refunded(400, "re_1"))

    row = refund(purchase, provider, 400)

    assert purchase.adjustments.get() == row
    assert (row.status, row.requested_by, given(purchase)) == ("succeeded", "anna", [Given(10, 4, False, False)])


def test_the_event_that_comes_after_the_answer_finds_the_refund(purchase: Purchase, provider: Refunding) -> None:
    row = refund(purchase, provider, 400)

    assert tell(refunded(400, "re_1"), now=LATER).pk == row.pk
    assert given(purchase) == [Given(10, 4, False, False)]


def test_a_refund_made_elsewhere_meanwhile_is_told_apart(purchase: Purchase, provider: Refunding) -> None:
    provider.meanwhile = lambda: tell(refunded(400, "re_elsewhere"))

    row = refund(purchase, provider, 400)

    rows = purchase.adjustments.order_by("pk").values_list("provider_reference", "requested_by", "status")
    assert list(rows) == [("re_elsewhere", "", "succeeded"), ("re_1", "anna", "succeeded")]
    assert (row.request_idempotency_key, refund(purchase, provider, 400).pk) == ("k", row.pk)
    assert given(purchase) == [Given(10, 7, False, False)]


def test_an_event_of_another_amount_keeps_its_own_row(purchase: Purchase, provider: Refunding) -> None:
    provider.meanwhile = lambda: tell(refunded(350, "re_1"))

    row = refund(purchase, provider, 400)

    assert row.status == "noop"
    assert given(purchase) == [Given(10, 3, False, False)]


# -- what is not allowed -----------------------------------------------------------------------------------------------


def voided(purchase: Purchase) -> None:
    adjustments.void(purchase, by=ANNA, operation_key="void", now=LATER)


def in_dispute(purchase: Purchase) -> None:
    tell(disputed(DisputeState.OPENED))


def given_back(purchase: Purchase) -> None:
    tell(refunded(PRICE, "re_before"))


def without_payment(purchase: Purchase) -> None:
    Purchase.objects.filter(pk=purchase.pk).update(provider_payment_id=None)


@pytest.mark.parametrize("state", [voided, in_dispute, given_back, without_payment])
def test_a_refund_that_is_not_allowed_stays_as_a_failed_attempt(
    purchase: Purchase, provider: Refunding, state: Callable[[Purchase], None]
) -> None:
    state(purchase)

    for _ in range(2):
        with pytest.raises(PurchaseRefundNotAllowed):
            refund(purchase, provider)

    row = purchase.adjustments.get(request_idempotency_key="k")
    assert (row.status, provider.calls) == ("failed", [])


@pytest.mark.parametrize("amount", [0, -1, True, 2**63])
def test_an_amount_that_is_none_is_refused(purchase: Purchase, provider: Refunding, amount: int) -> None:
    with pytest.raises(Invalid):
        refund(purchase, provider, amount)

    assert not purchase.adjustments.exists()


# -- voids and corrections ---------------------------------------------------------------------------------------------


def test_a_void_takes_all_that_is_left_and_ends_the_grants(purchase: Purchase) -> None:
    row = adjustments.void(purchase, by=ANNA, operation_key="k", now=LATER)
    again = adjustments.void(purchase, by=ANNA, operation_key="k", now=LATER)

    purchase.refresh_from_db()
    assert (row.status, row.amount_minor, purchase.status, again.pk) == ("succeeded", 0, "voided", row.pk)
    assert given(purchase) == [Given(10, 7, False, True)]
    assert numbers(purchase.billable_entity, CreditsFactory()) == Numbers(0, 0, 0)


@pytest.mark.parametrize("state", [voided, in_dispute, given_back])
def test_only_a_confirmed_purchase_is_voided(purchase: Purchase, state: Callable[[Purchase], None]) -> None:
    state(purchase)

    for _ in range(2):
        with pytest.raises(PurchaseVoidNotAllowed):
            adjustments.void(purchase, by=ANNA, operation_key="k", now=LATER)

    assert purchase.adjustments.get(request_idempotency_key="k").status == "failed"


def test_a_refund_that_is_told_of_a_void_purchase_takes_nothing_more(purchase: Purchase) -> None:
    voided(purchase)

    tell(refunded(PRICE), now=LATER)

    purchase.refresh_from_db()
    assert (purchase.status, given(purchase)) == ("voided", [Given(10, 7, False, True)])


@pytest.mark.parametrize("amount", [250, -250])
def test_a_correction_is_bookkeeping_and_moves_no_unit(purchase: Purchase, amount: int) -> None:
    row = adjustments.correct(purchase, amount_minor=amount, by=ANNA, operation_key="k", now=LATER)
    again = adjustments.correct(purchase, amount_minor=amount, by=ANNA, operation_key="k", now=LATER)

    purchase.refresh_from_db()
    assert (row.amount_minor, row.status, row.pk, purchase.status) == (amount, "succeeded", again.pk, "confirmed")
    assert given(purchase) == [Given(10, 0, False, False)]


def test_less_than_nothing_cannot_have_been_paid(purchase: Purchase) -> None:
    adjustments.correct(purchase, amount_minor=-600, by=ANNA, operation_key="first", now=LATER)

    with pytest.raises(Invalid):
        adjustments.correct(purchase, amount_minor=-600, by=ANNA, operation_key="second", now=LATER)

    assert purchase.adjustments.count() == 1


def test_whoever_does_it_says_why(purchase: Purchase, provider: Refunding) -> None:
    nobody = ByHand(actor="anna", reason=" ")

    with pytest.raises(Invalid):
        adjustments.refund(purchase, amount_minor=None, by=nobody, operation_key="k", now=LATER, connector=provider)

    assert provider.calls == []
