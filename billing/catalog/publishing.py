"""Publishes plans and products: the row and its typed templates, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeVar

from django.db.models import Model, Q
from django.db.models.functions import Lower

from billing.catalog import fields as rules
from billing.catalog import revisions
from billing.catalog.authoring import read_plan_entries, read_product_entries
from billing.catalog.changes import tell_after_commit
from billing.catalog.definitions import known_definitions
from billing.catalog.entries import PlanEntry
from billing.catalog.problems import Problems
from billing.catalog.revisions import PROGRAM, Author
from billing.catalog.rows import change, moved_on, values_of
from billing.catalog.templates import replace_plan_templates, replace_product_templates
from billing.models import Plan, Product
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Conflict, NotFound

Row = TypeVar("Row", Plan, Product)
Only = Literal["create", "update"]


class Omitted(Enum):
    """The type of :data:`OMITTED`."""

    OMITTED = "omitted"


#: The field ``entitlements`` was not sent: templates stay as they are. An empty list clears them.
OMITTED: Final = Omitted.OMITTED

REQUIRED = ("code", "name")


def publish_plan(
    given: rules.Fields,
    entitlements: object = OMITTED,
    *,
    now: datetime,
    only: Only | None = None,
    by: Author = PROGRAM,
) -> Plan:
    """
    Create the plan ``given["code"]`` or change the fields that are given, and replace its templates by ``entitlements``.

    A template whose (definition, grant kind) stays keeps its id. ``[]`` clears them and marks that the plan is meant
    to grant nothing. Making a plan the default takes it from the one before. ``only`` narrows to creating or updating.
    What changes becomes a revision ``by`` its author; where nothing is different, nothing is written.

    :raises CatalogInvalid: with every broken rule, under the name of the field or the path in ``entitlements``; ``reason``
        where a named author changes something without saying why.
    :raises Conflict: ``only="create"`` and the code is taken.
    :raises NotFound: ``only="update"`` and there is no such plan.
    """
    return run_in_transaction(lambda: _publish_plan(given, entitlements, now=now, only=only, by=by))


def publish_product(
    given: rules.Fields,
    entitlements: object = OMITTED,
    *,
    now: datetime,
    only: Only | None = None,
    by: Author = PROGRAM,
) -> Product:
    """
    Create the product ``given["code"]`` or change the fields that are given; templates and history as in
    :func:`publish_plan`.

    :raises CatalogInvalid: with every broken rule, under the name of the field or the path in ``entitlements``.
    :raises Conflict: ``only="create"`` and the code is taken.
    :raises NotFound: ``only="update"`` and there is no such product.
    """
    return run_in_transaction(lambda: _publish_product(given, entitlements, now=now, only=only, by=by))


@requires_transaction
def _publish_plan(given: rules.Fields, entitlements: object, *, now: datetime, only: Only | None, by: Author) -> Plan:
    problems = Problems()
    read = rules.read_fields(given, rules.PLAN_FIELDS, problems)
    code = read.get("code")
    locked = Plan.objects.select_for_update().filter(Q(code=code) | Q(is_default=True)).order_by("pk")
    old = next((plan for plan in locked if plan.code == code), None)
    _require_as_meant("plan", code, old, only)
    entries = None
    if entitlements is not OMITTED:
        entries = read_plan_entries(entitlements, known_definitions(), problems)
        read["grants_nothing"] = not entries
    if old is None:
        rules.require(given, REQUIRED, problems)
        _refuse_lookalike(code, problems)
    row = old or Plan(created_at=now, updated_at=now)
    _check_plan(row, read, entries, problems)
    problems.raise_if_any()
    if read.get("is_default"):
        _take_default_from([plan for plan in locked if plan.code != code], to=row.code or str(code), by=by, now=now)
    _write(row, read, lambda: entries is not None and replace_plan_templates(row, entries), by=by, now=now)
    return row


@requires_transaction
def _publish_product(
    given: rules.Fields, entitlements: object, *, now: datetime, only: Only | None, by: Author
) -> Product:
    problems = Problems()
    read = rules.read_fields(given, rules.PRODUCT_FIELDS, problems)
    code = read.get("code")
    old = Product.objects.select_for_update().filter(code=code).first()
    _require_as_meant("product", code, old, only)
    entries = None
    if entitlements is not OMITTED:
        entries = read_product_entries(entitlements, known_definitions(), problems)
    if old is None:
        rules.require(given, REQUIRED, problems)
    row = old or Product(created_at=now, updated_at=now)
    whole = {**values_of(row, rules.PRODUCT_FIELDS), **read}
    rules.check_price(whole, problems)
    _refuse_shared_price(row, whole, problems)
    problems.raise_if_any()
    _write(row, read, lambda: entries is not None and replace_product_templates(row, entries), by=by, now=now)
    return row


def _require_as_meant(what: str, code: str | None, old: Model | None, only: Only | None) -> None:
    if code is None:
        return
    if only == "create" and old is not None:
        raise Conflict(f"There is a {what} with the code {code} already.", field_errors={"code": ["is taken"]})
    if only == "update" and old is None:
        raise NotFound(f"There is no {what} with the code {code}.")


def _refuse_lookalike(code: str | None, problems: Problems) -> None:
    """Runtimes name plans ignoring case, so two plans must differ by more."""
    if code is None:
        return
    twin = Plan.objects.annotate(lowered=Lower("code")).filter(lowered=code.lower()).first()
    if twin is not None:
        problems.add("code", f"differs from the plan {twin.code} by case only")


def _refuse_shared_price(row: Product, whole: rules.Fields, problems: Problems) -> None:
    if not whole["provider_price_id"]:
        return
    of_price = Product.objects.filter(provider=whole["provider"], provider_price_id=whole["provider_price_id"])
    other = of_price.exclude(pk=row.pk).first()
    if other is not None:
        problems.add("provider_price_id", f"is the price of the product {other.code} already")


def _check_plan(row: Plan, read: rules.Fields, entries: list[PlanEntry] | None, problems: Problems) -> None:
    """The rules between the fields of a plan, as it will be. ``row`` is still as it was."""
    whole = {**values_of(row, rules.PLAN_FIELDS), **read}
    rules.check_price(whole, problems, prefix="checkout_", interval="checkout_interval")
    if whole["is_default"] and not whole["is_active"]:
        if row.is_default:
            problems.add("is_active", "cannot be false for the default plan: make another plan the default first")
        else:
            problems.add("is_default", "cannot be true for an inactive plan")
    is_new = row.pk is None
    if entries is None and whole["is_active"] and (is_new or not row.is_active) and not _says_what_it_grants(row):
        problems.add("entitlements", "is required for an active plan; [] says that it grants nothing")


def _says_what_it_grants(row: Plan) -> bool:
    return row.pk is not None and (row.grants_nothing or row.templates.exists())


def _take_default_from(others: Sequence[Plan], *, to: str, by: Author, now: datetime) -> None:
    why = Author(actor=by.actor, reason=f"{to} became the default plan. {by.reason}".strip())
    for plan in others:
        if plan.is_default:
            before = revisions.before_change(plan)
            plan.is_default = False
            plan.updated_at = moved_on(plan.updated_at, now=now)
            plan.save(update_fields=["is_default", "updated_at"])
            revisions.record(plan, before, by=why, now=now)


def _write(row: Row, read: rules.Fields, replace_templates: Callable[[], bool], *, by: Author, now: datetime) -> None:
    """Write the row, its templates and its revision. Where nothing is different, nothing is written and nobody is told."""
    before = revisions.before_change(row)
    changed: list[str] = change(row, read)
    is_new = row.pk is None
    if is_new:
        row.save(force_insert=True)
    granted_differently = replace_templates()
    if not is_new and (changed or granted_differently):
        row.updated_at = moved_on(row.updated_at, now=now)
        row.save(update_fields=[*changed, "updated_at"])
    if is_new or changed or granted_differently:
        revisions.record(row, before, by=by, now=now)
        tell_after_commit()
