"""An event says which request it comes from, so that a tab does not refetch for what it did itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from mozaiks.kit.requests import current_request, request_id
from mozaiks.workspaces.models import User
from realtime.causes import NOBODY, current_cause
from realtime.topics import Cause
from tests.factories import UserFactory


def cause_of(user: Any = None, **headers: str) -> Cause:
    """The cause of what happens while a request of ``user`` with ``headers`` is served."""
    found: list[Cause] = []

    def view(request: HttpRequest) -> HttpResponse:
        request.user = user
        found.append(current_cause())
        return HttpResponse()

    request_id(view)(RequestFactory().post("/", headers=headers))
    return found[0]


def test_outside_a_request_it_is_nobodys() -> None:
    assert current_cause() == NOBODY == Cause()


def test_a_request_that_is_over_causes_nothing_any_more() -> None:
    cause_of(AnonymousUser(), **{"X-Command-Id": "c1"})

    assert current_request() is None


@pytest.mark.parametrize(
    ("headers", "command_id", "client_id"),
    [
        ({}, None, None),
        ({"Idempotency-Key": "k1", "X-Command-Id": "c1", "X-Client-Id": "tab-1"}, "k1", "tab-1"),
        ({"X-Command-Id": "c1"}, "c1", None),
        ({"X-Command-Id": "c" * 192, "X-Client-Id": "t" * 129}, None, None),
        ({"X-Command-Id": "ü", "X-Client-Id": "a b"}, None, None),
    ],
)
def test_command_and_client_are_those_of_the_headers(
    headers: dict[str, str], command_id: str | None, client_id: str | None
) -> None:
    cause = cause_of(AnonymousUser(), **headers)

    assert (cause.command_id, cause.source_client_id, cause.actor_user_id) == (command_id, client_id, None)


@pytest.mark.django_db
def test_the_actor_is_who_was_found_to_be_signed_in() -> None:
    alice: User = UserFactory()
    asked: list[str] = []

    def ask() -> User:
        asked.append("asked")
        return alice

    lazy = SimpleLazyObject(ask)

    assert cause_of(alice).actor_user_id == alice.pk
    assert cause_of(lazy).actor_user_id is None
    assert asked == []
    assert str(lazy)
    assert cause_of(lazy).actor_user_id == alice.pk
