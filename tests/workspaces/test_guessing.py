"""Guessing a password is slow, for whoever guesses and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from mozaiks.kit import clock
from mozaiks.workspaces import guessing
from mozaiks.workspaces.guessing import GUESSES, MOST, SECONDS, Guesses
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

DOORS = ("/login/", "/admin/login/")
everywhere = pytest.mark.parametrize("door", DOORS)


class Watch:
    """A clock that stands until it is moved."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    standing = Watch()
    monkeypatch.setattr(clock, "monotonic", standing)
    GUESSES.forget()
    yield standing
    GUESSES.forget()


def sign_in(client: Client, door: str, password: str = "wrong", name: str = "alice", **extra: Any) -> int:
    return client.post(door, {"username": name, "password": password, "next": "/"}, **extra).status_code


@everywhere
def test_after_many_wrong_passwords_not_even_the_right_one_is_looked_at(client: Client, door: str) -> None:
    UserFactory(username="alice", is_staff=True)
    tried = [sign_in(client, door) for _ in range(MOST)]

    refused = client.post(door, {"username": "Alice ", "password": "open sesame"})

    assert set(tried) == {200}
    assert (refused.status_code, refused["Retry-After"]) == (429, str(int(SECONDS)))
    assert "tried too often" in refused.content.decode()
    assert client.get(door).status_code == 200


@everywhere
def test_it_is_over_after_a_while(client: Client, door: str, watch: Watch) -> None:
    UserFactory(username="alice", is_staff=True)
    for _ in range(MOST):
        sign_in(client, door)
    watch.seconds += SECONDS - 1

    early = sign_in(client, door, "open sesame")
    watch.seconds += 1
    later = sign_in(client, door, "open sesame")

    assert (early, later) == (429, 302)


def test_another_name_and_another_address_are_not_kept_out(client: Client) -> None:
    for name in ("alice", "bob"):
        UserFactory(username=name)
    for _ in range(MOST):
        sign_in(client, "/login/")

    assert sign_in(client, "/login/", "open sesame", REMOTE_ADDR="192.0.2.7") == 302
    assert sign_in(Client(), "/login/", "open sesame", name="bob") == 302
    assert sign_in(Client(), "/login/", "open sesame") == 429


def test_whoever_knows_the_password_begins_anew(client: Client) -> None:
    UserFactory(username="alice")
    for _ in range(MOST - 1):
        sign_in(client, "/login/")

    assert sign_in(client, "/login/", "open sesame") == 302
    assert {sign_in(Client(), "/login/") for _ in range(MOST)} == {200}


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "REMEMBERED", 3)
    guesses = Guesses()

    for number in range(10):
        for _ in range(MOST):
            guesses.count((f"name{number}", "192.0.2.7"))

    assert [guesses.wait((f"name{number}", "192.0.2.7")) > 0 for number in range(10)] == [False] * 7 + [True] * 3
