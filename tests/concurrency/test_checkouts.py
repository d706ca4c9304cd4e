"""Several requests to pay at the same moment: one checkout at the provider, and every other one is told why not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection

from billing.models import BillableEntity, CheckoutSession, RequestIdempotency
from billing.payments.checkout import note_ended, open_checkout
from billing.payments.connectors import choosing
from billing.payments.connectors.facts import CheckoutEnded, CheckoutOutcome, Whose
from billing.payments.idempotency import Answer, answer_once
from billing.payments.keyed import perform_once
from billing.payments.reconciling import steps
from billing.payments.sessions import STALE
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.errors import Failure
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.payments.scripted import Scripted
from tests.payments.shop import command, pack, wanted

pytestmark = [pytest.mark.server, pytest.mark.serial, pytest.mark.django_db(transaction=True)]

CROWD = 6


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """What came of each: what it returned, or the code of its failure."""
    started = threading.Barrier(len(jobs))
    outcomes: list[Any] = [None] * len(jobs)

    def run(number: int, job: Callable[[], Any]) -> None:
        try:
            started.wait()
            outcomes[number] = job()
        except Failure as failure:
            outcomes[number] = failure.code
        except Exception as error:
            outcomes[number] = error
        finally:
            connection.close()

    crowd = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for member in crowd:
        member.start()
    for member in crowd:
        member.join(timeout=60)
    return outcomes


@pytest.fixture
def entity() -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


@pytest.fixture
def stripe() -> Scripted:
    return Scripted()


def test_with_different_keys_one_is_opened(entity: BillableEntity, stripe: Scripted) -> None:
    products = [pack(code=f"pack-{number}", provider_price_id=f"price-{number}") for number in range(CROWD)]

    def buying(number: int) -> Callable[[], Any]:
        what = wanted(product=products[number])
        return lambda: open_checkout(entity, what, connector=stripe, operation_key=f"k{number}", now=NOON).status

    outcomes = Counter(at_once([buying(number) for number in range(CROWD)]))

    assert outcomes["open"] == stripe.count("checkout") == CheckoutSession.objects.count() == 1
    assert outcomes["open"] + outcomes["checkout_in_progress"] + outcomes["checkout_session_open"] == CROWD


def test_with_one_key_the_provider_is_asked_under_one_key(entity: BillableEntity, stripe: Scripted) -> None:
    what = wanted(product=pack())

    def work(operation_key: str) -> Answer:
        row = open_checkout(entity, what, connector=stripe, operation_key=operation_key, now=NOON)
        return Answer(status_code=201, body={"url": row.checkout_url})

    def job() -> Any:
        return answer_once(entity, "checkout", command(), work=work, now=NOON).body["url"]

    outcomes = at_once([job] * CROWD)
    again = job()

    assert set(outcomes) <= {again, "request_in_progress"}
    assert again in outcomes
    assert stripe.count("checkout") == CheckoutSession.objects.count() == RequestIdempotency.objects.count() == 1


def test_keyed_writes_at_once_have_one_effect_and_one_answer(entity: BillableEntity, stripe: Scripted) -> None:
    kept: list[str] = []

    def keep(url: str) -> Answer:
        kept.append(url)
        return Answer(status_code=200, body={"url": url})

    def ask(operation_key: str) -> str:
        return stripe.add_payment_method("cus_1", return_url="/", operation_key=operation_key)

    def job() -> Any:
        return perform_once(entity, "payment-methods.add", command(), ask=ask, keep=keep, now=NOON).body["url"]

    outcomes = at_once([job] * CROWD)

    assert set(outcomes) == {"https://pay.example.org/methods/cus_1"}
    assert stripe.count("add_payment_method") == 1


def test_an_event_beside_the_answer_of_the_provider(entity: BillableEntity, stripe: Scripted) -> None:
    what = wanted(product=pack())
    fact = CheckoutEnded(whose=Whose(), session_id="cs_k", outcome=CheckoutOutcome.COMPLETED, operation_key="k")

    def opening() -> Any:
        return open_checkout(entity, what, connector=stripe, operation_key="k", now=NOON).status

    def telling() -> Any:
        run_in_transaction(lambda: note_ended(fact, provider="stripe", event=None, now=NOON))
        return "told"

    opened, told, _ = at_once([opening, telling, telling])
    telling()

    assert (opened in {"open", "completed"}, told) == (True, "told")
    row = CheckoutSession.objects.get()
    assert (row.status, row.provider_session_id) == ("completed", "cs_k")
    assert row.checkout_url


def test_many_rounds_of_reconciliation_at_once_call_once(
    entity: BillableEntity, stripe: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "connector_named", lambda provider: stripe)
    stripe.loses_answer()
    at_once([lambda: open_checkout(entity, wanted(product=pack()), connector=stripe, operation_key="k", now=NOON)])
    before = len(stripe.calls)

    taken = at_once([lambda: len(list(steps(now=NOON + STALE)))] * CROWD)

    assert sum(taken) == 1
    assert len(stripe.calls) == before + 1
    assert CheckoutSession.objects.get().status == "open"
