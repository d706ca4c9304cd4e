"""``manage.py catalog``: what people and pipelines see of it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import Plan
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory

pytestmark = pytest.mark.django_db


def catalog(*arguments: str) -> str:
    out = io.StringIO()
    call_command("catalog", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(content: Any) -> str:
        path = tmp_path / "catalog.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def test_export_then_plan_and_apply_have_nothing_to_change(file: Any) -> None:
    PlanTemplateFactory(plan__name="Größe [bold]")
    exported = file(catalog("export"))

    assert "nothing to change" in catalog("plan", exported, "--check")
    assert "nothing to change" in catalog("apply", exported)


def test_plan_shows_fields_before_and_after_and_writes_nothing(file: Any) -> None:
    PlanFactory(code="pro", name="Pro [x]", grants_nothing=True)

    shown = catalog("plan", file({"format": 1, "plans": [{"code": "pro", "name": "Professional"}]}))

    assert "Would change" in shown
    assert "Pro [x]" in shown
    assert "Professional" in shown
    assert "0 subscribers" in shown
    assert Plan.objects.get(code="pro").name == "Pro [x]"


def test_plan_can_fail_a_pipeline_where_something_would_change(file: Any) -> None:
    PlanFactory(code="pro", name="Pro", grants_nothing=True)

    with pytest.raises(CommandError) as refused:
        catalog("plan", file({"format": 1, "plans": [{"code": "pro", "name": "P"}]}), "--check")

    assert refused.value.returncode == 1


def test_apply_names_what_the_file_does_not(file: Any) -> None:
    DefinitionFactory(code="a.max")
    PlanFactory(code="pro", name="Pro", grants_nothing=True)
    PlanFactory(code="other")

    shown = catalog("apply", file({"format": 1, "plans": [{"code": "pro", "name": "P"}]}))

    assert Plan.objects.get(code="pro").name == "P"
    assert "left as they are: plans other" in shown
    assert "definitions a" in shown


def test_every_broken_rule_is_told_with_its_path(file: Any) -> None:
    with pytest.raises(CommandError) as refused:
        catalog("apply", file({"format": 1, "plans": [{"code": "pro"}], "products": [5]}))

    said = str(refused.value)
    assert "plans[0].name: is required" in said
    assert "products[0]: must be an object" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON"),
        ('{"format": 1, "format": 1}', "'format' stands twice"),
        ('{"format": NaN}', "NaN is no number"),
    ],
)
def test_what_is_no_json_is_refused(file: Any, text: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        catalog("plan", file(text))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match=r"nowhere\.json cannot be read"):
        catalog("plan", "nowhere.json")
