"""What is said over a socket and what is answered, as ``docs/contracts.md`` has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime import consumers
from tests.realtime.conftest import Town
from tests.realtime.talking import LIMITS, Client, connected, limits_changed, publish


async def at_home(town: Town) -> Client:
    return await connected(cookie=town.of_alice)


async def test_who_subscribes_hears_the_envelope_and_nothing_else(town: Town) -> None:
    client = await at_home(town)

    answer = await client.subscribe(town.acme)
    await publish(limits_changed(town.acme, "a", "b"))
    heard = await client.hear()

    assert answer == {
        "type": "subscribed",
        "requestId": "r1",
        "workspaceSlug": "acme",
        "surface": "app",
        "topics": [LIMITS],
    }
    assert len(heard["event"].pop("eventId")) == 32
    assert heard == {
        "type": "event",
        "event": {
            "occurredAt": "2026-02-21T12:00:00.000Z",
            "eventType": "workspace.billing.limits.updated",
            "topic": "workspace_billing_limits",
            "workspaceId": town.acme.pk,
            "workspaceSlug": "acme",
            "entityType": "billable_entity",
            "entityId": 7,
            "commandId": None,
            "sourceClientId": None,
            "actorUserId": None,
            "payload": {"changedCodes": ["a", "b"]},
        },
    }


async def test_who_unsubscribes_hears_no_more(town: Town) -> None:
    client = await at_home(town)
    await client.subscribe(town.acme)

    answer = await client.say(type="unsubscribe", requestId=2, workspaceSlug="acme", surface="app", topics=[LIMITS])
    await publish(limits_changed(town.acme))

    assert (answer["type"], answer["requestId"], answer["topics"]) == ("unsubscribed", 2, [LIMITS])
    assert await client.say(type="ping") == {"type": "pong"}


async def test_two_surfaces_of_one_topic_are_one_event(town: Town) -> None:
    client = await at_home(town)
    await client.subscribe(town.acme, surface="app")
    await client.subscribe(town.acme, surface="admin")

    await publish(limits_changed(town.acme))

    assert (await client.hear())["type"] == "event"
    assert await client.say(type="ping") == {"type": "pong"}


async def test_one_of_two_surfaces_goes_on_when_the_other_ends(town: Town) -> None:
    client = await at_home(town)
    await client.subscribe(town.acme, surface="app")
    await client.subscribe(town.acme, surface="admin")

    await client.say(type="unsubscribe", requestId="x", workspaceSlug="acme", surface="admin", topics=[LIMITS])
    await publish(limits_changed(town.acme))

    assert (await client.hear())["type"] == "event"


def asked(**changes: Any) -> str:
    whole = {"type": "subscribe", "requestId": "r", "workspaceSlug": "acme", "surface": "app", "topics": [LIMITS]}
    return json.dumps({name: value for name, value in {**whole, **changes}.items() if value != "left out"})


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (" ", "invalid_message"),
        ("{", "invalid_message"),
        ("[]", "invalid_message"),
        ("null", "invalid_message"),
        ('"subscribe"', "invalid_message"),
        ("{}", "invalid_message"),
        ('{"type": 7}', "invalid_message"),
        ('{"type": ["ping"]}', "invalid_message"),
        ("[" * 8000, "invalid_message"),
        ('{"type": ' + "9" * 5000 + "}", "invalid_message"),
        (asked(type="publish"), "invalid_message"),
        (asked(requestId="r" * 129), "invalid_message"),
        (asked(requestId=True), "invalid_message"),
        (asked(requestId={"a": 1}), "invalid_message"),
        (asked(workspaceSlug="left out"), "workspace_required"),
        (asked(workspaceSlug=""), "workspace_required"),
        (asked(workspaceSlug=None), "workspace_required"),
        (asked(workspaceSlug=["acme"]), "invalid_message"),
        (asked(workspaceSlug="Acme"), "forbidden"),
        (asked(workspaceSlug="acme\x00"), "forbidden"),
        (asked(workspaceSlug="\ud800"), "forbidden"),
        (asked(workspaceSlug="globex"), "forbidden"),
        (asked(surface="left out"), "unsupported_surface"),
        (asked(surface="root"), "unsupported_surface"),
        (asked(surface=["app"]), "unsupported_surface"),
        (asked(topics="left out"), "invalid_message"),
        (asked(topics=[]), "invalid_message"),
        (asked(topics=LIMITS), "invalid_message"),
        (asked(topics=[LIMITS, 1]), "invalid_message"),
        (asked(topics=["secrets"]), "unsupported_topic"),
        (asked(topics=[LIMITS, "realtime.control"]), "unsupported_topic"),
        ("x" * 8193, "payload_too_large"),
        ("ü" * 4097, "payload_too_large"),
        ("x" * 2**20, "payload_too_large"),
    ],
)
async def test_what_makes_no_sense_is_told_so_and_the_socket_lives(town: Town, frame: str, code: str) -> None:
    client = await at_home(town)

    await client.send_to(text_data=frame)
    answer = await client.hear()

    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["message"]
    assert await client.say(type="ping") == {"type": "pong"}


async def test_a_frame_of_exactly_8_kib_is_looked_at(town: Town) -> None:
    client = await at_home(town)
    ping = '{"type":"ping"}'

    await client.send_to(text_data=ping + " " * (8192 - len(ping)))

    assert await client.hear() == {"type": "pong"}


@pytest.mark.parametrize(
    ("content", "code"), [(b"\x00\xff", "invalid_message"), (b"\x00" * 2**20, "payload_too_large")]
)
async def test_binary_frames_are_no_messages(town: Town, content: bytes, code: str) -> None:
    client = await at_home(town)

    await client.send_to(bytes_data=content)

    assert (await client.hear())["code"] == code


async def test_the_answer_to_a_message_that_fails_carries_its_request(town: Town) -> None:
    client = await at_home(town)

    answer = await client.say(type="subscribe", requestId="mine", workspaceSlug="acme", surface="app", topics=["no"])

    assert answer["requestId"] == "mine"


async def test_who_sends_more_than_the_stated_rate_is_closed(town: Town) -> None:
    client = await at_home(town)

    for _ in range(consumers.BURST * 3):
        await client.send_to(text_data='{"type":"ping"}')

    assert await client.closed_with() == 4429


async def test_a_socket_hears_so_many_topics_and_no_more(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MOST_SUBSCRIPTIONS", 0)
    client = await at_home(town)

    answer = await client.subscribe(town.acme)

    assert (answer["type"], answer["code"]) == ("error", "forbidden")


async def test_a_user_has_so_many_sockets_and_no_more(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MOST_SOCKETS_A_USER", 1)
    first = await at_home(town)

    second = await connected(cookie=town.of_alice)

    assert await second.closed_with() == 4429
    assert await first.say(type="ping") == {"type": "pong"}


async def test_what_fails_inside_is_an_internal_error_and_not_the_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await at_home(town)
    monkeypatch.setattr("realtime.admission.seat_of", lambda *_, **__: 1 / 0)

    answer = await client.subscribe(town.acme)

    assert (answer["code"], answer["requestId"]) == ("internal_error", "r1")
    assert await client.say(type="ping") == {"type": "pong"}
