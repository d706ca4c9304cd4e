"""Migrations that hold what customers were given cannot be undone: they say so, and nothing has been undone by then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import Migration, RunPython, RunSQL
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from billing.models import Definition
from tests.house import schema
from tests.house.rows import insert

#: All of billing, and where a guest makes a definition that grants may point to.
ONE_WAY = sorted(
    (app, name)
    for app, name in MigrationLoader(None).disk_migrations
    if app == "billing" or (app, name) in {("projects", "0002_definition"), ("annuity", "0002_definition")}
)
GUESTS = {app for app, _ in ONE_WAY} - {"billing"}


@pytest.fixture
def executor(transactional_db: None) -> MigrationExecutor:
    return MigrationExecutor(connection)


@pytest.fixture
def untouched(transactional_db: None) -> Iterator[None]:
    """Whatever the test tries, the tables, their rows and the list of migrations are afterwards as they were."""
    insert(Definition, code="in.use")
    before = picture()
    yield
    assert picture() == before


def picture() -> tuple[set[str], dict[str, frozenset[str]], set[str], set[tuple[str, str]]]:
    tables = schema.tables()
    columns = {table: frozenset(schema.columns(table)) for table in tables}
    codes = set(Definition.objects.values_list("code", flat=True))
    return tables, columns, codes, set(MigrationRecorder(connection).applied_migrations())


def steps_that_carry_data(migration: Migration) -> list[RunPython | RunSQL]:
    return [step for step in migration.operations if isinstance(step, RunPython | RunSQL)]


@pytest.mark.parametrize(("app", "name"), ONE_WAY)
@pytest.mark.usefixtures("untouched")
def test_it_refuses_with_a_sentence_and_undoes_nothing(app: str, name: str, executor: MigrationExecutor) -> None:
    """Unapplied alone, as if everything after it were gone already."""
    state = executor.loader.project_state((app, name), at_end=False)
    migration = executor.loader.get_migration(app, name)

    with (
        pytest.raises(IrreversibleError, match=r"^This migration goes one way: .{20,}\.$"),
        connection.schema_editor(atomic=migration.atomic) as editor,
    ):
        migration.unapply(state, editor)


@pytest.mark.parametrize(("app", "name"), ONE_WAY)
@pytest.mark.usefixtures("untouched")
def test_the_command_meets_a_refusal_before_it_undoes_anything(
    app: str, name: str, executor: MigrationExecutor
) -> None:
    """``migrate`` goes back from the newest: whatever depends on this one comes first, and refuses first."""
    plan = [step for step, _ in executor.migration_plan([before(executor, app, name)])]
    first = next(step for step in plan if step.app_label != "gadgets")

    assert (first.app_label, first.name) in ONE_WAY


def before(executor: MigrationExecutor, app: str, name: str) -> tuple[str, str | None]:
    """What ``manage.py migrate app …`` is told to go back behind ``name``."""
    own = [key for key in executor.loader.graph.node_map[app, name].parents if key[0] == app]
    return (str(own[0][0]), str(own[0][1])) if own else (app, None)


@pytest.mark.skipif(not GUESTS, reason="the guests have left")
@pytest.mark.usefixtures("untouched")
def test_the_command_itself_says_why() -> None:
    with pytest.raises(IrreversibleError, match=r"one way: grants and (uses|balances) may point to the definition"):
        call_command("migrate", min(GUESTS), "zero", verbosity=0)


def test_no_other_migration_carries_data() -> None:
    migrations = MigrationLoader(None).disk_migrations.items()
    carrying = {key for key, migration in migrations if steps_that_carry_data(migration) and key[0] in schema.OURS}

    assert carrying == set(ONE_WAY)


@pytest.mark.parametrize(("app", "name"), ONE_WAY)
def test_the_refusal_is_its_last_step_and_so_the_first_to_be_undone(app: str, name: str) -> None:
    migration = MigrationLoader(None).disk_migrations[app, name]

    assert isinstance(migration.operations[-1], RunPython)
    assert migration.operations[-1].elidable is False
