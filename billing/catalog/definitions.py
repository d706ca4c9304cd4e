"""Publishes entitlement definitions: what can be counted, over which window, and what happens at the limit."""

from __future__ import annotations

from datetime import datetime

from billing.catalog import fields as rules
from billing.catalog import revisions
from billing.catalog.changes import tell_after_commit
from billing.catalog.entries import DefinitionInfo
from billing.catalog.problems import Problems
from billing.catalog.revisions import PROGRAM, Author
from billing.catalog.rows import change, moved_on, values_of
from billing.engine.types import EntitlementType
from billing.models import Balance, Consumption, Decision, Definition, Grant, Hold, PlanTemplate, ProductTemplate
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Conflict

#: What the meaning of every recorded unit hangs on.
FROZEN_BY_FACTS = ("entitlement_type", "window_interval", "window_anchor", "aggregation_mode")
REQUIRED = ("code", "name", "entitlement_type", "unit")
#: What keeps a definition, and how people call it.
KEPT_BY = {
    PlanTemplate: "a plan grants it",
    ProductTemplate: "a product grants it",
    Grant: "units of it were granted",
    Consumption: "units of it were used",
    Hold: "units of it were held",
    Decision: "decisions about it were recorded",
    Balance: "a customer has a balance of it",
}


def known_definitions() -> dict[str, DefinitionInfo]:
    """All definitions by code, inactive ones too: what authoring checks entries against. One query."""
    rows = Definition.objects.values_list("pk", "code", "entitlement_type", "is_active")
    return {
        code: DefinitionInfo(id=pk, code=code, entitlement_type=EntitlementType(kind), is_active=is_active)
        for pk, code, kind, is_active in rows
    }


def publish_definition(given: rules.Fields, *, now: datetime, by: Author = PROGRAM) -> Definition:
    """
    Create the definition ``given["code"]`` or change the fields that are given. ``updated_at`` always moves on.
    What changes becomes a revision ``by`` its author.

    :raises CatalogInvalid: with every broken rule under the name of its field; among them a change of type, interval,
        anchor or aggregation once a grant, a consumption or a hold points to the definition; and ``reason`` where a named
        author changes something without saying why.
    """
    return run_in_transaction(lambda: _publish(given, now=now, by=by))


def delete_definition(definition: Definition, *, now: datetime, by: Author = PROGRAM) -> None:
    """
    Delete a definition that nothing ever pointed to.

    :raises Conflict: something does. Such a definition is deactivated instead.
    """
    run_in_transaction(lambda: _delete(definition.pk, now=now, by=by))


@requires_transaction
def _delete(definition_id: int, *, now: datetime, by: Author) -> None:
    row = Definition.objects.select_for_update().get(pk=definition_id)
    for table, reason in KEPT_BY.items():
        if table._default_manager.filter(definition=row).exists():
            raise Conflict(f"{row.code} cannot be deleted: {reason}. Deactivate it instead.", code="DEFINITION_IN_USE")
    revisions.record_deletion(row, by=by, now=now)
    row.delete()
    tell_after_commit()


@requires_transaction
def _publish(given: rules.Fields, *, now: datetime, by: Author) -> Definition:
    problems = Problems()
    read = rules.read_fields(given, rules.DEFINITION_FIELDS, problems)
    old = Definition.objects.select_for_update().filter(code=read.get("code")).first()
    if old is None:
        rules.require(given, REQUIRED, problems)
        if "entitlement_type" in read:
            read.setdefault("aggregation_mode", rules.AGGREGATIONS[read["entitlement_type"]][0])
    problems.raise_if_any()
    row = old or Definition(created_at=now, updated_at=now)
    before = revisions.before_change(row)
    changed = change(row, read)
    if old is not None:
        _refuse_change_of_meaning(old, changed, problems)
    rules.check_definition(values_of(row, rules.DEFINITION_FIELDS), problems)
    problems.raise_if_any()
    row.updated_at = now if old is None else moved_on(row.updated_at, now=now)
    row.save()
    revisions.record(row, before, by=by, now=now)
    tell_after_commit()
    return row


def has_facts(definition: Definition) -> bool:
    """Whether a grant, a use or a hold was recorded under the definition: then :data:`FROZEN_BY_FACTS` cannot change."""
    return any(table.objects.filter(definition=definition).exists() for table in (Grant, Consumption, Hold))


def _refuse_change_of_meaning(old: Definition, changed: list[str], problems: Problems) -> None:
    frozen = [name for name in FROZEN_BY_FACTS if name in changed]
    if not frozen:
        return
    if has_facts(old):
        for name in frozen:
            problems.add(name, "cannot change any more: grants, uses or holds were recorded under it")
    elif "entitlement_type" in changed and any(
        table.objects.filter(definition=old).exists() for table in (PlanTemplate, ProductTemplate)
    ):
        problems.add("entitlement_type", "cannot change while a plan or product grants it: take it out there first")
