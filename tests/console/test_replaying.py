"""An operator looks at an event that failed, and has it processed again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from billing.models import BillableEntity, BillingEvent
from billing.payments import webhooks
from mozaiks.kit import clock
from tests.console.support import address, customer, signed_in, staff
from tests.console.test_operations import errors_of, said_in
from tests.house.rows import insert
from tests.payments.talking import Talker, event, listen, paid, presses, told

pytestmark = pytest.mark.django_db
REPLAY, VIEW = "billing.replay_events", "billing.view_billingevent"
WHY = {"reason": "The handler was mended.", "operation_key": "console-test"}


@pytest.fixture(autouse=True)
def _talker(monkeypatch: pytest.MonkeyPatch) -> Talker:
    return listen(monkeypatch.setattr)


@pytest.fixture
def entity() -> BillableEntity:
    return customer()


def replay_page(key: int) -> str:
    return f"{address(BillingEvent, 'change', key).removesuffix('change/')}replay/"


def given_up(entity: BillableEntity) -> int:
    """An event that failed for the last time, and would not fail now."""
    key = told("evt_1", paid(entity))
    BillingEvent.objects.filter(pk=key).update(status="failed", attempt_count=12, error_text="It was broken.")
    return key


def test_an_event_is_processed_again_with_a_reason(operator: Client, entity: BillableEntity) -> None:
    key = given_up(entity)
    assert b"/replay/" in operator.get(address(BillingEvent, "change", key)).content

    answer = operator.post(replay_page(key), WHY)

    assert answer.status_code == 302
    assert said_in(answer) == [f"Event {key} was processed."]
    assert (event(key).status, presses()) == ("processed", ["evt_1"])
    noted = BillingEvent.objects.get(event_type="operator")
    assert (noted.actor, noted.reason, noted.payload_json["error"]) == ("operator", WHY["reason"], "It was broken.")


def test_a_second_click_does_it_no_second_time_as_far_as_the_first_did(
    operator: Client, entity: BillableEntity
) -> None:
    key = told("evt_1", paid(entity) | {"fact": "older"})

    answers = [operator.post(replay_page(key), WHY) for _ in range(2)]

    changes_nothing = f"Event {key} changes nothing: Something newer of the same subscription was applied before."
    assert said_in(answers[1]) == [changes_nothing, changes_nothing]


def test_one_that_fails_again_says_why_and_when_it_is_tried(operator: Client, entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity) | {"fact": "broken"})

    answer = operator.post(replay_page(key), WHY)

    (said,) = said_in(answer)
    assert said.startswith(f"Event {key} failed again: RuntimeError: the handler is broken It is tried again after ")


def test_what_cannot_be_replayed_is_told_in_the_form(operator: Client, entity: BillableEntity) -> None:
    key = told("evt_1", paid(entity))
    webhooks.process(key, now=clock.now())
    webhooks.redact(now=clock.now() + timedelta(days=400))

    answer = operator.post(replay_page(key), WHY)

    assert "The payload was emptied" in str(errors_of(answer))
    assert presses() == ["evt_1"]


def test_it_takes_the_permission_and_an_event_of_a_provider(operator: Client, entity: BillableEntity) -> None:
    key = given_up(entity)
    noted = insert(BillingEvent, event_type="operator", status="processed")

    looking = signed_in(staff(VIEW))
    assert looking.get(replay_page(key)).status_code == 403
    assert looking.post(replay_page(key), WHY).status_code == 403
    assert signed_in(staff(REPLAY, username="blind")).get(replay_page(key)).status_code == 403
    assert signed_in(staff(VIEW, REPLAY, username="bert")).get(replay_page(key)).status_code == 200
    assert b"/replay/" not in operator.get(address(BillingEvent, "change", noted.pk)).content
    assert operator.get(replay_page(key + 1000)).status_code == 404
    assert presses() == []
