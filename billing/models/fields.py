"""Columns that many tables share, and the queryset of tables that only grow."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from django.db import models

from billing.engine.types import SubjectType

#: Lengths that the specification fixes, in characters.
KEY_LENGTH = 191
CODE_LENGTH = 120
REQUEST_ID_LENGTH = 128
PROVIDER_LENGTH = 32

Row = TypeVar("Row", bound=models.Model)


class AppendOnlyQuerySet(models.QuerySet[Row]):
    """Facts are written once. Corrections are new facts."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.model._meta.db_table} is append-only: rows are never changed")

    def delete(self) -> NoReturn:
        raise TypeError(f"{self.model._meta.db_table} is append-only: rows are never deleted")


class AppendOnlyRow(models.Model):
    """A fact that was loaded is not saved and not deleted either: both would pass by the queryset."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new row. :raises TypeError: it is there already."""
        if not self._state.adding:
            raise TypeError(f"{self._meta.db_table} is append-only: rows are never changed")
        kwargs["force_insert"] = True  # a row whose id was chosen would be looked for, and changed where it is there
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """:raises TypeError: always."""
        raise TypeError(f"{self._meta.db_table} is append-only: rows are never deleted")


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """The values of an enum as field choices, with words an operator reads."""
    return [(member.value, member.value.replace("_", " ")) for member in kind]


def one_of(kind: type[StrEnum], **options: Any) -> models.CharField[Any, Any]:
    """A column that holds one value of ``kind``."""
    if isinstance(options.get("default"), StrEnum):
        options["default"] = options["default"].value  # migrations hold plain strings
    return models.CharField(max_length=32, choices=choices(kind), **options)


def subject_type() -> models.CharField[Any, Any]:
    """What the subject is; part of every key of the hot tables."""
    return one_of(SubjectType, default=SubjectType.BILLABLE_ENTITY)


def subject() -> models.ForeignKey[Any, Any]:
    """
    Whose row this is: the column ``subject_id``.

    No foreign key in the database: the hot tables stay portable to sharded engines, and a debit takes no lock on the entity.
    """
    return models.ForeignKey(
        "billing.BillableEntity",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )


def definition() -> models.ForeignKey[Any, Any]:
    """Which definition is counted: the column ``entitlement_definition_id``."""
    return models.ForeignKey(
        "billing.Definition",
        on_delete=models.PROTECT,
        db_column="entitlement_definition_id",
        db_constraint=False,
        db_index=False,
        related_name="+",
    )


def loose(to: str, **options: Any) -> models.ForeignKey[Any, Any]:
    """A reference between facts, kept by the engine rather than by a foreign key."""
    return models.ForeignKey(
        to, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+", **options
    )


def key(*, blank: bool = False) -> models.CharField[Any, Any]:
    """A key that compares byte for byte (the databases use a binary collation)."""
    return models.CharField(max_length=KEY_LENGTH, blank=blank, default="" if blank else models.NOT_PROVIDED)


def metadata() -> models.JSONField:
    """Whatever else is worth keeping; never read by the engine."""
    return models.JSONField(default=dict, blank=True)


def in_values(field: str, kind: type[StrEnum], *, or_null: bool = False) -> models.Q:
    """The condition of a CHECK that keeps a column within an enum."""
    allowed = models.Q(**{f"{field}__in": [member.value for member in kind]})
    return allowed | models.Q(**{f"{field}__isnull": True}) if or_null else allowed
