"""What may stand in which file: words about modules, codes of limits, entitlements in JSON."""

from __future__ import annotations

import ast
import re
from importlib import import_module

from billing.entitlements import capabilities
from tests.house.sources import ROOT, Function, modules, name_of, reads, texts, tree_of

#: Lines of the longest function today, as a reader counts them. It only ever goes down.
LONGEST_FUNCTION = 51

#: Where the codes of limits are written: who declares them, and the demo, which types what an operator would type.
CODE_OWNERS = ("limits.py", "core.py", "demo.py")

#: JSON is the edge: these three read it, everybody else reads typed templates.
JSON_READERS = ("billing/catalog/authoring.py", "billing/catalog/exchange.py", "billing/backfill")
#: What people sent, before it becomes templates. Not a column.
FORMS = {"cleaned_data", "validated_data", "initial_data", "fields", "errors"}


def test_every_module_says_what_it_owns() -> None:
    silent = {name_of(path) for path in modules() if tree_of(path).body and not ast.get_docstring(tree_of(path))}

    assert silent == set()


def test_no_function_grows_beyond_a_screen() -> None:
    long = {
        f"{name_of(path)}:{node.name}": lines
        for path in modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function) and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }

    assert long == {}


def known_codes() -> set[str]:
    """Capabilities, limitations and reasons the installed apps declared, and the definitions that migrations insert."""
    declared = capabilities._capabilities.values()
    codes = {each.code for each in declared} | {each.reason for each in declared} | capabilities.limitations_in_use()
    core = import_module("billing.migrations.0002_core_definitions")
    return codes | {values["code"] for values in core.core_definitions()}


def spelled_codes(tree: ast.Module, codes: set[str]) -> list[tuple[int, str]]:
    return [(line, text) for line, text in texts(tree) if text in codes]


def test_no_code_of_a_limit_is_spelled_outside_its_owner() -> None:
    codes = known_codes()

    spelled = {
        f"{name_of(path)}:{line}": text
        for path in modules()
        if path.name not in CODE_OWNERS
        for line, text in spelled_codes(tree_of(path), codes)
    }

    assert spelled == {}


def test_the_search_for_codes_finds_them_and_lets_prose_be() -> None:
    codes = known_codes()
    owner = tree_of(ROOT / "billing" / "entitlements" / "core.py")
    prose = '"""Tells of ``workspace.access``."""\nHELP = "An action, such as ai.tokens."'

    assert len(spelled_codes(owner, codes)) >= 5
    assert spelled_codes(ast.parse(prose), codes) == []
    assert spelled_codes(ast.parse("grant('workspace.access')"), codes) == [(1, "workspace.access")]


def reads_of_json(tree: ast.Module) -> list[int]:
    """Lines that take what a plan or product grants out of JSON."""
    taken = [line for line, thing in reads(tree, "entitlements") if thing not in FORMS]
    taken += [line for line, _ in reads(tree, "valueJson")]
    looked_up = re.compile(r"_json__entitlements|\$\.entitlements")
    taken += [line for line, text in texts(tree) if looked_up.search(text)]
    lookups = (each for each in ast.walk(tree) if isinstance(each, ast.keyword) and each.arg)
    taken += [each.value.lineno for each in lookups if looked_up.search(each.arg or "")]
    transforms = (each for each in ast.walk(tree) if isinstance(each, ast.Call) and each.args)
    taken += [each.lineno for each in transforms if _is_transform(each)]
    return sorted(taken)


def _is_transform(call: ast.Call) -> bool:
    first = call.args[0]
    return "KeyT" in ast.unparse(call.func) and isinstance(first, ast.Constant) and first.value == "entitlements"


def test_nobody_else_reads_entitlements_from_a_json_column() -> None:
    readers = {
        f"{name_of(path)}:{line}"
        for path in modules()
        if not name_of(path).startswith(JSON_READERS)
        for line in reads_of_json(tree_of(path))
    }

    assert readers == set()


def test_the_search_for_readers_knows_the_ways_to_read() -> None:
    ways = [
        "plan.metadata_json['entitlements']",
        "(plan.metadata_json or {}).get('entitlements', [])",
        "KEY = 'entitlements'\nmeta = plan.metadata_json\nmeta[KEY]",
        "entry['valueJson']",
        "Plan.objects.filter(metadata_json__entitlements__isnull=False)",
        "Plan.objects.values_list('metadata_json__entitlements')",
        "KeyTextTransform('entitlements', 'metadata_json')",
        "cursor.execute(\"SELECT JSON_EXTRACT(metadata_json, '$.entitlements') FROM billing_plans\")",
    ]
    harmless = [
        "form.cleaned_data['entitlements']",
        "{'entitlements': []}",
        "problems.add('entitlements', 'is required')",
    ]

    assert [way for way in ways if not reads_of_json(ast.parse(way))] == []
    assert [way for way in harmless if reads_of_json(ast.parse(way))] == []
    assert reads_of_json(tree_of(ROOT / "billing" / "catalog" / "authoring.py"))
