"""The MySQL backend: transactions that begin by BEGIN, datetimes read by the standard library, all else Django's."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from mozaiks.workspaces.models import Workspace
from tests import NOON
from tests.factories import WorkspaceFactory

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]


def trips(work: Callable[[], object]) -> int:
    """How many statements the server got."""
    before = questions()
    work()
    return questions() - before - 1


def questions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])


def rename(name: str) -> None:
    with transaction.atomic():
        Workspace.objects.update(name=name)


def test_a_transaction_takes_two_trips_beside_its_statements() -> None:
    WorkspaceFactory()

    assert trips(lambda: rename("Acme")) == 3


def test_after_a_commit_and_after_a_rollback_every_statement_is_its_own_transaction_again() -> None:
    WorkspaceFactory()
    rename("Acme")
    with transaction.atomic():
        Workspace.objects.update(name="lost")
        transaction.set_rollback(True)

    Workspace.objects.update(slug="kept")
    connection.connection.rollback()

    assert Workspace.objects.get().slug == "kept"
    assert Workspace.objects.get().name == "Acme"
    assert connection.get_autocommit()


def test_an_inner_block_is_a_savepoint() -> None:
    with transaction.atomic():
        WorkspaceFactory(slug="outer")
        with pytest.raises(IntegrityError), transaction.atomic():
            WorkspaceFactory(slug="outer")

    assert Workspace.objects.count() == 1


@pytest.mark.parametrize("instant", [NOON, datetime(2026, 2, 21, 12, 34, 56, 789123, tzinfo=UTC)])
def test_datetimes_come_back_as_they_went(instant: datetime) -> None:
    WorkspaceFactory(created_at=instant)

    assert Workspace.objects.get().created_at == instant


def test_no_date_is_none_and_what_is_no_date_is_left_to_the_driver() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(NULL AS DATETIME), CAST('0000-00-00' AS DATETIME)")

        assert cursor.fetchone() == (None, None)
