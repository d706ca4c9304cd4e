"""What the pages say about names is true, and they leave none out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

from billing.engine.types import SubjectType
from tests.house import schema
from tests.house.sources import ROOT

TABLES_PAGE = ROOT / "docs" / "tables.md"
A_NAME = re.compile(r"`((?:billing|billable|workspaces|projects|annuity)_[a-z_]+)`")
#: Guests that were deleted may stay on the page.
GONE = tuple(f"{app}_" for app in ("projects", "annuity") if not apps.is_installed(app))


def mentioned() -> set[str]:
    found = A_NAME.findall(TABLES_PAGE.read_text(encoding="utf-8"))
    return {name for name in found if not name.startswith(GONE)}


def tables() -> set[str]:
    return {model._meta.db_table for model in schema.our_models()}


def names(*kinds: type[models.Index | models.BaseConstraint]) -> set[str]:
    """Names of the indexes and constraints of these kinds."""
    found: set[str] = set()
    for model in schema.our_models():
        declared: list[models.Index | models.BaseConstraint] = [*model._meta.indexes, *model._meta.constraints]
        found |= {str(each.name) for each in declared if isinstance(each, kinds)}
    return found


def test_every_table_and_every_key_has_its_words() -> None:
    assert tables() | names(models.Index, models.UniqueConstraint) <= mentioned()


def test_nothing_is_described_that_is_not_there() -> None:
    columns = {field.column for model in schema.our_models() for field in model._meta.local_concrete_fields}
    known = tables() | columns | names(models.Index, models.UniqueConstraint, models.CheckConstraint)

    assert mentioned() - known == {SubjectType.BILLABLE_ENTITY}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link and not (page.parent / link).exists()] == []
