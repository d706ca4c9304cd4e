"""Secrets at internal doors: compared in constant time; an unset secret shuts the door instead of opening it."""

import hmac
from collections.abc import Iterable, Sequence

from mozaiks.kit.errors import Denied, Unauthenticated, Unavailable

INTERNAL_KEY_HEADER = "X-Internal-API-Key"


def is_one_of(given: str, accepted: Iterable[str]) -> bool:
    """Whether ``given`` equals one of ``accepted``; takes the same time whichever it is."""
    candidate = given.encode()
    found = False
    for secret in accepted:
        found |= hmac.compare_digest(candidate, secret.encode())
    return found


def require_internal_key(given: str | None, accepted: Sequence[str]) -> None:
    """
    Let an internal caller pass.

    :raises Unavailable: no key is configured.
    :raises Unauthenticated: none was sent.
    :raises Denied: it is not one of ours.
    """
    if not accepted:
        raise Unavailable("This door is shut: INTERNAL_API_KEY is not configured.", code="NOT_CONFIGURED")
    if not given:
        raise Unauthenticated(f"Send the key in the {INTERNAL_KEY_HEADER} header.")
    if not is_one_of(given, accepted):
        raise Denied("This internal key is not valid.", code="INVALID_INTERNAL_KEY")
