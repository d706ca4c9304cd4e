"""Describes in OpenAPI what every door has in common: the envelope of its failures."""

from __future__ import annotations

from typing import Any

ENVELOPE = "Failure"
REFERENCE = {"$ref": f"#/components/schemas/{ENVELOPE}"}
FIELD_ERRORS = {
    "type": "object",
    "description": "Sentences by path in the input, such as `items[2].amount`.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
FAILURE = {
    "type": "object",
    "description": "Every refusal and every error of every door.",
    "properties": {
        "error": {"type": "string", "description": "One sentence for people."},
        "code": {"type": "string", "description": "For programs; a code keeps its meaning."},
        "details": {
            "type": "object",
            "description": "What a program needs to react; which keys there are depends on the code.",
            "properties": {"code": {"type": "string"}, "fieldErrors": FIELD_ERRORS},
            "required": ["code"],
            "additionalProperties": {},
        },
        "fieldErrors": FIELD_ERRORS,
    },
    "required": ["error", "code", "details"],
}


def describe_failures(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation the envelope for all its failures, those it names and those that any door has."""
    result.setdefault("components", {}).setdefault("schemas", {})[ENVELOPE] = FAILURE
    for path in result["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status, response in responses.items():
                if status.startswith(("4", "5")) and _is_ours(response):
                    response["content"] = {"application/json": {"schema": REFERENCE}}
            responses.setdefault(
                "default",
                {"description": "Any other failure.", "content": {"application/json": {"schema": REFERENCE}}},
            )
    return result


def _is_ours(response: dict[str, Any]) -> bool:
    """Failures that name a shape of their own keep it: doors of foreign contracts have one."""
    return all("$ref" not in content["schema"] for content in response.get("content", {}).values())
