"""
The kinds of failure a caller can meet, without a word of HTTP.

Rooms raise a kind (or a subclass that carries a published code); ``kit.api`` alone turns kinds into
statuses and bodies.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

FieldErrors = Mapping[str, Sequence[str]]


class Failure(Exception):
    """
    Something a caller is told about, in one sentence, with a code and what a program needs to react.

    ``details`` are JSON-able; ``field_errors`` map a path in the input to sentences; ``headers`` go with the answer.
    """

    kind: ClassVar[str] = "failure"
    default_code: ClassVar[str] = "FAILURE"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        field_errors: FieldErrors | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details: dict[str, Any] = dict(details or {})
        self.field_errors = {path: list(messages) for path, messages in (field_errors or {}).items()}
        self.headers = dict(headers or {})


class Invalid(Failure):
    """The input breaks a rule that it alone could have kept."""

    kind = "invalid"
    default_code = "INVALID_REQUEST"


class LengthRequired(Failure):
    """The input does not say how long it is."""

    kind = "length_required"
    default_code = "LENGTH_REQUIRED"


class TooLarge(Failure):
    """The input is longer than anybody means."""

    kind = "too_large"
    default_code = "PAYLOAD_TOO_LARGE"


class Unprocessable(Failure):
    """The input is well formed and cannot be carried out."""

    kind = "unprocessable"
    default_code = "UNPROCESSABLE"


class Unauthenticated(Failure):
    """Nobody we know is asking."""

    kind = "unauthenticated"
    default_code = "NOT_AUTHENTICATED"


class Denied(Failure):
    """The caller is known and may not do this."""

    kind = "denied"
    default_code = "PERMISSION_DENIED"


class NotFound(Failure):
    """There is no such thing, or the caller may not know of it."""

    kind = "not_found"
    default_code = "NOT_FOUND"


class Conflict(Failure):
    """The present state contradicts the request."""

    kind = "conflict"
    default_code = "CONFLICT"


class LimitReached(Failure):
    """A limit refuses; more may be possible later."""

    kind = "limit_reached"
    default_code = "LIMIT_REACHED"


class PaymentRequired(Failure):
    """It would be possible after paying."""

    kind = "payment_required"
    default_code = "PAYMENT_REQUIRED"


class Upstream(Failure):
    """A system we depend on answered wrongly."""

    kind = "upstream"
    default_code = "UPSTREAM_FAILED"


class NotSupported(Failure):
    """It is asked for rightly, and nothing here can do it."""

    kind = "not_supported"
    default_code = "NOT_SUPPORTED"


class Unavailable(Failure):
    """Not now; the same request may succeed shortly."""

    kind = "unavailable"
    default_code = "UNAVAILABLE"
