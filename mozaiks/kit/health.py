"""Says whether this process can work: ``GET /health`` asks the database and the channel layer; rooms may tell more."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = structlog.get_logger(__name__)

BOUND_SECONDS = 1.0
Probe = Callable[[], None]
"""Raises when the thing it asks does not answer."""


def ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def ask_channel_layer() -> None:
    """The layer in memory always answers; Redis has a second to."""
    if not settings.REDIS_URL:
        return
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=BOUND_SECONDS, socket_connect_timeout=BOUND_SECONDS
    ) as client:
        client.ping()


PROBES: dict[str, Probe] = {"database": ask_database, "channelLayer": ask_channel_layer}

#: What rooms tell beside the verdicts, by name: values for JSON, no secrets. It never makes a process unhealthy.
TOLD: dict[str, Callable[[], Any]] = {}


def report() -> dict[str, str]:
    """Each part with ``ok`` or ``down``. Why it is down stays in the log: the page is public."""
    return {name: verdict(name) for name in PROBES}


def verdict(name: str) -> str:
    """``ok`` or ``down``, of one part."""
    try:
        PROBES[name]()
    except Exception as error:  # whatever a driver raises means the same here
        log.warning("health_probe_failed", probe=name, error=repr(error))
        return "down"
    return "ok"


def told() -> dict[str, Any]:
    """What rooms tell; null where one cannot."""
    found: dict[str, Any] = {}
    for name, tell in TOLD.items():
        try:
            found[name] = tell()
        except Exception as error:
            log.warning("health_told_nothing", room=name, error=repr(error))
            found[name] = None
    return found


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """
    200 while requests can be served, 503 without a database; no secrets, no versions.

    A lost channel layer leaves HTTP unharmed: it is told as ``degraded``, so that no balancer drops processes for it.
    """
    parts = report()
    if parts["database"] != "ok":
        return JsonResponse({"status": "unhealthy", **parts}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    whole = all(verdict == "ok" for verdict in parts.values())
    return JsonResponse({"status": "ok" if whole else "degraded", **parts, **told()})
