"""Facts are written once: their querysets change nothing and delete nothing, in whatever words they are asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

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
from tests.house.rows import LATER, insert, row_of

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


@everywhere
def test_a_fact_that_was_loaded_is_not_saved_again(fact: type[Any]) -> None:
    row = fact.objects.get(pk=insert(fact).pk)
    row.created_at = LATER

    for columns in (None, ["created_at"]):
        with pytest.raises(TypeError, match=f"{fact._meta.db_table} is append-only: rows are never changed"):
            row.save(update_fields=columns)

    assert fact.objects.get(pk=row.pk).created_at == NOON


@everywhere
def test_a_new_row_does_not_take_the_place_of_another(fact: type[Any]) -> None:
    before = insert(fact)

    with pytest.raises(IntegrityError), transaction.atomic():
        fact(**{**row_of(fact), "pk": before.pk, "created_at": LATER}).save()

    assert fact.objects.get(pk=before.pk).created_at == NOON


@everywhere
def test_a_fact_that_was_loaded_is_not_deleted(fact: type[Any]) -> None:
    row = insert(fact)

    with pytest.raises(TypeError, match=f"{fact._meta.db_table} is append-only: rows are never deleted"):
        row.delete()

    assert fact.objects.filter(pk=row.pk).exists()
