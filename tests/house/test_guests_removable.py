"""The guests can leave: a copy of the tree without them still checks, migrates, proves itself and keeps its contracts."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUESTS = ("projects", "annuity")
PRESENT = [guest for guest in GUESTS if (ROOT / guest / "apps.py").exists()]
PATIENCE_SECONDS = 300
# A quick part of the core.
CORE_TESTS = ("tests/house/test_contracts.py", "tests/kit", "tests/workspaces", "tests/catalog")

LIVE = """
from mozaiks.kit.clock import now
from mozaiks.workspaces.creation import create_user, create_workspace
from mozaiks.workspaces.models import User
from annuity.models import AnnuityCalculation
from projects.models import Project
alice = create_user(username="alice", email="", password=None, now=now())
bob = User.objects.create(username="bob")  # past the house, which keeps whoever it has billed
acme = create_workspace(name="Acme", slug="acme", owner=alice, now=now())
Project.objects.create(workspace=acme, name="Apollo", created_at=now(), updated_at=now())
AnnuityCalculation.objects.create(workspace=acme, created_by=bob, inputs={}, result={}, created_at=now())
"""
LEAVE = """
from mozaiks.workspaces.models import User
User.objects.get(username="bob").delete()
"""

pytestmark = pytest.mark.skipif(
    not PRESENT or not (ROOT / ".git").exists(), reason="the guests have left, or this is no checkout"
)


def run(tree: Path, *arguments: str, database: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in ``tree``, which stands before everything that is installed."""
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MOZAIKS_ENV_FILE": os.devnull,
        "DEBUG": "true",
        "DATABASE_URL": f"sqlite:///{database or tree / 'unused.sqlite3'}",
        "TEST_RUN": f"removable-{os.getpid()}",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def manage(tree: Path, *arguments: str, database: Path | None = None) -> str:
    done = run(tree, "manage.py", *arguments, database=database)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as a developer would leave it after deleting two folders and two lines."""
    copy = tmp_path_factory.mktemp("house")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.split("/")[0] not in GUESTS and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    _delete_lines(copy / "mozaiks" / "settings.py", [f'"{guest}",' for guest in PRESENT])
    _hide_the_original(copy)
    return copy


def _delete_lines(path: Path, lines: list[str]) -> None:
    before = path.read_text(encoding="utf-8").splitlines(keepends=True)
    after = [line for line in before if line.strip() not in lines]
    assert len(before) - len(after) == len(lines), f"{path.name} names the guests in other lines than {lines}"
    path.write_text("".join(after), encoding="utf-8")


def _hide_the_original(copy: Path) -> None:
    """The project is installed as a link to its source: in the copy's processes that link leads nowhere."""
    (copy / "sitecustomize.py").write_text(
        f"import sys\nsys.path[:] = [place for place in sys.path if place != {str(ROOT)!r}]\n", encoding="utf-8"
    )


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that was migrated while the guests were there."""
    database = tmp_path_factory.mktemp("lived-in") / "db.sqlite3"
    manage(ROOT, "migrate", "--verbosity", "0", database=database)
    return database


def test_the_guests_are_really_gone(tree: Path) -> None:
    found = run(tree, "-c", "import importlib.util as u; print([n for n in ('projects', 'annuity') if u.find_spec(n)])")

    assert found.stdout.strip() == "[]"


def test_nothing_is_missing_without_them(tree: Path) -> None:
    manage(tree, "check")
    changes = manage(tree, "makemigrations", "--check", "--dry-run")

    assert "No changes detected" in changes


def test_a_fresh_database_is_migrated_without_them(tree: Path, tmp_path: Path) -> None:
    manage(tree, "migrate", "--verbosity", "0", database=tmp_path / "fresh.sqlite3")

    assert not leftovers(tmp_path / "fresh.sqlite3")


def test_the_demo_is_loaded_without_them(tree: Path, tmp_path: Path) -> None:
    manage(tree, "migrate", "--verbosity", "0", database=tmp_path / "demo.sqlite3")

    first = manage(tree, "load_demo", database=tmp_path / "demo.sqlite3")
    second = manage(tree, "load_demo", database=tmp_path / "demo.sqlite3")

    assert "Globex" in first
    assert "The demo is loaded already." in second


def test_a_database_that_had_them_lives_on(tree: Path, lived_in: Path) -> None:
    had = leftovers(lived_in)

    manage(tree, "migrate", "--verbosity", "0", database=lived_in)

    assert had == leftovers(lived_in) == {"annuity_calculations", "projects_projects"}


def test_what_they_left_behind_holds_nobody_back(tree: Path, lived_in: Path) -> None:
    manage(ROOT, "shell", "--no-imports", "-c", LIVE, database=lived_in)

    manage(tree, "shell", "--no-imports", "-c", LEAVE, database=lived_in)


def test_limits_nobody_uses_any_more_are_named(tree: Path, lived_in: Path) -> None:
    said = manage(tree, "check", "--database", "default", database=lived_in)

    assert "projects.max" in said
    assert "annuity.calculations.monthly" in said


def leftovers(database: Path) -> set[str]:
    """Tables of the guests."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows if name.split("_")[0] in GUESTS}


def test_the_core_proves_itself_without_them(tree: Path) -> None:
    tests = [path for path in CORE_TESTS if (tree / path).exists()]

    done = run(tree, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not serial and not slow", *tests)

    assert done.returncode == 0, done.stdout[-4000:]


def test_the_contracts_hold_without_them(tree: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    done = run(tree, str(linter), "--no-cache", "--config", "pyproject.toml")

    assert done.returncode == 0, done.stdout
