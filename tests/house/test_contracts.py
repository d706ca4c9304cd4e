"""Who imports whom, who reads the clock, and that the commands people were promised exist."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, modules

CLOCKS = {"now", "utcnow", "today", "time_ns"}
CLOCK_OWNERS = {"datetime", "date", "timezone", "dt", "time"}
LONGEST_MODULE = 350


def contracts() -> list[str]:
    guests = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/.importlinter"))
    platform = [".importlinter"] if (ROOT / "mozaiks/platform/.importlinter").exists() else []
    return ["pyproject.toml", *guests, *(f"mozaiks/platform/{name}" for name in platform)]


@pytest.mark.parametrize("contract", contracts())
def test_nobody_imports_upwards(contract: str) -> None:
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", contract],
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
    )

    assert linted.returncode == 0, linted.stdout


def clock_reads(tree: ast.AST) -> Iterator[int]:
    """Lines that ask Python or Django what time it is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
        wall = node.func.attr in CLOCKS or (node.func.attr == "time" and name == "time")
        if wall and name in CLOCK_OWNERS:
            yield node.lineno


def test_only_the_clock_reads_the_clock() -> None:
    readers = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        for line in clock_reads(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert all(reader.startswith("mozaiks/kit/clock.py:") for reader in readers), sorted(readers)
    assert readers, "the search itself would miss the one who may"


def test_no_function_reads_the_clock_by_default() -> None:
    """``now`` is passed in; a default would be read once, when the module is imported, or hide a clock."""
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "now" in defaulted(node.args)
    ]

    assert offenders == []


def defaulted(arguments: ast.arguments) -> set[str]:
    """Names of the parameters that have a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    keyword = [
        name for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is not None
    ]
    return {argument.arg for argument in [*with_default, *keyword]}


def test_no_module_grows_beyond_a_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }

    assert long == {}


def test_the_promised_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert targets >= {"run", "test", "check", "lint-fix", "bench"}


def test_continuous_integration_runs_checks_and_both_parts_of_the_suite() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()

    assert script.stat().st_mode & 0o111
    assert lines[-2:] == ["make check", "REQUIRE_SERVERS=1 REQUIRE_BROWSER=1 make test"]


def test_every_variable_the_settings_read_is_explained() -> None:
    settings = (ROOT / "mozaiks" / "settings.py").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    read = set(re.findall(r'ENV\.[a-z]+\(\s*"([A-Z_]+)"', settings)) - {"MOZAIKS_LONG_LIVED_THREADS"}

    assert read
    assert read <= set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
