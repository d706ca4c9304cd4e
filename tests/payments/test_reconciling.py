"""What a crash or a silent provider left is finished later, once, by whoever comes first."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from billing.models import BillableEntity, CheckoutSession, Purchase, PurchaseAdjustment
from billing.payments import adjustments, reconciling
from billing.payments.checkout import open_checkout
from billing.payments.connectors import choosing
from billing.payments.connectors.base import CheckoutSeen, OutcomeUnknown
from billing.payments.connectors.facts import CheckoutOutcome
from billing.payments.reconciling import PAUSE, Reconciled, reconcile
from billing.payments.sessions import KEY_LIFE, LIFETIME, STALE, look_again
from billing.worker.ticks import MOST_FAILURES, reconcile_payments
from mozaiks.kit.errors import NotFound
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.house.rows import insert
from tests.payments.scripted import Scripted
from tests.payments.shop import pack, pro, wanted

SECOND = timedelta(seconds=1)


@pytest.fixture
def entity(db: None) -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(choosing, "connector_named", lambda provider: scripted)
    return scripted


def left_creating(entity: BillableEntity, stripe: Scripted) -> CheckoutSession:
    """The provider has made it, and we never heard of it."""
    stripe.loses_answer()
    with pytest.raises(OutcomeUnknown):
        begin(entity, stripe)
    return CheckoutSession.objects.get(billable_entity=entity)


def begin(entity: BillableEntity, stripe: Scripted) -> CheckoutSession:
    what = wanted(product=pack(code=f"pack-{entity.pk}", provider_price_id=f"price-{entity.pk}"))
    return open_checkout(entity, what, connector=stripe, operation_key=f"k{entity.pk}", now=NOON)


def status_of(row: CheckoutSession) -> str:
    row.refresh_from_db()
    return str(row.status)


def test_one_left_creating_is_called_again_with_its_key(entity: BillableEntity, stripe: Scripted) -> None:
    row = left_creating(entity, stripe)
    assert reconcile(now=NOON + STALE - SECOND) == Reconciled()

    assert reconcile(now=NOON + STALE) == Reconciled(looked_at=1, finished=1)

    assert status_of(row) == "open"
    assert row.checkout_url
    assert stripe.count("checkout") == 1


def test_one_the_provider_refuses_has_failed(entity: BillableEntity, stripe: Scripted) -> None:
    stripe.down()
    with pytest.raises(OutcomeUnknown):
        begin(entity, stripe)
    stripe.refuses()

    reconcile(now=NOON + STALE)

    assert CheckoutSession.objects.get().status == "failed"


def test_while_the_provider_is_silent_it_is_asked_again_later(entity: BillableEntity, stripe: Scripted) -> None:
    row = left_creating(entity, stripe)
    stripe.down()

    assert reconcile(now=NOON + STALE) == Reconciled(looked_at=1, failed=1)
    assert reconcile(now=NOON + STALE + SECOND) == Reconciled()
    assert reconcile(now=NOON + 2 * STALE).finished == 1
    assert status_of(row) == "open"


def test_after_the_provider_forgot_our_key_it_is_not_called_again(entity: BillableEntity, stripe: Scripted) -> None:
    row = left_creating(entity, stripe)
    calls = len(stripe.calls)

    reconcile(now=NOON + KEY_LIFE)

    assert status_of(row) == "failed"
    assert len(stripe.calls) == calls


@pytest.mark.parametrize(
    ("outcome", "paid", "status"),
    [
        (CheckoutOutcome.EXPIRED, False, "expired"),
        (CheckoutOutcome.FAILED, False, "failed"),
        (CheckoutOutcome.COMPLETED, True, "paid"),
        (CheckoutOutcome.COMPLETED, False, "paid"),
        (None, False, "expired"),
    ],
)
def test_one_open_beyond_its_time_is_asked_for_at_the_provider(
    entity: BillableEntity, stripe: Scripted, outcome: CheckoutOutcome | None, paid: bool, status: str
) -> None:
    row = begin(entity, stripe)
    stripe.seen[str(row.provider_session_id)] = CheckoutSeen(session_id="cs", outcome=outcome, paid=paid)
    assert reconcile(now=NOON + LIFETIME - SECOND) == Reconciled()

    assert reconcile(now=NOON + LIFETIME).finished == 1

    assert status_of(row) == status
    assert ("expire_checkout", row.provider_session_id) in stripe.calls or outcome is not None


def test_one_the_provider_keeps_open_longer_stays_open(entity: BillableEntity, stripe: Scripted) -> None:
    row = begin(entity, stripe)
    later = NOON + 2 * LIFETIME
    stripe.seen[str(row.provider_session_id)] = CheckoutSeen(session_id="cs", outcome=None, expires_at=later)

    reconcile(now=NOON + LIFETIME)

    assert (status_of(row), row.expires_at) == ("open", later)


def test_one_the_provider_knows_nothing_of_has_run_out(entity: BillableEntity, stripe: Scripted) -> None:
    row = begin(entity, stripe)
    stripe.refuses()

    reconcile(now=NOON + LIFETIME)

    assert status_of(row) == "expired"


def test_a_paid_one_waits_for_its_fact(entity: BillableEntity, stripe: Scripted) -> None:
    row = begin(entity, stripe)
    CheckoutSession.objects.update(status="paid")
    assert reconcile(now=NOON + PAUSE) == Reconciled(looked_at=1)

    insert(Purchase, billable_entity=entity, provider="stripe", provider_checkout_session_id=row.provider_session_id)

    assert reconcile(now=NOON + 2 * PAUSE).finished == 1
    assert status_of(row) == "completed"


def test_nothing_is_granted_by_any_of_it(entity: BillableEntity, stripe: Scripted) -> None:
    begin(entity, stripe)
    CheckoutSession.objects.update(status="paid")

    reconcile(now=NOON + PAUSE)

    assert not Purchase.objects.exists()


def test_of_two_rounds_at_once_one_takes_it(entity: BillableEntity, stripe: Scripted) -> None:
    left_creating(entity, stripe)
    calls = len(stripe.calls)
    first, second = reconciling.steps(now=NOON + STALE), reconciling.steps(now=NOON + STALE)

    assert [len(list(first)), len(list(second))] == [1, 0]
    assert len(stripe.calls) == calls + 1


def test_one_that_breaks_spoils_no_other(entity: BillableEntity, stripe: Scripted, monkeypatch: Any) -> None:
    broken, other = left_creating(entity, stripe), left_creating(BillableEntityFactory(), stripe)
    CheckoutSession.objects.filter(pk=broken.pk).update(provider="gone")

    def named(provider: str) -> Scripted:
        if provider == "gone":
            raise NotFound("There is no such payment provider.")
        return stripe

    monkeypatch.setattr(choosing, "connector_named", named)

    assert reconcile(now=NOON + STALE) == Reconciled(looked_at=2, finished=1, failed=1)
    assert (status_of(broken), status_of(other)) == ("creating", "open")


def test_refunds_that_were_cut_off_are_resumed(entity: BillableEntity, stripe: Scripted, monkeypatch: Any) -> None:
    purchase = insert(Purchase, billable_entity=entity, provider="stripe")
    waits = insert(PurchaseAdjustment, purchase=purchase, action="refund", status="recorded")
    insert(PurchaseAdjustment, purchase=purchase, action="refund", status="succeeded", provider_reference="re_1")
    insert(PurchaseAdjustment, purchase=purchase, action="refund", status="recorded", provider_reference="re_2")
    insert(PurchaseAdjustment, purchase=purchase, action="dispute", status="recorded")
    resumed: list[int] = []
    monkeypatch.setattr(adjustments, "resume", lambda row, connector, *, now: resumed.append(row.pk))

    assert reconcile(now=NOON + PAUSE - SECOND) == Reconciled()
    assert reconcile(now=NOON + PAUSE).finished == 1
    assert resumed == [waits.pk]


def test_a_refund_the_provider_is_silent_about_waits(
    entity: BillableEntity, stripe: Scripted, monkeypatch: Any
) -> None:
    purchase = insert(Purchase, billable_entity=entity, provider="stripe")
    insert(PurchaseAdjustment, purchase=purchase, action="refund", status="recorded")

    def silent(row: Any, connector: Any, *, now: Any) -> None:
        raise OutcomeUnknown("The payment provider did not answer in time.")

    monkeypatch.setattr(adjustments, "resume", silent)

    assert reconcile(now=NOON + PAUSE) == Reconciled(looked_at=1, failed=1)


def test_the_worker_does_it_too(entity: BillableEntity, stripe: Scripted) -> None:
    left_creating(entity, stripe)

    assert [done.things for done in reconcile_payments(NOON + STALE)] == [1]
    assert CheckoutSession.objects.get().status == "open"


def test_a_silent_provider_keeps_the_worker_for_a_few_calls_only(entity: BillableEntity, stripe: Scripted) -> None:
    for _ in range(MOST_FAILURES + 2):
        left_creating(BillableEntityFactory(), stripe)
    for _ in range(MOST_FAILURES + 2):
        stripe.down()
    calls = len(stripe.calls)

    list(reconcile_payments(NOON + STALE))

    assert len(stripe.calls) == calls + MOST_FAILURES


def test_the_command_tells_what_it_did_and_goes_on_where_it_was_interrupted(
    entity: BillableEntity, stripe: Scripted, monkeypatch: Any
) -> None:
    left_creating(entity, stripe), left_creating(BillableEntityFactory(), stripe)
    out = StringIO()

    def interrupted(row: Any, connector: Any, *, now: Any) -> Any:
        if row.billable_entity_id != entity.pk:
            raise KeyboardInterrupt
        return look_again(row, connector, now=now)

    monkeypatch.setattr("billing.payments.reconciling.look_again", interrupted)
    with time_machine.travel(NOON + STALE, tick=False), pytest.raises(SystemExit) as stopped:
        call_command("reconcile_payments", stdout=out)
    monkeypatch.setattr("billing.payments.reconciling.look_again", look_again)
    with time_machine.travel(NOON + 2 * STALE, tick=False):
        call_command("reconcile_payments", stdout=out)

    assert stopped.value.code == 130
    assert "Interrupted. 1 looked at, 1 finished, 0 could not be found out about." in out.getvalue()
    assert set(CheckoutSession.objects.values_list("status", flat=True)) == {"open"}


def test_a_plan_is_paid_until_its_subscription_is_reported(entity: BillableEntity, stripe: Scripted) -> None:
    row = open_checkout(entity, wanted(plan=pro()), connector=stripe, operation_key="k", now=NOON)
    stripe.seen["cs_k"] = CheckoutSeen(session_id="cs_k", outcome=CheckoutOutcome.COMPLETED, paid=True)

    reconcile(now=NOON + LIFETIME)

    assert status_of(row) == "paid"
