"""The way of an event through the inbox: stored once, claimed, done once, stamped; put off when it fails, and never lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.entitlements.manual import ByHand
from billing.models import BillableEntity, BillingCustomer, BillingEvent, ProviderSubscription
from billing.models.events import EventStatus
from billing.payments import handlers, inbox, webhooks
from billing.payments.connectors.facts import PaymentConfirmed
from billing.payments.purchases import NotYetTied
from billing.worker.loop import Worker
from mozaiks.kit.errors import Invalid, NotFound
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.house.rows import insert
from tests.payments.talking import PROVIDER, Talker, event, listen, paid, presses, told

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
BY = ByHand(actor="olga", reason="The handler was mended.")


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> Talker:
    return listen(monkeypatch.setattr)


@pytest.fixture
def entity() -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("talker")]


def test_an_event_is_stored_before_anything_is_done(entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity))

    row = event(key)
    assert (row.status, row.provider, row.provider_event_id) == (EventStatus.RECEIVED, PROVIDER, "evt_1")
    assert (row.provider_created_at, row.received_at, row.attempt_count) == (NOON, NOON, 0)
    assert presses() == []


def test_a_repeat_is_the_same_row(entity: BillableEntity) -> None:
    assert told("evt_1", paid(entity)) == told("evt_1", paid(entity))

    assert BillingEvent.objects.count() == 1


def test_it_is_done_once_and_stamped_with_whose_it_is(entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity))

    outcomes = [webhooks.process(key, now=NOON).status for _ in range(3)]

    row = event(key)
    assert outcomes == [EventStatus.PROCESSED, None, None]
    assert (row.status, row.processed_at, row.billable_entity_id) == (EventStatus.PROCESSED, NOON, entity.pk)
    assert (row.attempt_count, row.lease_token, row.lease_until) == (1, None, None)
    assert presses() == ["evt_1"]


def test_what_nobody_listens_to_and_what_is_older_is_ignored(entity: BillableEntity) -> None:
    keys = [told("evt_1"), told("evt_2", paid(entity) | {"fact": "older"})]

    for key in keys:
        webhooks.process(key, now=NOON)

    assert {event(key).status for key in keys} == {EventStatus.IGNORED}
    assert [event(key).error_text for key in keys] == [
        "Nobody listens to events of this name.",
        "Something newer of the same subscription was applied before.",
    ]


def test_a_failure_undoes_everything_of_the_event_and_puts_it_off(entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity), paid(entity) | {"fact": "broken"})

    outcome = webhooks.process(key, now=NOON)

    row = event(key)
    assert presses() == []
    assert (row.status, row.last_failed_at, row.attempt_count) == (EventStatus.FAILED, NOON, 1)
    assert row.error_text == outcome.text == "RuntimeError: the handler is broken"
    assert row.next_attempt_at is not None
    assert 2.5 * SECOND <= row.next_attempt_at - NOON <= 5 * SECOND
    assert webhooks.process(key, now=NOON + SECOND).status is None


def test_pauses_grow_to_an_hour() -> None:
    longest = [max(inbox.pause(attempts) for _ in range(200)) for attempts in range(1, 13)]

    assert longest[0] <= 5 * SECOND
    assert all(4 * SECOND * 2**number < longest[number] <= 5 * SECOND * 2**number for number in range(9))
    assert max(longest) <= timedelta(hours=1)


def test_after_the_last_attempt_it_waits_for_an_operator(entity: BillableEntity) -> None:
    key, at = told("evt_1", paid(entity) | {"fact": "broken"}), NOON

    attempts = 0
    while webhooks.process(key, now=at).status is not None:
        attempts += 1
        at += timedelta(hours=1)

    assert attempts == event(key).attempt_count == 12
    assert event(key).next_attempt_at is None
    assert webhooks.due(now=at + 365 * DAY, limit=10) == []
    assert inbox.backlog(now=at) == inbox.Backlog(waiting=0, oldest_at=None, stuck=1)


def test_what_waits_for_another_event_is_tried_for_as_long_as_that_may_come(
    entity: BillableEntity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object) -> str:
        raise NotYetTied("The payment is not known yet.")

    monkeypatch.setattr(handlers, "HANDLERS", {PaymentConfirmed: wait})
    key, at = told("evt_1", paid(entity)), NOON

    while webhooks.process(key, now=at).status is not None:
        at += timedelta(hours=1)

    assert at - NOON == 4 * DAY + timedelta(hours=1)
    assert (event(key).status, event(key).next_attempt_at) == (EventStatus.FAILED, None)


def test_what_a_dead_worker_had_taken_up_is_taken_up_again(entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity))
    assert inbox.claim(key, now=NOON) is not None

    early = webhooks.process(key, now=NOON + 59 * SECOND)
    late = webhooks.process(key, now=NOON + 60 * SECOND)

    assert (early.status, late.status) == (None, EventStatus.PROCESSED)
    assert presses() == ["evt_1"]


def test_an_event_that_ends_its_workers_is_not_taken_up_for_ever(entity: BillableEntity) -> None:
    key, at = told("evt_1", paid(entity)), NOON
    while inbox.claim(key, now=at) is not None:
        at += 61 * SECOND

    row = event(key)
    assert (row.status, row.attempt_count, row.next_attempt_at) == (EventStatus.FAILED, 12, None)
    assert "never said what came of it" in row.error_text


def test_a_worker_that_slept_through_its_lease_changes_nothing(entity: BillableEntity, talker: Talker) -> None:
    key = told("evt_1", paid(entity))

    def sleep(_: object) -> None:
        talker.asked = lambda event: None
        assert webhooks.process(key, now=NOON + 61 * SECOND).status is EventStatus.PROCESSED

    talker.asked = sleep

    assert webhooks.process(key, now=NOON).status is None
    assert presses() == ["evt_1"]
    assert event(key).status == EventStatus.PROCESSED


def test_a_provider_that_does_not_answer_puts_the_event_off(entity: BillableEntity, talker: Talker) -> None:
    def refuse(_: object) -> None:
        raise Invalid("The provider says no.")

    talker.asked = refuse
    key = told("evt_1", paid(entity))

    webhooks.process(key, now=NOON)

    assert (event(key).status, event(key).error_text) == (EventStatus.FAILED, "The provider says no.")


class TestWhose:
    def test_a_customer_and_a_subscription_are_learned_and_tell_whose_later_events_are(
        self, entity: BillableEntity
    ) -> None:
        tied: dict[str, Any] = {"fact": "tied", "entity": entity.pk, "customer": "cus_1", "subscription": "sub_1"}
        for number, fact in enumerate(
            (tied, {"fact": "paid", "customer": "cus_1"}, {"fact": "paid", "subscription": "sub_1"}, tied)
        ):
            webhooks.process(told(f"evt_{number}", fact), now=NOON)

        assert presses() == ["evt_1", "evt_2"]
        customer, subscription = BillingCustomer.objects.get(), ProviderSubscription.objects.get()
        assert (customer.billable_entity, customer.provider_customer_id) == (entity, "cus_1")
        assert (subscription.billable_entity, subscription.provider_customer_id) == (entity, "cus_1")

    def test_who_comes_before_anybody_knows_whose_it_is_waits(self, entity: BillableEntity) -> None:
        early = told("evt_1", {"fact": "paid", "customer": "cus_1"})
        webhooks.process(early, now=NOON)
        webhooks.process(told("evt_2", {"fact": "tied", "entity": entity.pk, "customer": "cus_1"}), now=NOON)

        assert webhooks.process(early, now=NOON + 5 * SECOND).status is EventStatus.PROCESSED
        assert presses() == ["evt_1"]

    def test_an_entity_that_is_not_ours_is_told_to_operators(self) -> None:
        key = told("evt_1", {"fact": "paid", "entity": 4711})

        webhooks.process(key, now=NOON)

        assert event(key).status == EventStatus.FAILED
        assert "the billable entity 4711, which does not exist here" in event(key).error_text

    def test_an_event_about_two_customers_is_refused_and_not_tried_again(self, entity: BillableEntity) -> None:
        other = BillableEntityFactory()
        BillingCustomer.objects.create(
            billable_entity=other, provider=PROVIDER, provider_customer_id="cus_2", created_at=NOON, updated_at=NOON
        )
        keys = [told("evt_1", paid(entity), paid(other)), told("evt_2", paid(entity, customer="cus_2"))]

        for key in keys:
            webhooks.process(key, now=NOON)

        assert {(event(key).status, event(key).next_attempt_at) for key in keys} == {(EventStatus.FAILED, None)}
        assert all(f"{entity.pk}, {other.pk}" in event(key).error_text for key in keys)
        assert presses() == []


class TestWorker:
    def test_a_round_does_what_waits(self, entity: BillableEntity) -> None:
        for number in range(25):
            told(f"evt_{number}", paid(entity))
        told("evt_broken", paid(entity) | {"fact": "broken"})
        worker = Worker()

        worker.round()

        assert len(presses()) == 25
        assert worker.failed == 1
        assert not BillingEvent.objects.filter(status=EventStatus.RECEIVED).exists()

    def test_due_are_the_oldest_of_the_provider_first(self, entity: BillableEntity) -> None:
        younger, older = told("evt_1", at=NOON), told("evt_2", at=NOON - SECOND)

        assert webhooks.due(now=NOON, limit=10) == [older, younger]


class TestRedaction:
    def test_payloads_go_after_their_days_and_those_that_wait_stay(self, entity: BillableEntity) -> None:
        done, ignored = told("evt_1", paid(entity)), told("evt_2")
        failed, waiting = told("evt_3", paid(entity) | {"fact": "broken"}), told("evt_4")
        for key in (done, ignored, failed):
            webhooks.process(key, now=NOON)
        noted = insert(BillingEvent, event_type="operator", status="processed", payload_json={"why": "it stays"})
        old = NOON + 90 * DAY

        assert webhooks.redact(now=old) == 0
        assert webhooks.redact(now=old + SECOND) == 2
        assert webhooks.redact(now=old + SECOND) == 0

        assert {key: bool(event(key).payload_json) for key in (done, ignored, failed, waiting, noted.pk)} == {
            done: False,
            ignored: False,
            failed: True,
            waiting: True,
            noted.pk: True,
        }
        assert event(done).redacted_at == old + SECOND


class TestReplay:
    def test_an_event_that_was_given_up_is_done_by_an_operator(
        self, entity: BillableEntity, talker: Talker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = told("evt_1", paid(entity, customer="cus_1") | {"entity": None})
        for hours in range(12):
            webhooks.process(key, now=NOON + timedelta(hours=hours))
        webhooks.process(told("evt_2", {"fact": "tied", "entity": entity.pk, "customer": "cus_1"}), now=NOON)

        outcome = webhooks.replay(key, by=BY, now=NOON + DAY)

        assert outcome.status is EventStatus.PROCESSED
        assert (event(key).attempt_count, event(key).processed_at) == (1, NOON + DAY)
        assert presses() == ["evt_1"]
        noted = BillingEvent.objects.get(event_type="operator")
        assert (noted.event_name, noted.actor, noted.reason) == ("event.replayed", "olga", BY.reason)
        assert noted.payload_json["event"] == key

    def test_one_that_is_being_processed_is_not(self, entity: BillableEntity) -> None:
        key = told("evt_1", paid(entity))
        inbox.claim(key, now=NOON)

        with pytest.raises(webhooks.NotReplayable, match="just now"):
            webhooks.replay(key, by=BY, now=NOON)

    def test_one_without_its_payload_is_not(self, entity: BillableEntity) -> None:
        key = told("evt_1", paid(entity))
        webhooks.process(key, now=NOON)
        webhooks.redact(now=NOON + 91 * DAY)

        with pytest.raises(webhooks.NotReplayable, match="emptied"):
            webhooks.replay(key, by=BY, now=NOON + 91 * DAY)

    def test_only_events_of_providers_are(self) -> None:
        noted = insert(BillingEvent, event_type="operator", status="processed")

        with pytest.raises(webhooks.NotReplayable):
            webhooks.replay(noted.pk, by=BY, now=NOON)
        with pytest.raises(NotFound):
            webhooks.replay(noted.pk + 1, by=BY, now=NOON)

    def test_it_needs_a_reason(self, entity: BillableEntity) -> None:
        key = told("evt_1", paid(entity))

        with pytest.raises(Invalid):
            webhooks.replay(key, by=ByHand(actor="olga", reason=" "), now=NOON)

        assert event(key).status == EventStatus.RECEIVED
