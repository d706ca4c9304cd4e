"""The start page and signing in and out."""

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertRedirects

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_the_start_page_leads_everywhere(client: Client) -> None:
    page = client.get("/")

    for target in ("/admin/", "/api/docs", "/api/schema", "/health", "/login/"):
        assertContains(page, f'href="{target}"')


def test_the_start_page_shows_the_console_to_those_who_may_enter(client: Client) -> None:
    for staff in (False, True):
        client.force_login(UserFactory(is_staff=staff))

        assert ('href="/admin/"' in client.get("/").content.decode()) == staff


def test_a_login_leads_to_the_page_that_was_asked_for(client: Client) -> None:
    UserFactory(username="alice")

    response = client.post("/login/", {"username": "alice", "password": "open sesame", "next": "/"})

    assertRedirects(response, "/")
    assertContains(client.get("/"), "Signed in as alice")


def test_a_login_never_leads_to_another_host(client: Client) -> None:
    UserFactory(username="alice")

    response = client.post("/login/", {"username": "alice", "password": "open sesame", "next": "https://evil.example"})

    assertRedirects(response, "/")


def test_without_a_page_in_mind_everybody_goes_where_they_may_be(client: Client) -> None:
    for username, staff, place in (("alice", False, "/"), ("operator", True, "/admin/")):
        UserFactory(username=username, is_staff=staff)

        response = client.post("/login/", {"username": username, "password": "open sesame"})

        assertRedirects(response, place)
        client.post("/logout/")


def test_a_wrong_password_is_told_in_words(client: Client) -> None:
    UserFactory(username="alice")

    page = client.post("/login/", {"username": "alice", "password": "wrong"})

    assertContains(page, 'role="alert"')
    assertContains(page, "correct username and password")


def test_a_name_is_shown_as_text(client: Client) -> None:
    page = client.get("/login/", {"next": '"><script>alert(1)</script>'})

    assert b"<script>alert(1)" not in page.content


def test_signing_out_ends_the_session(client: Client) -> None:
    client.force_login(UserFactory())

    client.post("/logout/")

    assertContains(client.get("/"), "Sign in")
    assert client.get("/logout/").status_code == 405
