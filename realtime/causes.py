"""Which request an event comes from, read from the request that is served just now; no statement is run for it."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from mozaiks.kit.commands import HEADERS, LONGEST_KEY
from mozaiks.kit.requests import ACCEPTABLE, current_request
from realtime.topics import Cause

CLIENT_HEADER = "X-Client-Id"
NOBODY = Cause()


def current_cause() -> Cause:
    """The cause of what happens now; without a request nobody's."""
    request = current_request()
    if request is None:
        return NOBODY
    client_id = request.headers.get(CLIENT_HEADER, "")
    return Cause(
        command_id=_command_id(request),
        source_client_id=client_id if ACCEPTABLE.fullmatch(client_id) else None,
        actor_user_id=_actor_id(request),
    )


def _command_id(request: HttpRequest) -> str | None:
    key = next((request.headers[header] for header in HEADERS if header in request.headers), None)
    return key if key is not None and 1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() else None


def _actor_id(request: HttpRequest) -> int | None:
    """Who is signed in, if anybody has asked yet: whoever acted was asked."""
    user = getattr(request, "user", None)
    if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        return None
    return user.pk if user is not None and isinstance(getattr(user, "pk", None), int) else None
