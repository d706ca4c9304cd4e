"""Counts the statements of an operation as the budgets do: from the first lock to the last balance write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

BALANCES = "billing_entitlement_balances"
_NOT_COUNTED = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO", "BEGIN", "COMMIT")


class Recorder:
    """The statements an operation ran; what the guest's action runs is left out."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self._acting = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self._acting and not sql.startswith(_NOT_COUNTED):
            self.statements.append(sql)
        return execute(sql, params, many, context)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Between these lines the statements are the action's own."""
        self._acting = True
        try:
            yield
        finally:
            self._acting = False


def counted(operation: Callable[[], object]) -> list[str]:
    """The statements of ``operation`` from its first touch of a balance to its last write of one, or to its end."""
    recorder = Recorder()
    with connection.execute_wrapper(recorder):
        operation()
    return within(recorder.statements)


def within(statements: list[str]) -> list[str]:
    """Cut a list of statements to what a budget counts."""
    first = next((index for index, sql in enumerate(statements) if BALANCES in sql), 0)
    writes = [index for index, sql in enumerate(statements) if _writes_balance(sql)]
    last = writes[-1] if writes else len(statements) - 1
    return statements[first : last + 1]


def _writes_balance(sql: str) -> bool:
    words = sql.replace("`", "").replace('"', "").split()
    return words[0] in {"INSERT", "UPDATE"} and BALANCES in words[:3]
