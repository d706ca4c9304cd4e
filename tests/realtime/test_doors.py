"""Who is let in: origins, sessions, tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import override_settings

from mozaiks.kit import clock
from mozaiks.workspaces import tokens
from realtime.admission import origin_allowed
from tests import NOON
from tests.realtime.conftest import Town
from tests.realtime.talking import HOME, Client, aside, connected, signed_in, token_of

OWN = "http://127.0.0.1:8000"

#: An origin, whether production lets it in, whether the demo on 127.0.0.1:8000 does.
ORIGINS = [
    ("https://billing.example.org", True, True),
    ("https://BILLING.example.org", True, True),
    ("https://billing.example.org:443", True, True),
    ("https://billing.example.org:8443", False, False),
    ("http://billing.example.org", False, False),
    ("wss://billing.example.org", False, False),
    ("https://billing.example.org.evil.test", False, False),
    ("https://evilbilling.example.org", False, False),
    ("https://sub.billing.example.org", False, False),
    ("https://example.org", False, False),
    ("https://billing.example.org/", False, False),
    ("https://billing.example.org/page", False, False),
    ("https://billing.example.org?x", False, False),
    ("https://billing.example.org#x", False, False),
    ("https://user@billing.example.org", False, False),
    (" https://billing.example.org", False, False),
    ("https://billing.example.org:x", False, False),
    ("https://[::1", False, False),
    ("null", False, False),
    ("", False, False),
    ("*", False, False),
    ("file://", False, False),
    ("http://127.0.0.1:8000", False, True),
    ("http://localhost:8000", False, False),
]


@pytest.mark.parametrize(("origin", "in_production", "in_the_demo"), ORIGINS)
def test_origins_are_compared_whole(origin: str, in_production: bool, in_the_demo: bool) -> None:
    with override_settings(DEBUG=False):
        assert origin_allowed(origin, host="127.0.0.1:8000", scheme="ws") is in_production
    with override_settings(DEBUG=True):
        assert origin_allowed(origin, host="127.0.0.1:8000", scheme="ws") is in_the_demo


def test_the_demos_own_origin_is_one_that_allowed_hosts_knows() -> None:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost"]):
        assert not origin_allowed("http://rebound.test:8000", host="rebound.test:8000", scheme="ws")
        assert not origin_allowed("http://localhost:8000", host="localhost:8000", scheme="wss")
        assert origin_allowed("https://localhost:8000", host="localhost:8000", scheme="wss")


@pytest.mark.parametrize("origin", ["https://evil.test", "null", None])
async def test_a_wrong_origin_is_refused_before_the_handshake_whatever_else_is_right(
    town: Town, origin: str | None
) -> None:
    let_in, _ = await Client(cookie=town.of_alice, origin=origin).connect()

    assert not let_in


async def test_a_program_has_no_origin_and_brings_a_token(town: Town) -> None:
    client = Client(origin=None, subprotocols=await aside(token_of, town.alice))

    let_in, subprotocol = await client.connect()

    assert (let_in, subprotocol) == (True, "mozaiks.v1")
    assert (await client.subscribe(town.acme))["type"] == "subscribed"


async def test_a_page_of_another_origin_is_refused_with_a_token_too(town: Town) -> None:
    let_in, _ = await Client(origin="https://evil.test", subprotocols=await aside(token_of, town.alice)).connect()

    assert not let_in


async def test_another_path_is_no_socket(town: Town) -> None:
    let_in, _ = await Client(cookie=town.of_alice, path="/ws/other").connect()

    assert not let_in


async def test_the_sub_protocol_is_answered_where_it_was_offered(town: Town) -> None:
    _, offered = await Client(cookie=town.of_alice, subprotocols=["mozaiks.v1"]).connect()
    _, plain = await Client(cookie=town.of_alice).connect()

    assert (offered, plain) == ("mozaiks.v1", None)


async def test_nobody_is_accepted_and_closed_with_4401(town: Town) -> None:
    assert await (await connected()).closed_with() == 4401
    assert await (await connected(cookie="sessionid=invented")).closed_with() == 4401
    assert await (await connected(cookie="sessionid=\x00; ;;=")).closed_with() == 4401
    assert await (await connected(subprotocols=["mozaiks.v1", "token.mzk_invented"])).closed_with() == 4401


async def test_a_bad_token_is_not_made_good_by_a_session(town: Town) -> None:
    client = await connected(cookie=town.of_alice, subprotocols=["mozaiks.v1", "token.mzk_invented"])

    assert await client.closed_with() == 4401


async def test_a_token_in_the_url_is_no_token(town: Town) -> None:
    protocols = await aside(token_of, town.alice)

    client = await connected(path=f"/ws/realtime?token={protocols[1].removeprefix('token.')}")

    assert await client.closed_with() == 4401


async def test_tokens_that_are_over_let_nobody_in(town: Town) -> None:
    def over() -> list[list[str]]:
        expired = token_of(town.alice, expires_at=NOON + timedelta(seconds=1))
        revoked = token_of(town.bob)
        tokens.revoke(town.bob.api_tokens.get(), now=clock.now())
        return [expired, revoked]

    for protocols in await aside(over):
        assert await (await connected(subprotocols=protocols)).closed_with() == 4401


async def test_a_session_of_another_password_lets_nobody_in(town: Town) -> None:
    def change_password() -> None:
        town.alice.set_password("another one")
        town.alice.save()

    await aside(change_password)

    assert await (await connected(cookie=town.of_alice)).closed_with() == 4401


async def test_a_session_begun_under_a_former_secret_key_lets_in_and_stays_as_it_is(town: Town) -> None:
    with override_settings(SECRET_KEY="former-" * 10):
        cookie = await aside(signed_in, town.alice)

    with override_settings(SECRET_KEY_FALLBACKS=["former-" * 10]):
        for _ in range(2):
            client = await connected(cookie=cookie)
            assert (await client.subscribe(town.acme))["type"] == "subscribed"


async def test_a_user_who_is_shut_out_is_nobody(town: Town) -> None:
    def shut_out() -> None:
        town.alice.is_active = False
        town.alice.save()

    await aside(shut_out)

    assert await (await connected(cookie=town.of_alice)).closed_with() == 4401


async def test_without_a_database_clients_are_asked_to_come_back(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.admission.visitor_of_cookies", lambda *_: 1 / 0)

    assert await (await connected(cookie=town.of_alice, origin=HOME)).closed_with() == 1013
