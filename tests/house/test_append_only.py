"""Facts are written once: their querysets change nothing and delete nothing, in whatever words they are asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from billing.models import (
    Allocation,
    CatalogRevision,
    Consumption,
    Grant,
    GrantAdjustment,
    GrantEnding,
    HoldEvent,
    Operation,
)
from billing.models.fields import AppendOnlyQuerySet
from tests import NOON
from tests.house import schema
from tests.house.rows import LATER, insert

pytestmark = pytest.mark.django_db

FACTS: list[type[Any]] = [
    Grant,
    GrantEnding,
    GrantAdjustment,
    Consumption,
    Allocation,
    HoldEvent,
    Operation,
    CatalogRevision,
]
everywhere = pytest.mark.parametrize("fact", FACTS)


def test_these_are_the_tables_that_only_grow() -> None:
    growing = {model for model in schema.our_models() if isinstance(model._default_manager.all(), AppendOnlyQuerySet)}

    assert growing == set(FACTS)


@everywhere
def test_a_fact_is_not_updated(fact: type[Any]) -> None:
    row = insert(fact)

    with pytest.raises(TypeError, match=f"{fact._meta.db_table} is append-only: rows are never changed"):
        fact.objects.filter(pk=row.pk).update(created_at=LATER)

    assert fact.objects.get(pk=row.pk).created_at == NOON


@everywhere
def test_nor_are_many_of_them(fact: type[Any]) -> None:
    row = insert(fact)
    row.created_at = LATER

    with pytest.raises(TypeError, match="append-only"), transaction.atomic():
        fact.objects.bulk_update([row], ["created_at"])

    assert fact.objects.get(pk=row.pk).created_at == NOON


@everywhere
def test_a_fact_is_not_deleted(fact: type[Any]) -> None:
    row = insert(fact)

    with pytest.raises(TypeError, match=f"{fact._meta.db_table} is append-only: rows are never deleted"):
        fact.objects.filter(pk=row.pk).delete()

    assert fact.objects.filter(pk=row.pk).exists()


@everywhere
def test_a_chain_of_questions_does_not_lead_past_the_refusal(fact: type[Any]) -> None:
    insert(fact)

    for chain in (fact.objects.all(), fact.objects.exclude(pk=0).order_by("pk"), fact.objects.none()):
        with pytest.raises(TypeError, match="append-only"):
            chain.delete()
