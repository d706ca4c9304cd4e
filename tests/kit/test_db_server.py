"""Transactions that run again, against a server that really refuses them."""

from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from django.db import connection

from mozaiks.kit import db
from mozaiks.workspaces.models import Workspace
from tests import NOON
from tests.factories import WorkspaceFactory

pytestmark = [pytest.mark.server, pytest.mark.serial, pytest.mark.django_db(transaction=True)]


def together(*pieces: Callable[[], None]) -> None:
    """Run each piece in a thread with a connection of its own; raise what the first of them raised."""
    failures: list[BaseException] = []

    def alone(piece: Callable[[], None]) -> None:
        try:
            piece()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=alone, args=(piece,)) for piece in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    if failures:
        raise failures[0]


def test_of_two_that_deadlock_both_finish_once() -> None:
    first, second = WorkspaceFactory(name=""), WorkspaceFactory(name="")
    both_hold_one = Barrier(2)
    runs: list[str] = []

    def renaming(sign: str, ids: tuple[int, int]) -> Callable[[], None]:
        def work() -> None:
            runs.append(sign)
            for position, pk in enumerate(ids):
                row = Workspace.objects.select_for_update().get(pk=pk)
                Workspace.objects.filter(pk=pk).update(name=row.name + sign)
                if position == 0 and runs.count(sign) == 1:
                    both_hold_one.wait(timeout=10)

        return lambda: db.run_in_transaction(work)

    together(renaming("a", (first.pk, second.pk)), renaming("b", (second.pk, first.pk)))

    names = [sorted(name) for name in Workspace.objects.values_list("name", flat=True)]
    assert names == [["a", "b"], ["a", "b"]]
    assert len(runs) == 3


def test_of_two_that_insert_one_key_the_second_finds_the_first() -> None:
    both_looked = Barrier(2)
    outcomes: list[str] = []

    def claim() -> None:
        looked = False

        def work() -> str:
            nonlocal looked
            if Workspace.objects.filter(slug="acme").exists():
                return "found"
            if not looked:
                looked = True
                both_looked.wait(timeout=10)
            Workspace.objects.create(name="Acme", slug="acme", created_at=NOON)
            return "created"

        outcomes.append(db.run_in_transaction(work))

    together(claim, claim)

    assert sorted(outcomes) == ["created", "found"]


def test_a_connection_that_was_killed_is_replaced_and_the_work_done_once() -> None:
    runs: list[int] = []

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            (own,) = cursor.fetchone()
        runs.append(own)
        Workspace.objects.create(name="Acme", slug=f"run-{len(runs)}", created_at=NOON)
        if len(runs) == 1:
            together(lambda: kill(own))

    db.run_in_transaction(work)

    assert len(set(runs)) == 2
    assert Workspace.objects.get().slug == "run-2"


def kill(connection_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"KILL {int(connection_id)}")


def test_keys_that_differ_in_case_or_accent_are_different() -> None:
    for slug in ("abc", "ABC", "àbc"):
        WorkspaceFactory(slug=slug)

    assert Workspace.objects.filter(slug="abc").count() == 1
