"""Doors that need a key: a repeat of what they do must be recognised, or somebody pays twice."""

from __future__ import annotations

from typing import Any

from billing.errors import IdempotencyKeyRequired
from mozaiks.kit.commands import HEADERS, Command, command_of


def keyed_command_of(request: Any) -> Command:
    """
    The command a request carries, whose ``operation_key`` is there.

    :raises IdempotencyKeyRequired: it brought no key.
    :raises Invalid: the key is not 1 to 191 visible ASCII characters.
    """
    command = command_of(request)
    if command.operation_key is None:
        raise IdempotencyKeyRequired(f"Send a key of your own in the {HEADERS[0]} header; a repeat sends the same.")
    return command
