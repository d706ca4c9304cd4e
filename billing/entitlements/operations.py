"""Keyed operations: the first answer is stored with its effect and given again to every repeat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.engine.keys import MAX_KEY
from billing.entitlements import sql
from billing.errors import IdempotencyConflict
from mozaiks.kit.cursors import execute, fetch
from mozaiks.kit.db import db_time, requires_transaction
from mozaiks.kit.errors import Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """What was answered the first time."""

    status_code: int
    result: Any


def check_key(key: str, *, name: str = "operationKey") -> str:
    """
    ``key`` as it is.

    :raises Invalid: it is empty, longer than 191 characters, or has spaces or control characters at its ends or within.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable() or key != key.strip():
        rule = f"1 to {MAX_KEY} printable characters, without spaces around"
        raise Invalid(f"{name} must be {rule}.", field_errors={name: [f"Must be {rule}."]})
    return key


@requires_transaction
def find(subject_id: int, key: str, fingerprint: str) -> StoredAnswer | None:
    """
    The stored answer of ``key``, None for a new one. Called after the subject's balance was locked.

    :raises IdempotencyConflict: the key was used for other content.
    """
    rows = fetch(sql.FIND_OPERATION, (subject_id, key))
    if not rows:
        return None
    found = rows[0]
    if found[0] != fingerprint:
        raise IdempotencyConflict("This key was used before for another request.", details={"key": key})
    return StoredAnswer(status_code=found[1], result=None if found[2] is None else json.loads(found[2]))


@requires_transaction
def store(
    subject_id: int, key: str, fingerprint: str, *, capability: str, status_code: int, result: Any, now: datetime
) -> None:
    """Keep the answer under its key. A key that another transaction stored meanwhile is a duplicate: run again."""
    text = None if result is None else json.dumps(result, separators=(",", ":"), ensure_ascii=False)
    execute(sql.INSERT_OPERATION, (subject_id, key, fingerprint, capability, status_code, text, db_time(now)))
