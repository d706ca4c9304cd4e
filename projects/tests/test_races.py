"""Many clients at once: as many projects as there may be, and not one more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from billing.errors import CapacityLocked
from projects import services
from projects.models import Project, Status
from projects.services import Changes, NewProject
from projects.tests.support import allow, names, project, used, workspace
from tests import NOON

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

CLIENTS = 8


def at_once(*tries: Callable[[], object]) -> list[bool]:
    """Run ``tries`` at the same time, each on a connection of its own; which of them were let through."""
    start = Barrier(len(tries))

    def attempt(one: Callable[[], object]) -> bool:
        start.wait(timeout=10)
        try:
            one()
        except CapacityLocked:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tries)) as pool:
        return list(pool.map(attempt, tries))


def test_a_limit_of_three_admits_three() -> None:
    acme = workspace("acme")
    allow(acme, 3)

    admitted = at_once(
        *(lambda n=n: services.create(acme.pk, NewProject(name=f"p{n}"), now=NOON) for n in range(CLIENTS))
    )

    assert admitted.count(True) == 3
    assert len(names(acme)) == used(acme) == 3


def test_creating_and_bringing_back_share_the_same_room() -> None:
    acme = workspace("acme")
    allow(acme, 2)
    archived = [project(acme, f"old{n}", status=Status.ARCHIVED) for n in range(4)]

    admitted = at_once(
        *(lambda n=n: services.create(acme.pk, NewProject(name=f"new{n}"), now=NOON) for n in range(4)),
        *(lambda pk=one.pk: services.change(acme.pk, pk, Changes(status=Status.ACTIVE), now=NOON) for one in archived),
    )

    assert admitted.count(True) == 2
    assert Project.objects.in_workspace(acme.pk).counted().count() == used(acme) == 2


def test_one_project_brought_back_by_many_takes_room_once() -> None:
    acme = workspace("acme")
    allow(acme, 1)
    archived = project(acme, status=Status.ARCHIVED)

    admitted = at_once(
        *(
            lambda: services.change(acme.pk, archived.pk, Changes(status=Status.ACTIVE), now=NOON)
            for _ in range(CLIENTS)
        )
    )

    assert all(admitted)
    assert used(acme) == 1
