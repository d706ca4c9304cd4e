"""
The names under which facts are recorded once.

Versioned; parts that are too long are hashed. The live path, backfill and replay build the same keys
(section 11 of the entitlement specification).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

MAX_KEY = 191

#: The longest text part of a key: two of them, the numbers (19 digits each) and the separators fit into ``MAX_KEY``.
_MAX_PART = 64
_HASHED = "sha256-"


def assignment_grant_key(assignment_id: int, template_id: int, period_start_at: datetime, *, revision: int = 0) -> str:
    """A plan grant of one period. ``revision`` > 0 when present subscribers were moved to a changed template."""
    base = f"g1:assignment:{assignment_id}:{template_id}:{period(period_start_at)}"
    return f"{base}:r{revision}" if revision else base


def fixed_grant_key(entity_id: int, template_id: int) -> str:
    """A plan grant of fixed duration: once per entity and template, whatever the plan does."""
    return f"g1:fixed:{entity_id}:{template_id}"


def purchase_grant_key(purchase_id: int, template_id: int) -> str:
    """A grant of a purchase."""
    return f"g1:purchase:{purchase_id}:{template_id}"


def event_grant_key(provider: str, provider_event_id: str, template_id: int, subject_id: int) -> str:
    """A grant of a provider's event."""
    return f"g1:event:{word(provider)}:{short(provider_event_id)}:{template_id}:{subject_id}"


def manual_grant_key(operation_key: str, definition_id: int, subject_id: int) -> str:
    """A grant an operator made."""
    return f"g1:manual:{short(operation_key)}:{definition_id}:{subject_id}"


def anonymous_grant_key(**inputs: Any) -> str:
    """A grant with no source of its own: the hash of its immutable inputs."""
    return f"g1:hash:{fingerprint(inputs)}"


def consumption_key(subject_id: int, definition_id: int, reason_code: str, operation_key: str) -> str:
    """A use under the caller's key."""
    return f"c1:{subject_id}:{definition_id}:{word(reason_code)}:{short(operation_key)}"


def reversal_key(consumption_id: int, operation_key: str) -> str:
    """A reversal of a use under the caller's key."""
    return f"r1:{consumption_id}:{short(operation_key)}"


def hold_key(subject_id: int, definition_id: int, operation_key: str) -> str:
    """A hold under the caller's key."""
    return f"h1:{subject_id}:{definition_id}:{short(operation_key)}"


def ending_key(grant_id: int) -> str:
    """The ending of a grant: a grant ends once."""
    return f"e1:{grant_id}"


def adjustment_key(adjustment_id: int, grant_id: int, kind: str) -> str:
    """What an adjustment of a purchase does to one of its grants: each thing once."""
    return f"a1:{adjustment_id}:{grant_id}:{kind}"


def random_key() -> str:
    """A key for a request that brought none: two such requests are two uses."""
    return f"auto-{uuid.uuid4().hex}"


def period(start_at: datetime) -> str:
    """The start of a period as UTC ``YYYYMMDDTHHMMSSmmmZ``."""
    utc = start_at.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%S}{utc.microsecond // 1000:03d}Z"


def short(part: str) -> str:
    """
    ``part`` as it is, or a part of its SHA-256 where it is too long for a key.

    A part that looks like such a hash is hashed as well, so that no short part ever stands for a long one.
    """
    return _hash(part) if len(part) > _MAX_PART or part.startswith(_HASHED) else part


def word(part: str) -> str:
    """``short``, for a part that other text follows: one with the separator in it is hashed, so that parts never run together."""
    return _hash(part) if ":" in part else short(part)


def _hash(part: str) -> str:
    return f"{_HASHED}{sha256(part.encode()).hexdigest()}"[:_MAX_PART]


def fingerprint(content: Mapping[str, Any]) -> str:
    """What a key stands for: SHA-256 in hex of the content as canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return sha256(canonical.encode()).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return period(value)
    return str(value)
