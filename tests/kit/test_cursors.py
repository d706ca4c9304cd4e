"""A cursor that is kept: what watches a connection sees its statements, and a new connection gets a new one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from mozaiks.kit.cursors import execute, fetch
from mozaiks.workspaces.models import Workspace
from tests import NOON
from tests.factories import WorkspaceFactory

INSERT = "INSERT INTO workspaces_workspace (name, slug, created_at) VALUES (%s, %s, %s)"
SELECT = "SELECT id, slug FROM workspaces_workspace WHERE name = %s ORDER BY id"


@pytest.mark.django_db
def test_rows_are_fetched_and_ids_told() -> None:
    first = execute(INSERT, ("Acme", "one", "2026-02-21 12:00:00"))
    second = execute(INSERT, ("Acme", "two", "2026-02-21 12:00:00"))

    assert [tuple(row) for row in fetch(SELECT, ("Acme",))] == [(first, "one"), (second, "two")]
    assert list(fetch(SELECT, ("nobody",))) == []
    assert Workspace.objects.get(pk=first).created_at == NOON


@pytest.mark.django_db
def test_what_watches_the_connection_sees_its_statements() -> None:
    seen: list[str] = []

    def watch(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return run(sql, *rest)

    with connection.execute_wrapper(watch), CaptureQueriesContext(connection) as captured:
        fetch(SELECT, ("Acme",))

    assert seen == [SELECT]
    assert len(captured) == 1


@pytest.mark.django_db
def test_a_broken_rule_is_djangos_error_and_the_cursor_goes_on() -> None:
    WorkspaceFactory(slug="taken")

    with pytest.raises(IntegrityError), transaction.atomic():
        execute(INSERT, ("Acme", "taken", "2026-02-21 12:00:00"))

    assert len(fetch(SELECT, ("Acme",))) == 0


@pytest.mark.django_db(transaction=True)
def test_after_the_connection_was_closed_a_new_one_is_used() -> None:
    WorkspaceFactory(name="Acme")
    assert len(fetch(SELECT, ("Acme",))) == 1

    connection.close()

    assert len(fetch(SELECT, ("Acme",))) == 1
