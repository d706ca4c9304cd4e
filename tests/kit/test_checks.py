"""What refuses to start."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from mozaiks.kit import checks


def ids(check: Callable[..., list[Any]], **options: Any) -> list[str]:
    return [message.id for message in check(None, **options)]


def use(monkeypatch: pytest.MonkeyPatch, database: dict[str, Any]) -> None:
    """Let the checks read other databases, without touching the one in use."""
    monkeypatch.setattr(checks, "settings", SimpleNamespace(DATABASES={"default": database}))


def test_the_settings_of_the_tests_are_sound() -> None:
    checks.refuse_unsafe_start()


def test_an_unknown_mode_is_an_error(settings: Settings) -> None:
    settings.MOZAIKS_MODE = "cloud"

    assert ids(checks.check_mode) == ["mozaiks.E001"]


@pytest.mark.parametrize(
    "secret", ["short", "a" * 60, "django-insecure-" + "0123456789" * 5, "development-only-" + "0123456789" * 5]
)
def test_a_weak_secret_is_an_error_in_production(settings: Settings, secret: str) -> None:
    settings.SECRET_KEY = secret

    assert ids(checks.check_secret_key) == ["mozaiks.E002"]

    settings.DEBUG = True
    assert ids(checks.check_secret_key) == []


def test_wildcard_hosts_are_an_error_in_production(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert ids(checks.check_hosts) == ["mozaiks.E003"]

    settings.DEBUG = True
    assert ids(checks.check_hosts) == []


def test_short_keys_of_machines_are_an_error_in_production(settings: Settings) -> None:
    settings.INTERNAL_API_KEY = ["long-enough-to-be-a-key", "short"]

    assert ids(checks.check_keys) == ["mozaiks.E004"]


@pytest.mark.parametrize(
    ("engine", "options", "found"),
    [
        ("mysql", {"isolation_level": "read committed"}, []),
        ("mysql", {"isolation_level": "repeatable read"}, ["mozaiks.E010"]),
        ("mysql", {}, ["mozaiks.E010"]),
        ("sqlite3", {"transaction_mode": "IMMEDIATE"}, []),
        ("sqlite3", {"transaction_mode": "DEFERRED"}, ["mozaiks.E011"]),
        ("sqlite3", {}, ["mozaiks.E011"]),
    ],
)
def test_transactions_that_could_overshoot_are_an_error(
    monkeypatch: pytest.MonkeyPatch, engine: str, options: dict[str, str], found: list[str]
) -> None:
    use(monkeypatch, {"ENGINE": f"django.db.backends.{engine}", "OPTIONS": options})

    assert ids(checks.check_database_settings) == found


def test_a_transaction_around_each_request_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {"ENGINE": "django.db.backends.mysql", "OPTIONS": {"isolation_level": "read committed"}}
    use(monkeypatch, {**sound, "ATOMIC_REQUESTS": True})

    assert ids(checks.check_database_settings) == ["mozaiks.E013"]


def test_the_servers_refuse_what_the_checks_name(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    with pytest.raises(ImproperlyConfigured, match=r"mozaiks\.E003"):
        checks.refuse_unsafe_start()


@pytest.mark.django_db
def test_the_database_under_test_is_sound() -> None:
    assert ids(checks.check_database_server, databases=["default"]) == []


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_a_server_under_repeatable_read_is_an_error() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        assert ids(checks.check_database_server, databases=["default"]) == ["mozaiks.E010"]
    finally:
        connection.close()


def test_without_databases_nothing_is_asked() -> None:
    assert ids(checks.check_database_server) == []
