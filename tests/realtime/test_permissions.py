"""Who may hear what, and how soon they hear no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client as Browser
from pytest_django import Settings

from billing.entitlements.core import WORKSPACE_ACCESS
from billing.models import Definition
from mozaiks.kit import clock
from mozaiks.workspaces import members, tokens
from mozaiks.workspaces.models import Membership, User
from mozaiks.workspaces.roles import WORKSPACE_READ, Role
from realtime import admission, hub
from realtime.topics import TOPICS, Surface, Topic
from tests.factories import BillableEntityFactory, GrantFactory
from tests.realtime.conftest import Town
from tests.realtime.talking import LIMITS, Client, aside, connected, limits_changed, publish, token_of


async def test_a_foreign_workspace_and_one_that_is_none_are_refused_in_the_same_words(town: Town) -> None:
    client = await connected(cookie=town.of_alice)

    foreign = await client.subscribe(town.globex)
    missing = await client.say(
        type="subscribe", requestId="r1", workspaceSlug="nowhere", surface="app", topics=[LIMITS]
    )

    assert foreign == missing
    assert foreign["code"] == "forbidden"


async def test_a_member_hears_their_own_workspace_alone(town: Town) -> None:
    alice, dana = await connected(cookie=town.of_alice), await connected(cookie=town.of_dana)
    await alice.subscribe(town.acme)
    await dana.subscribe(town.globex)

    await publish(limits_changed(town.globex, "theirs"))

    assert (await dana.hear())["event"]["workspaceSlug"] == "globex"
    assert await alice.say(type="ping") == {"type": "pong"}


async def test_every_member_hears_limits_in_the_app_and_managers_on_admin_pages(town: Town) -> None:
    bob, alice = await connected(cookie=town.of_bob), await connected(cookie=town.of_alice)

    assert (await bob.subscribe(town.acme, surface="app"))["type"] == "subscribed"
    assert (await bob.subscribe(town.acme, surface="admin"))["code"] == "forbidden"
    assert (await alice.subscribe(town.acme, surface="admin"))["type"] == "subscribed"


@pytest.mark.parametrize(("setting", "heard"), [("read-only", "subscribed"), ("lock", "error")])
async def test_a_workspace_whose_access_has_run_out_is_heard_like_it_is_looked_at(
    town: Town, settings: Settings, monkeypatch: pytest.MonkeyPatch, setting: str, heard: str
) -> None:
    """Its limits can always be heard: that is how the page of billing learns that it is open again."""
    settings.BILLING_EXPIRED_WORKSPACE = setting
    hearers = dict.fromkeys(Surface, WORKSPACE_READ)
    monkeypatch.setitem(TOPICS, "visits", Topic(name="visits", event_types=("visit.made",), hearers=hearers))

    def expire() -> None:
        access, began = Definition.objects.get(code=WORKSPACE_ACCESS), clock.now() - timedelta(days=9)
        entity = BillableEntityFactory(workspace=town.acme)
        ends = began + timedelta(days=1)
        GrantFactory(
            subject=entity, definition=access, amount=1, effective_at=began, recorded_at=began, expires_at=ends
        )

    await aside(expire)
    client = await connected(cookie=town.of_bob)

    visits = await client.say(type="subscribe", requestId="r1", workspaceSlug="acme", surface="app", topics=["visits"])
    limits = await client.subscribe(town.acme)

    assert (visits["type"], limits["type"]) == (heard, "subscribed")


async def test_an_operator_is_nobody_in_a_workspace(town: Town) -> None:
    def promote() -> None:
        User.objects.filter(pk=town.dana.pk).update(is_staff=True, is_superuser=True)

    await aside(promote)
    client = await connected(cookie=town.of_dana)

    assert (await client.subscribe(town.acme, surface="admin"))["code"] == "forbidden"


async def test_a_member_who_is_removed_hears_no_more_at_once(town: Town) -> None:
    client = await connected(cookie=town.of_bob)
    await client.subscribe(town.acme)

    await aside(members.remove_member, town.acme, town.bob)

    told = await client.hear()
    assert (told["type"], told["requestId"], told["topics"]) == ("unsubscribed", None, [LIMITS])
    await publish(limits_changed(town.acme))
    assert await client.say(type="ping") == {"type": "pong"}


async def test_a_role_that_is_changed_takes_the_surface_that_asked_for_it(town: Town) -> None:
    await aside(members.add_member, town.globex, town.alice, role=Role.ADMIN, now=clock.now())
    client = await connected(cookie=town.of_alice)
    await client.subscribe(town.globex, surface="admin")
    await client.subscribe(town.globex, surface="app")

    await aside(members.change_role, town.globex, town.alice, role=Role.VIEWER)

    assert (await client.hear())["surface"] == "admin"
    await publish(limits_changed(town.globex))
    assert (await client.hear())["type"] == "event"


def deactivate(town: Town) -> None:
    town.bob.is_active = False
    town.bob.save()


def delete(town: Town) -> None:
    User.objects.get(pk=town.bob.pk).delete()


def change_password(town: Town) -> None:
    town.bob.set_password("another one")
    town.bob.save()


def sign_out(town: Town) -> None:
    browser = Browser()
    browser.cookies["sessionid"] = town.of_bob.removeprefix("sessionid=")
    assert browser.post("/logout/").status_code == 302


@pytest.mark.parametrize("done", [deactivate, delete, change_password, sign_out])
async def test_who_may_not_be_here_any_more_is_shut_out_at_once(town: Town, done: Callable[[Town], None]) -> None:
    client = await connected(cookie=town.of_bob)
    other = await connected(cookie=town.of_alice)
    await client.subscribe(town.acme)

    await aside(done, town)

    assert await client.closed_with() == 4401
    assert await other.say(type="ping") == {"type": "pong"}


async def test_a_token_that_is_revoked_closes_its_sockets_and_not_those_of_the_session(town: Town) -> None:
    by_token = await connected(subprotocols=await aside(token_of, town.alice))
    by_session = await connected(cookie=town.of_alice)
    await by_token.subscribe(town.acme)

    await aside(lambda: tokens.revoke(town.alice.api_tokens.get(), now=clock.now()))

    assert await by_token.closed_with() == 4401
    assert await by_session.say(type="ping") == {"type": "pong"}


async def test_what_no_signal_tells_is_found_by_the_sweep(town: Town) -> None:
    client = await connected(cookie=town.of_bob)
    await client.subscribe(town.acme)

    await aside(lambda: Membership.objects.filter(user=town.bob).update(workspace=town.globex))
    await hub.hub()._settle(hub.hub()._sockets())

    assert (await client.hear())["type"] == "unsubscribed"


async def test_who_subscribes_while_everybody_is_asked_after_keeps_the_subscription(town: Town) -> None:
    client = await connected(cookie=town.of_alice)
    await client.say(type="ping")
    (socket,) = hub.hub()._sockets()
    of_before = await aside(admission.standing_of, [socket.visitor], socket.workspace_ids(), now=clock.now())

    await client.subscribe(town.acme)
    socket.settle(of_before)
    await publish(limits_changed(town.acme))

    assert (await client.hear())["type"] == "event"


async def test_a_membership_that_ends_while_it_is_asked_for_lets_nobody_listen(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = admission.seat_of
    client = await connected(cookie=town.of_bob)
    loop, noticed = asyncio.get_running_loop(), asyncio.Event()
    look_again = hub.Hub._hear

    def hear(house: hub.Hub, message: dict[str, object]) -> None:
        look_again(house, message)
        noticed.set()

    def seat_of(visitor: admission.Visitor, slug: str, *, now: datetime) -> admission.Seat | None:
        seat = real(visitor, slug, now=now)
        if not asked:
            members.remove_member(town.acme, town.bob)
            asyncio.run_coroutine_threadsafe(noticed.wait(), loop).result(10)
        asked.append(slug)
        return seat

    monkeypatch.setattr(hub.Hub, "_hear", hear)
    monkeypatch.setattr(admission, "seat_of", seat_of)

    answer = await client.subscribe(town.acme)

    assert (answer["code"], len(asked)) == ("forbidden", 2)
    assert not hub.hub().listeners


async def test_a_guest_may_have_a_topic_of_its_own(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime import topics

    monkeypatch.setattr(topics, "TOPICS", dict(topics.TOPICS))
    monkeypatch.setattr("realtime.requests.TOPICS", topics.TOPICS)
    topics.declare("gadgets", event_types=("gadget.made",), app="gadgets.read", admin="workspace.billing.manage")
    client: Client = await connected(cookie=town.of_alice)

    assert (await client.subscribe(town.acme, surface="app", topics=("gadgets",)))["code"] == "forbidden"
    assert (await client.subscribe(town.acme, surface="admin", topics=("gadgets",)))["type"] == "subscribed"


def test_a_topic_has_one_meaning() -> None:
    from realtime import topics

    same = topics.declare(
        LIMITS, event_types=("workspace.billing.limits.updated",), app="", admin="workspace.billing.manage"
    )

    assert same == topics.TOPICS[LIMITS]
    with pytest.raises(ValueError, match="another topic"):
        topics.declare(LIMITS, event_types=("other",), app="", admin="")
    with pytest.raises(ValueError, match="no name"):
        topics.declare("Bad name", event_types=(), app="", admin="")
