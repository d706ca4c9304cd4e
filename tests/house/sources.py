"""The source as trees: what a rule about the code needs to look at it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("mozaiks", "billing", "console", "realtime", "projects", "annuity")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Taking(ast.Call):
    """For the type checker: a call of a method."""

    func: ast.Attribute


def modules() -> Iterator[Path]:
    """Every module of ours, but for migrations and tests."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not {"migrations", "tests"} & set(path.relative_to(ROOT).parts):
                yield path


def name_of(path: Path) -> str:
    """The path as a reader writes it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def prose(tree: ast.AST) -> set[int]:
    """Identities of the docstrings."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, Documented) and node.body and isinstance(node.body[0], ast.Expr)
    }


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings with their lines; docstrings are no strings of the program."""
    told = prose(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def reads(tree: ast.Module, key: str) -> Iterator[tuple[int, str]]:
    """Lines that take ``key`` out of something (``x[key]``, ``x.get(key)``, ``x.pop(key)``), and that thing's last name."""
    named = _constants(tree, key)

    def is_key(node: ast.AST) -> bool:
        return (isinstance(node, ast.Constant) and node.value == key) or (
            isinstance(node, ast.Name) and node.id in named
        )

    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_key(node.slice):
            yield node.lineno, _last_name(node.value)
        if _is_taking(node) and is_key(node.args[0]):
            yield node.lineno, _last_name(node.func.value)


def _is_taking(node: ast.AST) -> TypeGuard[_Taking]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"get", "pop"}
        and bool(node.args)
    )


def _constants(tree: ast.Module, value: str) -> set[str]:
    """Names the module gives to ``value``."""
    found: set[str] = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        given = getattr(node, "value", None)
        if isinstance(given, ast.Constant) and given.value == value:
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return ast.unparse(node)
