"""
Golden files: whole answers, kept beside the tests and compared whole.

``GOLDEN=write pytest tests/api`` writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, answer: Any) -> None:
    """``answer`` is what the file says, to the letter."""
    path = FOLDER / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert answer == json.loads(path.read_text(encoding="utf-8")), f"{path.name} says otherwise"


def told(response: Any) -> dict[str, Any]:
    """Status, body and the headers that are part of the contract."""
    headers = {
        name: response[name] for name in ("Retry-After", "WWW-Authenticate", "Idempotent-Replayed") if name in response
    }
    return {"status": response.status_code, "headers": headers, "body": response.json()}


def with_stable_ids(answer: Any) -> Any:
    """The answer with ids of grants, uses and sources as ordinals: databases number differently."""
    seen: dict[str, dict[Any, str]] = {}

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, _kind(name, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        if name.startswith("<") and value is not None:
            known = seen.setdefault(name, {})
            return known.setdefault(value, f"{name} {len(known) + 1}>")
        return value

    return walk(answer)


def _kind(above: str, key: str) -> str:
    """The name under which a value is looked at; ids have one that begins with an angle."""
    named = {"operations": "<use", "source": "<source", "assignment": "<assignment", "history": "<assignment"}
    if key == "id":
        return named.get(above, key)
    return {"grantId": "<grant", "reversesId": "<use"}.get(key, key)
