"""Health, metrics, request ids and the content security policy, from outside."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client
from pytest_django import Settings

from mozaiks.kit import health
from mozaiks.kit.env import Environment
from mozaiks.kit.lengths import length_required

KEY = "a-key-of-sufficient-length"


@pytest.mark.django_db
def test_health_is_public_and_names_the_parts(client: Client) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json().items() >= {"status": "ok", "database": "ok", "channelLayer": "ok"}.items()


@pytest.mark.django_db
def test_a_broken_part_makes_it_503_without_saying_why(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("mysql://root:hunter2@host is away")

    monkeypatch.setitem(health.PROBES, "database", broken)

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "database": "down", "channelLayer": "ok"}


@pytest.mark.django_db
def test_a_redis_that_is_away_is_noticed(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert client.get("/health").json()["channelLayer"] == "down"


@pytest.mark.django_db
def test_health_is_reached_without_tls(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/health").status_code == 200
    assert client.get("/").status_code == 301


def test_metrics_are_shut_while_nobody_is_named(client: Client, settings: Settings) -> None:
    settings.INTERNAL_API_KEY, settings.METRICS_ALLOWED_NETWORKS = [], []

    response = client.get("/metrics", headers={"X-Internal-API-Key": ""})

    assert response.status_code == 503
    assert response.json()["code"] == "NOT_CONFIGURED"


@pytest.mark.parametrize(
    ("sent", "status"), [(None, 401), ("wrong", 403), ("wröng", 403), (KEY, 200), ("second-key", 200)]
)
def test_metrics_ask_for_one_of_our_keys(client: Client, settings: Settings, sent: str | None, status: int) -> None:
    settings.INTERNAL_API_KEY, settings.METRICS_ALLOWED_NETWORKS = [KEY, "second-key"], []

    response = client.get("/metrics", headers={"X-Internal-API-Key": sent} if sent else {})

    assert response.status_code == status


@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("192.0.2.1", 403), ("", 403)])
def test_metrics_are_open_to_networks_that_are_named(
    client: Client, settings: Settings, address: str, status: int
) -> None:
    settings.INTERNAL_API_KEY = []
    settings.METRICS_ALLOWED_NETWORKS = Environment({"NETS": "10.0.0.0/8"}).networks("NETS")

    response = client.get("/metrics", REMOTE_ADDR=address)

    assert response.status_code == status


def test_metrics_speak_prometheus(client: Client, settings: Settings) -> None:
    settings.INTERNAL_API_KEY = [KEY]

    response = client.get("/metrics", headers={"X-Internal-API-Key": KEY})

    assert "# TYPE mozaiks_transaction_retries_total counter" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(("sent", "kept"), [("abc-123", True), ("a b\tc", False), ("x" * 129, False)])
def test_a_harmless_request_id_is_kept(client: Client, sent: str, kept: bool) -> None:
    response = client.get("/health", headers={"X-Request-Id": sent})

    assert (response["X-Request-Id"] == sent) is kept
    assert response["X-Request-Id"]


@pytest.mark.parametrize("path", ["/api/billing/limitations/check", "/api/nothing", "/health"])
def test_a_body_without_a_length_is_not_taken_for_an_empty_one(client: Client, path: str) -> None:
    response = client.post(path, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")

    assert response.status_code == 411
    assert response.json()["code"] == "LENGTH_REQUIRED"


async def test_nor_is_it_where_requests_are_served_asynchronously(async_rf: AsyncRequestFactory) -> None:
    async def door(request: HttpRequest) -> HttpResponse:
        return HttpResponse("reached")

    chunked, plain = async_rf.post("/", headers={"Transfer-Encoding": "chunked"}), async_rf.post("/")
    del chunked.META["CONTENT_LENGTH"]
    guarded: Any = length_required(door)

    assert [(await guarded(request)).status_code for request in (chunked, plain)] == [411, 200]


@pytest.mark.parametrize(("path", "inline"), [("/", False), ("/login/", False), ("/admin/login/", True)])
@pytest.mark.django_db
def test_inline_scripts_run_in_the_console_only(client: Client, path: str, inline: bool) -> None:
    policy = client.get(path)["Content-Security-Policy"]

    script = next(part for part in policy.split(";") if "script-src" in part)
    assert ("'unsafe-inline'" in script) is inline


def test_the_schema_is_openapi_31_and_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    assert client.get("/api/schema").json()["openapi"].startswith("3.1")

    page = client.get("/api/docs").content.decode()

    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/" in page
