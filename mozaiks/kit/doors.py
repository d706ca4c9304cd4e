"""``GET /metrics``: for internal keys, or for networks that are allowed by name."""

import ipaddress
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from mozaiks.kit.api import failure_response
from mozaiks.kit.env import Network
from mozaiks.kit.errors import Denied, Failure, Unavailable
from mozaiks.kit.keys import INTERNAL_KEY_HEADER, require_internal_key
from mozaiks.kit.metrics import exposition


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics for who may read them; 503 where nobody was named, 401 without a key, 403 with a wrong one."""
    try:
        _require_reader(request)
    except Failure as failure:
        return failure_response(failure)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _require_reader(request: HttpRequest) -> None:
    if comes_from(request.META.get("REMOTE_ADDR", ""), settings.METRICS_ALLOWED_NETWORKS):
        return
    keys, networks = settings.INTERNAL_API_KEY, settings.METRICS_ALLOWED_NETWORKS
    if not keys and networks:
        raise Denied("This address may not read the metrics.")
    if not keys:
        raise Unavailable(
            "The metrics are shut: configure INTERNAL_API_KEY or METRICS_ALLOWED_NETWORKS.", code="NOT_CONFIGURED"
        )
    require_internal_key(request.headers.get(INTERNAL_KEY_HEADER), keys)


def comes_from(address: str, networks: Iterable[Network]) -> bool:
    """Whether ``address`` lies in one of ``networks``; something that is no address lies in none."""
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(source in network for network in networks)
