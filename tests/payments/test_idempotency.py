"""The first answer of a door that calls a provider, given again; and what happens to its key when there was none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing.errors import CheckoutOpen, RequestConflict, RequestInProgress
from billing.models import BillableEntity, RequestIdempotency
from billing.payments.connectors.base import NotConfigured, OutcomeUnknown, ProviderError
from billing.payments.idempotency import BATCH, KEPT, LEASE, Answer, answer_once, forget_old
from mozaiks.kit.errors import Failure, Unavailable
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.payments.shop import command

Work = Callable[[str], Answer]


class Provider:
    """Notes the keys it was called with; ``failure`` is raised as long as it is there."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.keys: list[str] = []
        self.failure = failure

    def __call__(self, operation_key: str) -> Answer:
        self.keys.append(operation_key)
        if self.failure is not None:
            raise self.failure
        return Answer(status_code=201, body={"number": len(self.keys)})


@pytest.fixture
def entity(db: None) -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


def ask(entity: BillableEntity, work: Work, *, now: Any = NOON, door: str = "checkout", **said: str) -> Answer:
    return answer_once(entity, door, command(**said), work=work, now=now)


def test_the_first_answer_is_given_again(entity: BillableEntity) -> None:
    provider = Provider()
    first = ask(entity, provider)

    again = ask(entity, provider, now=NOON + timedelta(days=6))

    assert (first.replayed, again) == (False, Answer(status_code=201, body={"number": 1}, replayed=True))
    assert len(provider.keys) == 1


@pytest.mark.parametrize("other", [{"fingerprint": "other"}, {"door": "portal"}])
def test_other_content_under_the_key_is_a_conflict(entity: BillableEntity, other: dict[str, Any]) -> None:
    ask(entity, Provider())

    with pytest.raises(RequestConflict) as refused:
        ask(entity, Provider(), **other)

    assert refused.value.code == "idempotency_conflict"


def test_a_key_belongs_to_its_entity(entity: BillableEntity) -> None:
    provider = Provider()
    ask(entity, provider)

    assert not ask(BillableEntityFactory(), provider).replayed
    assert len(set(provider.keys)) == 2


def test_while_the_first_is_under_way_the_second_is_told_so(entity: BillableEntity) -> None:
    refusals: list[RequestInProgress] = []

    def slow(operation_key: str) -> Answer:
        with pytest.raises(RequestInProgress) as refused:
            ask(entity, Provider(), now=NOON + timedelta(seconds=30))
        refusals.append(refused.value)
        return Answer(status_code=200, body={})

    ask(entity, slow)

    assert refusals[0].code == "request_in_progress"
    assert refusals[0].headers == {"Retry-After": "1"}


def test_a_request_that_died_frees_its_key_and_the_repeat_uses_the_same_key_of_the_provider(
    entity: BillableEntity,
) -> None:
    killed = Provider(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ask(entity, killed)

    with pytest.raises(RequestInProgress):
        ask(entity, Provider(), now=NOON + LEASE - timedelta(seconds=1))
    with pytest.raises(RequestConflict):
        ask(entity, Provider(), now=NOON + LEASE, fingerprint="other")
    provider = Provider()
    answer = ask(entity, provider, now=NOON + LEASE)

    assert (answer.status_code, answer.replayed) == (201, False)
    assert provider.keys == killed.keys


@pytest.mark.parametrize("failure", [OutcomeUnknown("?"), Unavailable("?"), ZeroDivisionError()])
def test_where_nobody_knows_what_was_done_the_repeat_goes_on_at_once_with_the_same_key(
    entity: BillableEntity, failure: Exception
) -> None:
    provider = Provider(failure)
    with pytest.raises(type(failure)):
        ask(entity, provider)

    provider.failure = None
    ask(entity, provider)

    assert len(provider.keys) == 2
    assert len(set(provider.keys)) == 1


@pytest.mark.parametrize("failure", [ProviderError("no"), CheckoutOpen("no"), NotConfigured("no")])
def test_a_refusal_is_not_kept_and_the_repeat_is_a_new_request_to_the_provider(
    entity: BillableEntity, failure: Failure
) -> None:
    provider = Provider(failure)
    with pytest.raises(type(failure)):
        ask(entity, provider)
    assert not RequestIdempotency.objects.exists()

    provider.failure = None
    answer = ask(entity, provider, fingerprint="other")

    assert answer.status_code == 201
    assert len(set(provider.keys)) == 2


def test_one_that_was_only_slow_takes_nothing_from_who_took_over(entity: BillableEntity) -> None:
    second = Provider()

    def slow(operation_key: str) -> Answer:
        ask(entity, second, now=NOON + LEASE)
        raise ProviderError("refused")

    with pytest.raises(ProviderError):
        ask(entity, slow)

    assert ask(entity, Provider()).replayed


def test_answers_are_forgotten_after_a_week_a_batch_at_a_time(entity: BillableEntity) -> None:
    provider = Provider()
    ask(entity, provider, key="old")
    ask(entity, provider, key="young", now=NOON + timedelta(hours=1))

    assert forget_old(now=NOON + KEPT + timedelta(seconds=1)) == 1
    assert forget_old(now=NOON + KEPT + timedelta(seconds=1)) == 0

    assert list(RequestIdempotency.objects.values_list("key", flat=True)) == ["young"]
    assert not ask(entity, provider, key="old").replayed
    assert len(set(provider.keys)) == 3
    assert BATCH >= 100


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_runs_and_the_others_are_told(transactional_db: None) -> None:
    entity = BillableEntityFactory()
    started, outcomes, ran = threading.Barrier(6), [], []

    def work(operation_key: str) -> Answer:
        ran.append(operation_key)
        return Answer(status_code=201, body={"key": operation_key})

    def one() -> None:
        started.wait()
        try:
            outcomes.append(ask(entity, work).body["key"])
        except RequestInProgress:
            outcomes.append("in progress")
        finally:
            connection.close()

    crowd = [threading.Thread(target=one) for _ in range(6)]
    for member in crowd:
        member.start()
    for member in crowd:
        member.join()

    assert len(ran) == 1
    assert len(outcomes) == 6
    assert set(outcomes) <= {ran[0], "in progress"}
