"""Starting the project from outside: what it refuses, and that production has nothing to be told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "checked-3v9Qm2xT7bL0rW5yK8cN1dF6gH4jP-zS_aU-eX-iY-oV-uB",
    "ALLOWED_HOSTS": "billing.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://billing.example.org",
    "INTERNAL_API_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
}
QUESTION = "from mozaiks import settings; print(settings.{name})"


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process that has these variables and no others of ours."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {"MOZAIKS_ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "mozaiks.settings", **variables}
    return subprocess.run(
        [sys.executable, *arguments], check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )


def setting(name: str, **variables: str) -> str:
    asked = python("-c", QUESTION.format(name=name), **variables)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("MOZAIKS_MODE", "cloud"),
        ("MOZAIKS_ENFORCE_QUOTAS", "sometimes"),
        ("BILLING_EXPIRED_WORKSPACE", "burn"),
        ("DATABASE_URL", "postgres://host/db"),
        ("DATABASE_CONN_MAX_AGE", "-1"),
        ("REDIS_URL", "http://host"),
        ("CSRF_TRUSTED_ORIGINS", "billing.example.org"),
        ("REALTIME_ALLOWED_ORIGINS", "https://billing.example.org/path"),
        ("METRICS_ALLOWED_NETWORKS", "everywhere"),
        ("SECURE_HSTS_SECONDS", "long"),
        ("PORT", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_nonsense_stops_the_start_with_its_name_and_itself(name: str, value: str) -> None:
    started = python("-c", "import mozaiks.settings", **{**PRODUCTION, name: value})

    assert started.returncode != 0
    assert f"{name}={value!r}" in started.stderr.splitlines()[-1]


def test_without_a_secret_key_nothing_starts() -> None:
    started = python("-c", "import mozaiks.settings")

    assert started.returncode != 0
    assert "SECRET_KEY is not set" in started.stderr


def test_a_command_says_in_one_line_why_it_does_not_run() -> None:
    started = python("manage.py", "verify_ledger", **{**PRODUCTION, "LOG_LEVEL": "LOUD"})

    assert started.returncode == 1
    assert len(started.stderr.splitlines()) == 1
    assert "LOG_LEVEL='LOUD'" in started.stderr


@pytest.mark.parametrize(
    ("variables", "enforced"),
    [
        ({}, "False"),
        ({"MOZAIKS_MODE": "platform"}, "True"),
        ({"MOZAIKS_ENFORCE_QUOTAS": "true"}, "True"),
        ({"MOZAIKS_MODE": "platform", "MOZAIKS_ENFORCE_QUOTAS": "false"}, "False"),
    ],
)
def test_quotas_are_enforced_by_default_where_others_pay(variables: dict[str, str], enforced: str) -> None:
    assert setting("MOZAIKS_ENFORCE_QUOTAS", **PRODUCTION, **variables) == enforced


def test_secrets_may_be_rotated() -> None:
    variables = {**PRODUCTION, "INTERNAL_API_KEY": "a-new-key-for-machines, an-old-key-for-machines"}

    assert setting("INTERNAL_API_KEY", **variables) == "['a-new-key-for-machines', 'an-old-key-for-machines']"


def test_redis_carries_events_when_it_is_named() -> None:
    layers = setting("CHANNEL_LAYERS", **PRODUCTION, REDIS_URL="redis://cache:6379/1")

    assert "RedisPubSubChannelLayer" in layers
    assert "'socket_timeout': None" in layers
    assert "InMemoryChannelLayer" in setting("CHANNEL_LAYERS", **PRODUCTION)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({"SECRET_KEY": "short"}, "mozaiks.E002"), ({"ALLOWED_HOSTS": "*"}, "mozaiks.E003")],
)
@pytest.mark.parametrize("server", ["mozaiks.asgi", "mozaiks.wsgi"])
def test_the_servers_refuse_an_unsafe_start(server: str, variables: dict[str, str], reason: str) -> None:
    started = python("-c", f"import {server}", **{**PRODUCTION, **variables})

    assert started.returncode != 0
    assert reason in started.stderr


def test_production_settings_have_nothing_to_be_told() -> None:
    checked = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert checked.returncode == 0, checked.stderr


def test_the_migrations_match_the_models() -> None:
    checked = python("manage.py", "makemigrations", "--check", "--dry-run", DEBUG="true")

    assert checked.returncode == 0, checked.stdout + checked.stderr
