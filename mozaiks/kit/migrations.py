"""Migrations that go one way."""

from collections.abc import Callable
from typing import Any

from django.db.migrations import RunPython
from django.db.migrations.exceptions import IrreversibleError


def one_way(why: str, *, forwards: Callable[[Any, Any], None] = RunPython.noop) -> RunPython:
    """
    A step that runs ``forwards`` and refuses to be reversed, saying ``why``.

    As the last operation of a migration it is reversed first, so that nothing is undone before the refusal.
    """

    def refuse(apps: Any, schema_editor: Any) -> None:
        raise IrreversibleError(f"This migration goes one way: {why}")

    return RunPython(forwards, refuse, elidable=False)
