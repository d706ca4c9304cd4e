"""
Signatures of webhooks: Stripe's scheme and Standard Webhooks, verified in constant time, and made where we play the sender.

Every secret is tried, so that one can be rotated; 300 seconds of tolerance both ways.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from billing.payments.connectors.base import BadSignature, NotConfigured

TOLERANCE_SECONDS: Final = 300
STRIPE_HEADER: Final = "Stripe-Signature"
STANDARD_PREFIX: Final = "whsec_"


def verify_stripe(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime) -> None:
    """
    ``t=<seconds>,v1=<hex>[,v1=…]`` over ``<seconds>.<body>``. Source: Stripe, "Verify webhook signatures manually".

    :raises NotConfigured: there is no secret. :raises BadSignature: none fits, or the time is too far from ``now``.
    """
    _require(secrets, "STRIPE_WEBHOOK_SECRET")
    parts = [part.strip().partition("=") for part in _header(headers, STRIPE_HEADER).split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    _require_recent(stamp, now)
    message = stamp.encode() + b"." + body
    _require_one_of([value for name, _, value in parts if name == "v1"], (_hex(each, message) for each in secrets))


def verify_standard(
    body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], setting: str, now: datetime
) -> str:
    """
    The id of the message, signed as Standard Webhooks say: ``v1,<base64>`` over ``<id>.<seconds>.<body>``.

    :raises NotConfigured: there is no secret. :raises BadSignature: none fits, or the time is too far from ``now``.
    """
    _require(secrets, setting)
    identity, stamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    _require_recent(stamp, now)
    parts = [part.partition(",") for part in _header(headers, "webhook-signature").split()]
    given = [value for version, _, value in parts if version == "v1"]
    _require_one_of(given, (_base64(secret, _message(identity, stamp, body)) for secret in secrets))
    return identity


def sign_stripe(body: bytes, *, secret: str, at: datetime) -> dict[str, str]:
    """The header Stripe would send with ``body``."""
    stamp = str(int(at.timestamp()))
    return {STRIPE_HEADER: f"t={stamp},v1={_hex(secret, stamp.encode() + b'.' + body)}"}


def sign_standard(body: bytes, *, identity: str, secret: str, at: datetime) -> dict[str, str]:
    """The headers a sender of Standard Webhooks would send with ``body``."""
    stamp = str(int(at.timestamp()))
    signature = f"v1,{_base64(secret, _message(identity, stamp, body))}"
    return {"webhook-id": identity, "webhook-timestamp": stamp, "webhook-signature": signature}


def _message(identity: str, stamp: str, body: bytes) -> bytes:
    return f"{identity}.{stamp}.".encode() + body


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _base64(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.new(_key_of(secret), message, hashlib.sha256).digest()).decode()


def _key_of(secret: str) -> bytes:
    """``whsec_<base64>`` is its bytes; anything else is taken as it is written."""
    if secret.startswith(STANDARD_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _require(secrets: Sequence[str], setting: str) -> None:
    if not secrets:
        raise NotConfigured(f"{setting} is not set, so nothing that is sent here can be believed.")


def _header(headers: Mapping[str, str], name: str) -> str:
    """:raises BadSignature: it is missing."""
    found = next((value for key, value in headers.items() if key.lower() == name.lower()), "")
    if not found:
        raise BadSignature(f"The header {name} is missing.")
    return found


def _require_recent(stamp: str, now: datetime) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("The signature carries no time.")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise BadSignature(f"It was signed more than {TOLERANCE_SECONDS} seconds ago, or ahead of time.")


def _require_one_of(given: Sequence[str], expected: Iterable[str]) -> None:
    """All pairs are compared, so that how long it takes says nothing."""
    wanted = list(expected)
    fits = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in wanted]
    if not any(fits):
        raise BadSignature("The signature fits none of our secrets.")
