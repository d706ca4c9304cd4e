"""``manage.py backfill_entitlements``: what an operator sees of it."""

import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from billing.backfill import run
from billing.models import Plan
from tests.backfill.doing import counts
from tests.backfill.old_style import population, says
from tests.factories import DefinitionFactory, PlanFactory

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("backfill_entitlements", *arguments, stdout=out)
    return out.getvalue()


def test_a_dry_run_shows_templates_grants_and_what_is_left_out() -> None:
    population(30)

    shown = command("--dry-run")

    assert "Templates that would be written" in shown
    assert "stored JSON" in shown
    assert "Grants that would be written" in shown
    assert "calls.monthly" in shown
    assert "next paid invoice" in shown
    assert shown.endswith("Nothing was written.\n")
    assert counts() == (0, 0, 0)


def test_a_run_sums_up_what_it_wrote_and_another_has_nothing_to_do() -> None:
    population(30)

    first, second = command("--chunk", "7"), command()

    grants, balances, lots = counts()
    assert f"{grants} grants, {balances} balances" in first
    assert lots > 0
    assert "0 grants, 0 balances and 0 open lots written." in second


def test_an_interrupted_run_says_how_to_go_on() -> None:
    population(12)
    out = io.StringIO()

    with (
        mock.patch(f"{run.__name__}.project_chunk", side_effect=KeyboardInterrupt),
        pytest.raises(SystemExit) as stopped,
    ):
        call_command("backfill_entitlements", stdout=out)

    assert stopped.value.code == 130
    assert "Run it again to go on." in out.getvalue()


def test_files_are_read_and_the_defaults_are_listed(tmp_path: Path) -> None:
    def file(name: str, content: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    DefinitionFactory(code="a.max")
    PlanFactory(code="pro")
    PlanFactory(code="free")

    shown = command(
        "--source",
        file("source.json", {"plans": {"pro": [says("a.max", 7)]}}),
        "--defaults",
        file("defaults.json", {"plans": {"free": []}}),
    )

    assert "source file" in shown
    assert "defaults file" in shown
    assert Plan.objects.get(code="free").grants_nothing


def test_a_refusal_names_every_row_and_its_rule() -> None:
    PlanFactory(code="silent")
    PlanFactory(code="mute")

    with pytest.raises(CommandError) as refused:
        command()

    said = str(refused.value)
    assert "Step 1 (plan templates) wrote nothing: 2 rows break a rule" in said
    assert 'plan "silent"' in said
    assert 'plan "mute"' in said
