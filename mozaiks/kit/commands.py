"""The key under which a client may repeat a request, and what the request says: how repeats are told from new ones."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.http import HttpRequest, HttpResponse

from mozaiks.kit.errors import Invalid
from mozaiks.kit.requests import request_id_of

HEADERS = ("Idempotency-Key", "X-Command-Id")
REPLAYED_HEADER = "Idempotent-Replayed"
LONGEST_KEY = 191


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A request that may be repeated: its key (None: it brought none), what it says, and its id in the logs."""

    operation_key: str | None
    fingerprint: str
    request_id: str


def command_of(request: Any) -> Command:
    """
    The command a request carries: ``Idempotency-Key``, else ``X-Command-Id``; method, path, query and body are its content.

    :raises Invalid: the key is not 1 to 191 visible ASCII characters.
    """
    return Command(operation_key=_key(request), fingerprint=_fingerprint(request), request_id=_request_id(request))


def mark_replay(response: HttpResponse, *, replayed: bool) -> HttpResponse:
    """Say on the answer that it was given before."""
    if replayed:
        response[REPLAYED_HEADER] = "true"
    return response


def _key(request: Any) -> str | None:
    for header in HEADERS:
        key = request.headers.get(header)
        if key is not None:
            if not 1 <= len(key) <= LONGEST_KEY or any(not "!" <= sign <= "~" for sign in key):
                rule = f"1 to {LONGEST_KEY} visible ASCII characters"
                raise Invalid(f"{header} must be {rule}.", field_errors={header: [f"Must be {rule}."]})
            return str(key)
    return None


def _fingerprint(request: Any) -> str:
    content = [request.method, request.get_full_path(), getattr(request, "data", None)]
    return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _request_id(request: Any) -> str:
    inner: HttpRequest = getattr(request, "_request", request)
    return request_id_of(inner)
